"""The protobuf format against libraries that read and write any message.

    python benchmarks/protobuf.py

Each way in ends with a numpy array, each way out begins with one. Times are ours in microseconds, ratios to them are
those of betterproto2, whose messages the rest of the gRPC transport uses, and of Google's protobuf (its C core). The
ways take turns, and the best of many turns counts.

`_FEW` of `mlcore_protocol.protobuf_varints` is where the last table says that numpy becomes faster than a loop.
"""

from __future__ import annotations

import time
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from mlcore_protocol import (
    InferenceRequest,
    InferenceResponse,
    Limits,
    Parameters,
    ProtobufFormat,
    ResponseOutput,
    protobuf_varints,
)
from mlcore_protocol.datatypes import DATATYPES, NUMPY_DTYPES
from mlcore_protocol.protobuf import inference
from mlcore_protocol.protobuf_head import read_head
from mlcore_protocol.protobuf_messages import CONTENTS_FIELDS, CONTENTS_OF

if TYPE_CHECKING:
    from collections.abc import Callable

    Ways = dict[str, Callable[[], Any]]

_TURNS = 30
_SECONDS_PER_TURN = 0.002

_format = ProtobufFormat()


def _google(name: str) -> Any:
    pool = descriptor_pool.DescriptorPool()
    stored = files("mlcore_protocol.protobuf").joinpath("descriptors.binpb").read_bytes()
    for file in descriptor_pb2.FileDescriptorSet.FromString(stored).file:
        pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"inference.{name}"))


_GoogleRequest, _GoogleResponse = _google("ModelInferRequest"), _google("ModelInferResponse")


def _body(values: np.ndarray, datatype: str, is_raw: bool) -> bytes:
    message = _GoogleRequest(model_name="m", id="1")
    tensor = message.inputs.add(name="x", datatype=datatype, shape=values.shape)
    if is_raw:
        message.raw_input_contents.append(values.tobytes())
    else:
        getattr(tensor.contents, _contents(datatype)).extend(values.ravel().tolist())
    return message.SerializeToString()


def _contents(datatype: str) -> str:
    return CONTENTS_FIELDS[CONTENTS_OF[DATATYPES[datatype]]][0]


def _reading(body: bytes, datatype: str, is_raw: bool) -> Ways:
    dtype, contents = NUMPY_DTYPES[DATATYPES[datatype]], None if is_raw else _contents(datatype)

    def by(parse: Callable[[bytes], Any]) -> Callable[[], Any]:
        def read() -> np.ndarray:
            message = parse(body)
            tensor = message.inputs[0]
            if contents is None:
                return np.frombuffer(message.raw_input_contents[0], dtype).reshape(tensor.shape)
            return np.array(getattr(tensor.contents, contents), dtype).reshape(tensor.shape)

        return read

    return {
        "ours": lambda: _format.decode(body),
        "betterproto2": by(inference.ModelInferRequest.parse),
        "protobuf": by(_GoogleRequest.FromString),
    }


def _writing(values: np.ndarray, datatype: str, is_raw: bool) -> Ways:
    output = ResponseOutput(name="y", shape=list(values.shape), datatype=DATATYPES[datatype], data=values)
    response = InferenceResponse(model_name="m", id="1", outputs=[output])
    request = InferenceRequest(inputs=[], parameters=Parameters(binary_data_output=is_raw))

    def by_betterproto2() -> bytes:
        tensor = inference.ModelInferResponseInferOutputTensor(name="y", datatype=datatype, shape=list(values.shape))
        message = inference.ModelInferResponse(model_name="m", id="1", outputs=[tensor])
        if is_raw:
            message.raw_output_contents = [values.tobytes()]
        else:
            tensor.contents = inference.InferTensorContents(**{_contents(datatype): values.ravel().tolist()})
        return bytes(message)

    def by_protobuf() -> bytes:
        message = _GoogleResponse(model_name="m", id="1")
        tensor = message.outputs.add(name="y", datatype=datatype, shape=values.shape)
        if is_raw:
            message.raw_output_contents.append(values.tobytes())
        else:
            getattr(tensor.contents, _contents(datatype)).extend(values.ravel().tolist())
        return message.SerializeToString()

    def ours() -> bytes:
        return b"".join(_format.encode(response, request).buffers)  # as whoever sends them has to

    return {"ours": ours, "betterproto2": by_betterproto2, "protobuf": by_protobuf}


def _seconds(way: Callable[[], Any], rounds: int) -> float:
    start = time.perf_counter()
    for _ in range(rounds):
        way()
    return (time.perf_counter() - start) / rounds


def _best(ways: Ways) -> dict[str, float]:
    rounds = {name: max(1, int(_SECONDS_PER_TURN / _seconds(way, 1))) for name, way in ways.items()}
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(_TURNS):
        for name, way in ways.items():
            best[name] = min(best[name], _seconds(way, rounds[name]))
    return best


def _line(what: str, ways: Ways) -> None:
    best = _best(ways)
    first = next(iter(ways))
    print(f"{what:<32} {best[first] * 1e6:>9.1f} " + " ".join(f"{best[way] / best[first]:>13.1f}" for way in ways))


def main() -> None:
    """Print the tables."""
    random = np.random.default_rng(7)
    image = random.random(150_528).astype(np.float32).reshape(1, 3, 224, 224)
    cases = {
        "tiny FP32, typed": (np.ones((1, 4), np.float32), "FP32", False),
        "tiny INT64, typed": (np.array([[1, 300, -5, 2]]), "INT64", False),
        "tiny FP32, raw": (np.ones((1, 4), np.float32), "FP32", True),
        "150,528 FP32, typed": (image, "FP32", False),
        "150,528 FP32, raw": (image, "FP32", True),
        "150,528 UINT8, typed": (random.integers(0, 256, 150_528).astype(np.uint8), "UINT8", False),
        "150,528 INT32 to 1000, typed": (random.integers(0, 1000, 150_528).astype(np.int32), "INT32", False),
        "150,528 INT32 of all, typed": (random.integers(-(2**31), 2**31, 150_528).astype(np.int32), "INT32", False),
    }
    print(f"{'':<32} {'us':>9} {'ours':>13} {'betterproto2':>13} {'protobuf':>13}")
    for name, case in cases.items():
        _line(f"read {name}", _reading(_body(*case), *case[1:]))
    for name, case in cases.items():
        _line(f"write {name}", _writing(*case))

    limits = Limits()
    print(f"\n{'the head alone, which the front reads':<42} {'us':>9}")
    for name, case in cases.items():
        body = _body(*case)
        print(f"{name:<42} {_best({'': lambda body=body: read_head(body, limits)})[''] * 1e6:>9.1f}")

    dtype = np.dtype("<i4")
    print(f"\n{'packed INT32 in bytes':<32} {'us':>9} {'loop':>13} {'numpy':>13}")
    for size in (8, 16, 32, 64, 128, 256):
        payload = memoryview(b"\xac\2" * (size // 2))

        def read(few: int, payload: memoryview = payload) -> Any:
            protobuf_varints._FEW = few
            return protobuf_varints.read_varints(payload, dtype, "INT32", "f")

        _line(f"{size}", {"loop": lambda read=read: read(10**6), "numpy": lambda read=read: read(0)})


if __name__ == "__main__":
    main()
