from mlserver import MLModel
from mlserver.types import InferenceRequest, InferenceResponse, ResponseOutput


class EchoRuntime(MLModel):
    """Says which Python object each input is, by its own content type or by that of the metadata."""

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        outputs = []
        for request_input in payload.inputs:
            decoded = self.decode(request_input)
            outputs.append(
                ResponseOutput(
                    name=request_input.name,
                    datatype=request_input.datatype,
                    shape=request_input.shape,
                    data=request_input.data,
                    parameters={"decoded": type(decoded).__name__},
                )
            )
        return InferenceResponse(model_name=self.name, model_version=self.version, outputs=outputs)
