from mlcore import MLModel
from mlcore.errors import InferenceError
from mlcore.types import InferenceRequest, InferenceResponse


class Failing(MLModel):
    """Refuses what it is asked, or fails at it."""

    def predict(self, payload: InferenceRequest) -> InferenceResponse:
        if payload.inputs[0].data[0] > 0:
            raise InferenceError("x: expected a number that is not positive")
        raise RuntimeError("not foreseen")
