"""The messages of the protocol as Python objects, as a model and a client see them.

A wire format makes them from bytes and turns them into bytes; nothing here knows how.
"""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar

import msgspec

from mlcore_protocol.datatypes import DATATYPES, Datatype
from mlcore_protocol.errors import InferenceError, InternalError, MLCoreError
from mlcore_protocol.message import Message
from mlcore_protocol.message import Parameters as Parameters
from mlcore_protocol.tensor_data import TensorData

M = TypeVar("M", bound=Message)


class Tensor(Message, kw_only=True):
    """What a tensor of a request and one of a response have in common."""

    _wrong: ClassVar[type[MLCoreError]] = InferenceError

    name: str
    shape: list[int]
    datatype: Datatype
    parameters: Parameters | None = None
    data: TensorData

    def __post_init__(self) -> None:
        if type(self.shape) is not list:
            self.shape = list(self.shape)  # that of an array is a tuple
        if type(self.data) is not TensorData:
            self.data = TensorData(self.data)
        if self.parameters is not None and type(self.parameters) is not Parameters:
            self.parameters = Parameters(self.parameters)
        if type(self.datatype) is not Datatype:
            found = DATATYPES.get(self.datatype)
            if found is None:
                raise self._wrong(
                    f"{self.name}.datatype: {str(self.datatype)[:64]!r} is not a datatype; "
                    f"there are {', '.join(DATATYPES)}"
                )
            self.datatype = found


class RequestInput(Tensor, kw_only=True):
    """One tensor that a client sends.

    Shapes:
        shape: the tensor's shape, the batch dimension first
        data: as many elements as the shape has, flat in row-major order or nested like the shape
    """


class ResponseOutput(Tensor, kw_only=True):
    """One tensor that a model answers with; its members are those of `RequestInput`."""

    _wrong: ClassVar[type[MLCoreError]] = InternalError


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
        if dict in map(type, self.inputs):  # as in InferenceRequest(**plain)
            self.inputs = _made(RequestInput, self.inputs)
        if self.outputs and dict in map(type, self.outputs):
            self.outputs = _made(RequestOutput, self.outputs)


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
        if dict in map(type, self.outputs):
            self.outputs = _made(ResponseOutput, self.outputs)


class MetadataTensor(Message, kw_only=True):
    """What is known of a model's input or output. A dimension of -1 may have any size."""

    name: str
    datatype: str = ""
    shape: list[int] = msgspec.field(default_factory=list)
    parameters: Parameters | None = None


class ModelMetadata(Message, kw_only=True, omit_defaults=False):
    """What is known of a model.

    `versions` are those of the libraries that made the model, as its settings name them.
    """

    name: str
    versions: list[str] = msgspec.field(default_factory=list)
    platform: str = ""
    inputs: list[MetadataTensor] = msgspec.field(default_factory=list)
    outputs: list[MetadataTensor] = msgspec.field(default_factory=list)
    parameters: Parameters = msgspec.field(default_factory=Parameters)


class ServerMetadata(Message, kw_only=True, omit_defaults=False):
    """What a server says of itself: its name, its version and the protocol extensions that it speaks."""

    name: str
    version: str
    extensions: list[str] = msgspec.field(default_factory=list)


class RepositoryIndexItem(Message, kw_only=True, omit_defaults=False):
    """One model of the repository.

    `state` is one of LOADING, READY, UNAVAILABLE, UNLOADING; `reason` says why it is not READY.
    """

    name: str
    version: str | None = None
    state: str
    reason: str = ""

    def model_dump(self, **options: Any) -> dict[str, Any]:
        """Return the item as a dict, without a version where the model has none."""
        return {name: value for name, value in super().model_dump(**options).items() if value is not None}

    dict = model_dump


def _made(kind: type[M], members: list[Any]) -> list[M]:
    """Return members of which some may be plain dicts as messages."""
    return [kind.model_validate(member) if isinstance(member, dict) else member for member in members]
