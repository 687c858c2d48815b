from mlserver import MLModel
from mlserver.codecs import NumpyRequestCodec
from mlserver.types import InferenceRequest, InferenceResponse


class WholeRequest(MLModel):
    """Decodes the whole request, as its parameters say, and answers with the object's own codec."""

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        decoded = self.decode_request(payload, default_codec=NumpyRequestCodec)
        return self.encode_response(decoded, default_codec=NumpyRequestCodec)
