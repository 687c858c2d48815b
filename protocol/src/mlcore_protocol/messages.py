"""The messages of the protocol as Python objects, as a model and a client see them.

A wire format makes them from bytes and turns them into bytes; nothing here knows how.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import msgspec
import numpy as np

from mlcore_protocol.datatypes import DATATYPES, Datatype
from mlcore_protocol.errors import InferenceError
from mlcore_protocol.tensor_data import TensorData

if TYPE_CHECKING:
    from collections.abc import Mapping


class Parameters(dict[str, Any]):
    """The parameters of a request, a response or a tensor: a dict whose keys read as attributes too.

    `content_type` and `headers` are `None` where they are absent; any other absent name is an
    `AttributeError`, as on any object.
    """

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            if name in ("content_type", "headers"):
                return None
            raise AttributeError(f"no parameter {name!r}; there are: {', '.join(self) or 'none'}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def model_dump(self) -> dict[str, Any]:
        """Return a plain dict of the parameters that are not `None`."""
        return {name: value for name, value in self.items() if value is not None}

    dict = model_dump


class Message(msgspec.Struct, omit_defaults=True):
    """The conversions that every message has. Absent members are left out of what they return."""

    def model_dump(self) -> dict[str, Any]:
        """Return the message as dicts and lists, as `json=` of a HTTP client takes it."""
        plain: dict[str, Any] = msgspec.to_builtins(self, enc_hook=_to_builtin, builtin_types=(bytes,))
        return plain

    def model_dump_json(self) -> str:
        """Return the message as JSON text.

        Raises:
            InferenceError: Some tensor holds bytes that are not UTF-8, which JSON cannot carry.
        """
        return msgspec.json.encode(_jsonable(self.model_dump())).decode()

    @classmethod
    def model_validate(cls, plain: Mapping[str, Any]) -> Self:
        """Make the message from dicts and lists.

        Raises:
            InferenceError: `plain` does not have the form of this message.
        """
        try:
            return msgspec.convert(plain, type=cls, dec_hook=_from_builtin)
        except msgspec.ValidationError as error:
            raise InferenceError(f"not a valid {cls.__name__}: {error}") from error

    @classmethod
    def model_validate_json(cls, text: str | bytes) -> Self:
        """Make the message from JSON text; like `model_validate`."""
        try:
            return cls.model_validate(msgspec.json.decode(text))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise InferenceError(f"not valid JSON: {error}") from error

    # The names of older clients; the same methods.
    dict = model_dump
    json = model_dump_json
    parse_obj = model_validate
    parse_raw = model_validate_json


class _Tensor(Message, kw_only=True):
    name: str
    shape: list[int]
    datatype: Datatype
    parameters: Parameters | None = None
    data: TensorData

    def __post_init__(self) -> None:
        if type(self.data) is not TensorData:
            self.data = TensorData(self.data)
        if self.parameters is not None and type(self.parameters) is not Parameters:
            self.parameters = Parameters(self.parameters)
        if type(self.datatype) is not Datatype:
            found = DATATYPES.get(self.datatype)
            if found is None:
                raise InferenceError(
                    f"{self.name}.datatype: {str(self.datatype)[:64]!r} is not a datatype; "
                    f"there are {', '.join(DATATYPES)}"
                )
            self.datatype = found


class RequestInput(_Tensor, kw_only=True):
    """One tensor that a client sends.

    Shapes:
        shape: the tensor's shape, the batch dimension first
        data: as many elements as the shape has, flat in row-major order or nested like the shape
    """


class ResponseOutput(_Tensor, kw_only=True):
    """One tensor that a model answers with; its members are those of `RequestInput`."""


class RequestOutput(Message, kw_only=True):
    """One output that a client asks for."""

    name: str
    parameters: Parameters | None = None

    def __post_init__(self) -> None:
        if self.parameters is not None and type(self.parameters) is not Parameters:
            self.parameters = Parameters(self.parameters)


class InferenceRequest(Message, kw_only=True):
    """What a client sends to a model.

    `outputs` that is `None` or empty asks for every output; else for these only.
    """

    id: str | None = None
    parameters: Parameters | None = None
    inputs: list[RequestInput]
    outputs: list[RequestOutput] | None = None

    def __post_init__(self) -> None:
        if self.parameters is not None and type(self.parameters) is not Parameters:
            self.parameters = Parameters(self.parameters)


class InferenceResponse(Message, kw_only=True):
    """What a model answers. The server fills in `id` and `model_version` where a model leaves them out."""

    model_name: str
    model_version: str | None = None
    id: str | None = None
    parameters: Parameters | None = None
    outputs: list[ResponseOutput]

    def __post_init__(self) -> None:
        if self.parameters is not None and type(self.parameters) is not Parameters:
            self.parameters = Parameters(self.parameters)


class MetadataTensor(Message, kw_only=True):
    """What is known of a model's input or output. A dimension of -1 may have any size."""

    name: str
    datatype: str = ""
    shape: list[int] = []
    parameters: Parameters | None = None


class ModelMetadata(Message, kw_only=True, omit_defaults=False):
    """What is known of a model.

    `versions` are those of the libraries that made the model, as its settings name them.
    """

    name: str
    versions: list[str] = []
    platform: str = ""
    inputs: list[MetadataTensor] = []
    outputs: list[MetadataTensor] = []
    parameters: Parameters = msgspec.field(default_factory=Parameters)


class ServerMetadata(Message, kw_only=True, omit_defaults=False):
    """What a server says of itself: its name, its version and the protocol extensions that it speaks."""

    name: str
    version: str
    extensions: list[str] = []


class RepositoryIndexItem(Message, kw_only=True, omit_defaults=False):
    """One model of the repository.

    `state` is one of LOADING, READY, UNAVAILABLE, UNLOADING; `reason` says why it is not READY.
    """

    name: str
    version: str | None = None
    state: str
    reason: str = ""

    def model_dump(self) -> dict[str, Any]:
        """Return the item as a dict, without a version where the model has none."""
        plain = super().model_dump()
        if self.version is None:
            del plain["version"]
        return plain

    dict = model_dump


def _to_builtin(value: Any) -> Any:
    if isinstance(value, TensorData):
        return value.tolist()
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise NotImplementedError(f"{type(value).__name__} has no JSON form")


def _from_builtin(expected: type, value: Any) -> Any:
    if expected is TensorData:
        return TensorData(value)
    if not isinstance(value, dict):
        raise ValueError(f"Expected an object of parameters, got {type(value).__name__}")
    return Parameters(value)


def _jsonable(value: Any) -> Any:
    """Replace bytes by the text they hold: JSON has no bytes."""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError as error:
            raise InferenceError(
                f"bytes that are not UTF-8 have no JSON form ({error}); encode them with the base64 codec"
            ) from error
    if isinstance(value, dict):
        return {name: _jsonable(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_jsonable(item) for item in value]
    return value
