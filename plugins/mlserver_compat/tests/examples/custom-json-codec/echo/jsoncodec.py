import json
from typing import Any, Dict

from mlserver import MLModel
from mlserver.codecs import InputCodec, decode_args, register_input_codec
from mlserver.types import Datatype, Parameters, RequestInput, ResponseOutput


@register_input_codec
class JSONCodec(InputCodec):
    """A JSON object in one element."""

    ContentType = "json"
    TypeHint = Dict

    @classmethod
    def can_encode(cls, payload: Any) -> bool:
        return isinstance(payload, dict)

    @classmethod
    def encode_output(cls, name: str, payload: Dict[str, Any], use_bytes: bool = True, **kwargs) -> ResponseOutput:
        text = json.dumps(payload)
        return ResponseOutput(
            name=name,
            shape=[1],
            datatype=Datatype.BYTES,
            parameters=Parameters(content_type=cls.ContentType),
            data=[text.encode("utf-8") if use_bytes else text],
        )

    @classmethod
    def decode_output(cls, response_output: ResponseOutput) -> Dict[str, Any]:
        return json.loads(response_output.data[0])

    @classmethod
    def encode_input(cls, name: str, payload: Dict[str, Any], use_bytes: bool = True, **kwargs) -> RequestInput:
        return RequestInput(**cls.encode_output(name, payload, use_bytes=use_bytes).dict())

    @classmethod
    def decode_input(cls, request_input: RequestInput) -> Dict[str, Any]:
        return json.loads(request_input.data.root[0])


class JsonEchoModel(MLModel):
    """Answers with the object it got, by a codec that this module registers."""

    @decode_args
    async def predict(self, document: Dict) -> Dict:
        return {"got": document}
