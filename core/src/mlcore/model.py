"""`MLModel`: what a runtime is, and what a user's own model subclasses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlcore_protocol import InferenceRequest, InferenceResponse, MetadataTensor, ModelMetadata, ResponseOutput

from mlcore.codecs.registry import builtin_codecs
from mlcore.errors import InternalError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mlcore_protocol import RequestInput, RequestOutput

    from mlcore.codecs.interface import InputCodec, RequestCodec
    from mlcore.settings import ModelSettings


class MLModel:
    """A model that can be loaded, asked and unloaded.

    Subclass it and write `load` and `predict`; each may be a plain method or `async`. A plain `predict` runs in a
    thread, so it may block; an `async` one runs on the event loop, so it must not.

    Args:
        settings: The model's settings, from its `model-settings.json` or from Python.

    Attributes:
        inputs: The inputs that the model declares; `load` may replace them.
        outputs: The outputs that the model declares; `load` may replace them.
        ready: Whether the model answers; the server sets it.
        codecs: The codecs of the server that the model lives in.
    """

    def __init__(self, settings: ModelSettings) -> None:
        self._settings = settings
        self.inputs: list[MetadataTensor] = [tensor.to_metadata() for tensor in settings.inputs]
        self.outputs: list[MetadataTensor] = [tensor.to_metadata() for tensor in settings.outputs]
        self.ready = False
        self.codecs = builtin_codecs()
        self.argument_plans: dict[Any, Any] = {}  # what decode_args has found out of each method

    @property
    def name(self) -> str:
        """The name under which clients ask for the model."""
        return self._settings.name

    @property
    def version(self) -> str | None:
        """The model's version, or `None` where it has none."""
        return self._settings.parameters.version

    @property
    def settings(self) -> ModelSettings:
        """The model's settings."""
        return self._settings

    def load(self) -> Any:
        """Read the model into memory.

        Returns:
            `False` if the model is not ready for requests; anything else, `None` too, if it is. May be `async`.
        """
        return True

    def predict(self, payload: InferenceRequest) -> Any:
        """Answer one request with an `InferenceResponse`. May be `async`.

        Raises:
            InferenceError: The client has to change the request; it is answered with 400.
        """
        raise InternalError(f"the model '{self.name}' has no predict method")

    async def predict_stream(self, payloads: AsyncIterator[InferenceRequest]) -> AsyncIterator[InferenceResponse]:
        """Answer one request with several responses, one after another. By default, with that of `predict`.

        An async generator runs on the event loop; a plain one, `def predict_stream(self, payloads)` with a plain
        `for`, runs in a thread. Wrappers of plugins apply to `predict` only.
        """
        async for payload in payloads:
            answer = self.predict(payload)
            yield await answer if hasattr(answer, "__await__") else answer

    def unload(self) -> Any:
        """Let go of what `load` took. May be `async`."""
        return True

    def metadata(self) -> Any:
        """Return what is known of the model. Asked once, after `load`. May be `async`."""
        return ModelMetadata(
            name=self.name,
            versions=list(self._settings.versions),
            platform=self._settings.platform,
            inputs=self.inputs,
            outputs=self.outputs,
        )

    def decode(self, request_input: RequestInput, default_codec: type[InputCodec] | None = None) -> Any:
        """Return the Python object that an input holds.

        The content type of the input decides, then that of the declared input of its name, then `default_codec`.
        A content type that no codec offers counts as none. Without any, the input's `TensorData` is returned.

        Raises:
            CodecError: The tensor does not fit the content type.
        """
        codec = self.input_codec_of(request_input) or default_codec
        return request_input.data if codec is None else codec.decode_input(request_input)

    def decode_request(self, request: InferenceRequest, default_codec: type[RequestCodec] | None = None) -> Any:
        """Return the Python object that a whole request holds.

        The content type of the request decides, then that of the model's settings, then `default_codec`. Without
        any, the request itself is returned. Each input is read as by `decode`, if it or its declaration has a content
        type.

        Raises:
            CodecError: The request does not fit the content type.
        """
        content_type = request.parameters.content_type if request.parameters else None
        codec = (
            self.codecs.request_codec(content_type)
            or self.codecs.request_codec(self._settings.parameters.content_type)
            or default_codec
        )
        return request if codec is None else codec.decode_request_with(request, self.input_codec_of)

    def encode(
        self, payload: Any, request_output: RequestOutput, default_codec: type[InputCodec] | None = None
    ) -> ResponseOutput:
        """Return the output tensor that holds a Python object.

        The content type of the requested output decides, then that of the declared output of its name, then the
        object's own type, then `default_codec`.

        Raises:
            InternalError: No codec can encode the object.
        """
        codec = self._input_codec(request_output, self.outputs) or self.codecs.input_codec_for(payload) or default_codec
        if codec is None:
            raise InternalError(
                f"output '{request_output.name}': no codec can encode a {type(payload).__name__}; "
                "return a numpy array or a list of texts, or name a codec"
            )
        return codec.encode_output(request_output.name, payload)

    def encode_response(self, payload: Any, default_codec: type[RequestCodec] | None = None) -> InferenceResponse:
        """Return the response that holds a Python object.

        Raises:
            InternalError: No codec can encode the object.
        """
        codec = self.codecs.request_codec_for(payload) or default_codec
        if codec is None:
            raise InternalError(f"no codec can encode a {type(payload).__name__} as a whole response")
        return codec.encode_response(self.name, payload, self.version)

    def input_codec_of(self, request_input: RequestInput) -> type[InputCodec] | None:
        """Return the codec that an input names, or the declared input of its name; `None` if neither does."""
        return self._input_codec(request_input, self.inputs)

    def _input_codec(
        self, tensor: RequestInput | RequestOutput, declared: list[MetadataTensor]
    ) -> type[InputCodec] | None:
        given = self.codecs.input_codec(tensor.parameters.content_type) if tensor.parameters else None
        if given is not None:
            return given
        for metadata in declared:
            if metadata.name == tensor.name:
                return self.codecs.input_codec(metadata.parameters.content_type) if metadata.parameters else None
        return None
