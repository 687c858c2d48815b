import json

from mlserver import MLModel, types
from mlserver.codecs import StringCodec
from mlserver.types import InferenceRequest, InferenceResponse


class JsonHelloWorldModel(MLModel):
    """Reads JSON from a text, and writes JSON as a text."""

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        request = {
            tensor.name: json.loads("".join(self.decode(tensor, default_codec=StringCodec)))
            for tensor in payload.inputs
        }
        answer = {"request": request, "server_response": "Got your request. Hello from the server."}
        output = types.ResponseOutput(
            name="echo_response",
            shape=[len(json.dumps(answer))],
            datatype="BYTES",
            data=[json.dumps(answer).encode("UTF-8")],
            parameters=types.Parameters(content_type="str"),
        )
        return types.InferenceResponse(model_name=self.name, model_version=self.version, outputs=[output])
