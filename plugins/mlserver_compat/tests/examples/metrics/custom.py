import mlserver
from mlserver import MLModel
from mlserver.types import InferenceRequest, InferenceResponse


class CustomMetrics(MLModel):
    """Counts how many tensors it is asked about."""

    async def load(self) -> bool:
        mlserver.register("my_custom_metric", "Tensors of a request.")
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        mlserver.log(my_custom_metric=len(payload.inputs))
        return InferenceResponse(model_name=self.name, outputs=[])
