"""The messages and stubs of the protocol's services, made of their descriptors.

They have a pool of their own: other clients of the protocol, in the same process, register messages of the same names.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

try:
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "mlserver.grpc needs grpcio and protobuf: pip install 'mlcore-mlserver[grpc]'", name=error.name
    ) from None

if TYPE_CHECKING:
    from collections.abc import Callable


@cache
def _pool() -> descriptor_pool.DescriptorPool:
    pool = descriptor_pool.DescriptorPool()
    content = (files("mlcore_protocol") / "protobuf" / "descriptors.binpb").read_bytes()
    for file in descriptor_pb2.FileDescriptorSet.FromString(content).file:
        pool.Add(file)
    return pool


def messages_of(file: str) -> dict[str, Any]:
    """Return the message classes of a file, by name."""
    described = _pool().FindFileByName(file).message_types_by_name
    return {name: message_factory.GetMessageClass(descriptor) for name, descriptor in described.items()}


def stub_of(service: str, answers: dict[str, Callable[[bytes], Any]] | None = None) -> type[Any]:
    """Return the class of a service's stubs: made with a channel, it has a method for each of the service.

    Args:
        service: The service's full name.
        answers: What reads the answers of single methods, where that is not the message itself.
    """

    def __init__(self: Any, channel: Any) -> None:
        for method in _pool().FindServiceByName(service).methods:
            request = message_factory.GetMessageClass(method.input_type)
            answer = message_factory.GetMessageClass(method.output_type)
            kind = channel.stream_stream if method.client_streaming else channel.unary_unary
            call = kind(
                f"/{service}/{method.name}",
                request_serializer=request.SerializeToString,
                response_deserializer=(answers or {}).get(method.name, answer.FromString),
            )
            setattr(self, method.name, call)

    return type(f"{service.rpartition('.')[2]}Stub", (), {"__init__": __init__, "__doc__": f"Calls {service}."})
