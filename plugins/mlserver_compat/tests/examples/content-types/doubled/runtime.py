from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Doubled(MLModel):
    """Answers in the codec of the metadata."""

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        values = self.decode(payload.inputs[0], default_codec=NumpyCodec)
        wanted = (payload.outputs or self.outputs)[0]
        return InferenceResponse(model_name=self.name, outputs=[self.encode(values * 2, wanted)])
