from mlcore import MLModel
from mlcore.types import InferenceRequest, InferenceResponse, Parameters, ResponseOutput


class Echo(MLModel):
    """Answers with the inputs under their names, and with the parameters of the request."""

    def predict(self, payload: InferenceRequest) -> InferenceResponse:
        given = {name: value for name, value in (payload.parameters or {}).items() if name != "headers"}
        outputs = [
            ResponseOutput(name=tensor.name, shape=tensor.shape, datatype=tensor.datatype, data=tensor.data)
            for tensor in payload.inputs
        ]
        return InferenceResponse(model_name=self.name, parameters=Parameters(given), outputs=outputs)
