"""The response cache: a wrapper of a model's predict that gives an answer again to a request that is the same.

Each load of a model has its own, so a reload clears it. What counts is what the model is asked: inputs, parameters and
requested outputs; neither the id nor the headers.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from copy import deepcopy
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np
from mlcore_protocol import InferenceRequest, InferenceResponse, Parameters, ResponseOutput
from mlcore_protocol.tensor_data import TensorData

from mlcore.merging import OWN_PARAMETERS
from mlcore.telemetry.instruments import CACHE_EVICTIONS, CACHE_LOOKUPS

if TYPE_CHECKING:
    from mlcore.predict import Predict
    from mlcore.settings import ModelSettings, Settings
    from mlcore.telemetry.tallies import Tallies

# About what the objects around an answer's elements take.
_OVERHEAD = 1000

_encode = msgspec.msgpack.Encoder().encode


class _Entry(NamedTuple):
    response: InferenceResponse
    size: int
    until: float


class ResponseCache:
    """A model's `predict` with a memory; it is one itself.

    Args:
        predict: The one that answers what is not known yet.
        model: The model's settings.
        settings: The server's settings: how much is kept, and for how long.
        tallies: What is measured here.
    """

    def __init__(self, predict: Predict, model: ModelSettings, settings: Settings, tallies: Tallies) -> None:
        self._predict = predict
        self._max_entries = settings.cache_size
        self._max_bytes = settings.cache_bytes
        self._ttl_s = float("inf") if settings.cache_ttl is None else settings.cache_ttl
        labels = (model.name, model.parameters.version or "")
        self._hits = tallies.counter(CACHE_LOOKUPS, *labels, "hit")
        self._misses = tallies.counter(CACHE_LOOKUPS, *labels, "miss")
        self._evictions = {
            reason: tallies.counter(CACHE_EVICTIONS, *labels, reason) for reason in ("size", "bytes", "age")
        }
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()
        self._bytes = 0

    async def __call__(self, request: InferenceRequest) -> InferenceResponse:
        """Answer a request, from memory if it was answered before."""
        key = key_of(request)
        entry = self._entries.get(key)
        if entry is not None and time.monotonic() >= entry.until:
            self._drop(key, "age")
            entry = None
        if entry is not None:
            self._hits.add()
            self._entries.move_to_end(key)
            return _copied(entry.response)
        self._misses.add()
        response = await self._predict(_shared(request))
        if isinstance(response, InferenceResponse):
            self._keep(key, response)
        return response

    def _keep(self, key: bytes, response: InferenceResponse) -> None:
        size = _OVERHEAD + sum(_size(output.data.values) for output in response.outputs)
        if size > self._max_bytes:
            return
        if key in self._entries:  # asked twice at once
            self._bytes -= self._entries.pop(key).size
        # A model may fill the same arrays again for its next answer.
        self._entries[key] = _Entry(_kept(response), size, time.monotonic() + self._ttl_s)
        self._bytes += size
        while len(self._entries) > self._max_entries:
            self._drop(next(iter(self._entries)), "size")
        while self._bytes > self._max_bytes:
            self._drop(next(iter(self._entries)), "bytes")

    def _drop(self, key: bytes, reason: str) -> None:
        self._bytes -= self._entries.pop(key).size
        self._evictions[reason].add()


def key_of(request: InferenceRequest) -> bytes:
    """Return what is the same for two requests exactly if a model is asked the same by both."""
    digest = hashlib.blake2b(digest_size=32)
    heads = []
    for tensor in request.inputs:
        values = tensor.data.values
        kind = values.dtype.str if isinstance(values, np.ndarray) else ""
        heads.append(
            [tensor.name, tensor.datatype, tensor.shape, _plain(tensor.parameters), kind, tensor.data.is_nested]
        )
    wanted = [[output.name, _plain(output.parameters)] for output in request.outputs or ()]
    digest.update(_encode([_plain(request.parameters), wanted, heads]))
    for tensor in request.inputs:
        values = tensor.data.values
        if isinstance(values, np.ndarray):  # as many bytes as type and shape say
            digest.update(np.ascontiguousarray(values).view(np.uint8).data if values.size else b"")
        else:
            digest.update(_encode(values))
    return digest.digest()


def _shared(request: InferenceRequest) -> InferenceRequest:
    """Return a request without what is one client's own: others get the answer, too."""
    parameters = request.parameters
    if not parameters or "headers" not in parameters:
        return request
    left = Parameters({name: value for name, value in parameters.items() if name != "headers"})
    return msgspec.structs.replace(request, parameters=left or None)


def _plain(parameters: Parameters | None) -> list[Any]:
    return sorted((name, value) for name, value in (parameters or {}).items() if name not in OWN_PARAMETERS)


def _size(values: Any) -> int:
    if isinstance(values, np.ndarray) and values.dtype.kind != "O":
        return int(values.nbytes)
    return sum(50 + len(value) if isinstance(value, str | bytes) else 100 for value in np.ravel(values).tolist())


def _kept(response: InferenceResponse) -> InferenceResponse:
    """Return a copy that nobody else can change."""
    kept = _copied(response)
    for output in kept.outputs:
        values = output.data.values
        if isinstance(values, np.ndarray):
            values = np.array(values)
            values.flags.writeable = False
        output.data = TensorData(values)
    return kept


def _copied(response: InferenceResponse) -> InferenceResponse:
    """Return a copy that shares nothing but arrays."""
    outputs = []
    for output in response.outputs:
        values = output.data.values
        outputs.append(
            ResponseOutput(
                name=output.name,
                shape=list(output.shape),
                datatype=output.datatype,
                parameters=deepcopy(output.parameters),
                data=TensorData(values if isinstance(values, np.ndarray) else deepcopy(values)),
            )
        )
    return InferenceResponse(
        model_name=response.model_name,
        model_version=response.model_version,
        parameters=deepcopy(response.parameters),
        outputs=outputs,
    )
