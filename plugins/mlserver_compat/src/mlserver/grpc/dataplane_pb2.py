"""The messages of `inference.GRPCInferenceService`."""

from __future__ import annotations

from typing import Any

from mlserver.grpc.descriptors import messages_of

_MESSAGES = messages_of("inference.proto")


def __getattr__(name: str) -> Any:
    if name not in _MESSAGES:
        raise AttributeError(f"module 'mlserver.grpc.dataplane_pb2' has no attribute {name!r}")
    return _MESSAGES[name]


def __dir__() -> list[str]:
    return sorted(_MESSAGES)
