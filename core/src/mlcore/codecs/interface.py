"""What a codec is: one tensor, or a whole request, to a Python object and back.

A codec is a class with class methods, never an instance: it has no state. It knows no bytes on a wire.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from mlcore_protocol import (
    Datatype,
    InferenceRequest,
    InferenceResponse,
    Parameters,
    RequestInput,
    ResponseOutput,
    TensorData,
)
from mlcore_protocol.errors import CodecError

Tensor = RequestInput | ResponseOutput
T = TypeVar("T", RequestInput, ResponseOutput)


class InputCodec:
    """One tensor to a Python object and back. Subclass it, and give `write`, `read` and `can_encode`.

    Attributes:
        ContentType: The name that requests, settings and metadata use.
        TypeHint: The type hint that stands for it in a function under `decode_args`.
    """

    ContentType: ClassVar[str]
    TypeHint: ClassVar[Any] = None

    @classmethod
    def can_encode(cls, payload: Any) -> bool:
        """Say whether `write` takes this object."""
        return False

    @classmethod
    def write(cls, payload: Any, **options: Any) -> tuple[list[int], Datatype, Any]:
        """Return shape, datatype and elements of the tensor that holds `payload`."""
        raise NotImplementedError(f"{cls.__name__} cannot encode")

    @classmethod
    def read(cls, tensor: Tensor) -> Any:
        """Return the object that `tensor` holds.

        Raises:
            CodecError: The tensor does not hold one.
        """
        raise NotImplementedError(f"{cls.__name__} cannot decode")

    @classmethod
    def encode_input(cls, name: str, payload: Any, **options: Any) -> RequestInput:
        """Return the input tensor that holds `payload`, for a client to send."""
        return cls._written(RequestInput, name, payload, options)

    @classmethod
    def decode_input(cls, request_input: RequestInput) -> Any:
        """Return the object that an input tensor holds."""
        return cls.read(request_input)

    @classmethod
    def encode_output(cls, name: str, payload: Any, **options: Any) -> ResponseOutput:
        """Return the output tensor that holds `payload`, for a model to answer with."""
        return cls._written(ResponseOutput, name, payload, options)

    @classmethod
    def decode_output(cls, response_output: ResponseOutput) -> Any:
        """Return the object that an output tensor holds."""
        return cls.read(response_output)

    @classmethod
    def encode(cls, name: str, payload: Any, **options: Any) -> ResponseOutput:
        """Return what `encode_output` does; the name that older models call."""
        return cls.encode_output(name, payload, **options)

    @classmethod
    def decode(cls, request_input: RequestInput) -> Any:
        """Return what `decode_input` does; the name that older models call."""
        return cls.decode_input(request_input)

    @classmethod
    def _written(cls, kind: type[T], name: str, payload: Any, options: dict[str, Any]) -> T:
        shape, datatype, data = cls.write(payload, **options)
        parameters = Parameters(content_type=cls.ContentType)
        return kind(name=name, shape=shape, datatype=datatype, parameters=parameters, data=TensorData(data))


CodecOf = Callable[[RequestInput], type[InputCodec] | None]
"""What tells the codec that an input names, or that a model declares for it; `None` if neither does."""


class RequestCodec:
    """A whole request or response to a Python object and back."""

    ContentType: ClassVar[str]
    TypeHint: ClassVar[Any] = None

    @classmethod
    def can_encode(cls, payload: Any) -> bool:
        """Say whether `encode_response` and `encode_request` take this object."""
        return False

    @classmethod
    def encode_request(cls, payload: Any, **options: Any) -> InferenceRequest:
        """Return the request that holds `payload`."""
        raise NotImplementedError(f"{cls.__name__} cannot encode requests")

    @classmethod
    def decode_request(cls, request: InferenceRequest) -> Any:
        """Return the object that `request` holds."""
        raise NotImplementedError(f"{cls.__name__} cannot decode requests")

    @classmethod
    def decode_request_with(cls, request: InferenceRequest, codec_of: CodecOf) -> Any:
        """Return the object that `request` holds for a model, which may know more of its inputs than they say.

        By default that is what `decode_request` returns.

        Args:
            request: The request.
            codec_of: Tells the codec of an input.
        """
        return cls.decode_request(request)

    @classmethod
    def encode_response(
        cls, model_name: str, payload: Any, model_version: str | None = None, **options: Any
    ) -> InferenceResponse:
        """Return the response that holds `payload`."""
        raise NotImplementedError(f"{cls.__name__} cannot encode responses")

    @classmethod
    def decode_response(cls, response: InferenceResponse) -> Any:
        """Return the object that `response` holds."""
        raise NotImplementedError(f"{cls.__name__} cannot decode responses")

    @classmethod
    def encode(
        cls, model_name: str, payload: Any, model_version: str | None = None, **options: Any
    ) -> InferenceResponse:
        """Return what `encode_response` does; the name that older models call."""
        return cls.encode_response(model_name, payload, model_version, **options)

    @classmethod
    def decode(cls, request: InferenceRequest) -> Any:
        """Return what `decode_request` does; the name that older models call."""
        return cls.decode_request(request)


class SingleTensorRequestCodec(RequestCodec):
    """A request of exactly one tensor, read and written by an input codec."""

    InputCodec: ClassVar[type[InputCodec]]

    @classmethod
    def can_encode(cls, payload: Any) -> bool:
        """Say whether the input codec takes this object."""
        return cls.InputCodec.can_encode(payload)

    @classmethod
    def encode_request(cls, payload: Any, **options: Any) -> InferenceRequest:
        """Return a request with one tensor, `input-1`."""
        return InferenceRequest(
            parameters=Parameters(content_type=cls.ContentType),
            inputs=[cls.InputCodec.encode_input("input-1", payload, **options)],
        )

    @classmethod
    def decode_request(cls, request: InferenceRequest) -> Any:
        """Return what the only tensor holds.

        Raises:
            CodecError: The request has no tensor, or several.
        """
        return cls.InputCodec.decode_input(cls._only(request.inputs, "input"))

    @classmethod
    def decode_request_with(cls, request: InferenceRequest, codec_of: CodecOf) -> Any:
        """Return what the only tensor holds; its own codec, where there is one, wins over that of the request.

        Raises:
            CodecError: The request has no tensor, or several.
        """
        tensor = cls._only(request.inputs, "input")
        return (codec_of(tensor) or cls.InputCodec).decode_input(tensor)

    @classmethod
    def encode_response(
        cls, model_name: str, payload: Any, model_version: str | None = None, **options: Any
    ) -> InferenceResponse:
        """Return a response with one tensor, `output-1`."""
        return InferenceResponse(
            model_name=model_name,
            model_version=model_version,
            parameters=Parameters(content_type=cls.ContentType),
            outputs=[cls.InputCodec.encode_output("output-1", payload, **options)],
        )

    @classmethod
    def decode_response(cls, response: InferenceResponse) -> Any:
        """Return what the only tensor holds."""
        return cls.InputCodec.decode_output(cls._only(response.outputs, "output"))

    @classmethod
    def _only(cls, tensors: list[Any], kind: str) -> Any:
        if len(tensors) != 1:
            raise CodecError(
                f"{kind}s: the content type '{cls.ContentType}' takes exactly one {kind} tensor, got {len(tensors)} "
                f"({', '.join(repr(tensor.name[:64]) for tensor in tensors[:8]) or 'none'})"
            )
        return tensors[0]
