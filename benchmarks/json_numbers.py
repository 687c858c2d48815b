"""The ways in which a JSON list of floats becomes a float32 array, against each other.

    python benchmarks/json_numbers.py

Ratios are to the typed decoder of msgspec, which short lists take. Where simdjson's falls below 1 is the size from
which `mlcore_protocol.json_tensor` takes it, its `_LONG`. The ways take turns, and the best of many turns counts.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import orjson
import simdjson

if TYPE_CHECKING:
    from collections.abc import Callable

SIZES = (4, 8, 16, 32, 48, 64, 72, 80, 96, 128, 256, 1024, 16_384, 150_528)

_FLOAT32 = np.dtype("<f4")
_FLOAT64 = np.dtype("<f8")
_SECONDS_PER_TURN = 0.002
_TURNS = 40

_decode = msgspec.json.Decoder(list[float]).decode
_parser = simdjson.Parser()


def typed(text: bytes) -> np.ndarray:
    """Decode into Python floats by msgspec, then fill an array."""
    return np.array(_decode(text), _FLOAT32)


def by_simdjson(text: bytes) -> np.ndarray:
    """Parse into float64 memory by simdjson, then cast."""
    values = np.frombuffer(_parser.parse(text).as_buffer(of_type="d"), _FLOAT64)
    if text.count(b"[") != 1:
        raise ValueError("nested")
    with np.errstate(over="raise"):
        return values.astype(_FLOAT32)


def by_orjson(text: bytes) -> np.ndarray:
    """Decode into Python floats by orjson, then fill an array."""
    return np.array(orjson.loads(text), _FLOAT32)


def by_json(text: bytes) -> np.ndarray:
    """Decode into Python floats by the standard library, then fill an array."""
    return np.array(json.loads(text), _FLOAT32)


WAYS = {"msgspec": typed, "simdjson": by_simdjson, "orjson": by_orjson, "json": by_json}


def _seconds(way: Callable[[bytes], np.ndarray], text: bytes, rounds: int) -> float:
    start = time.perf_counter()
    for _ in range(rounds):
        way(text)
    return (time.perf_counter() - start) / rounds


def _best(text: bytes) -> dict[str, float]:
    rounds = {name: max(1, int(_SECONDS_PER_TURN / _seconds(way, text, 1))) for name, way in WAYS.items()}
    best = dict.fromkeys(WAYS, float("inf"))
    for _ in range(_TURNS):
        for name, way in WAYS.items():
            best[name] = min(best[name], _seconds(way, text, rounds[name]))
    return best


def main() -> None:
    """Print the table."""
    random = np.random.default_rng(7)
    print(f"{'floats':>8} {'bytes':>9} {'msgspec us':>11} " + " ".join(f"{name:>9}" for name in list(WAYS)[1:]))
    for size in SIZES:
        text = orjson.dumps(random.random(size, np.float32), option=orjson.OPT_SERIALIZE_NUMPY)
        best = _best(text)
        ratios = " ".join(f"{best[name] / best['msgspec']:>9.2f}" for name in list(WAYS)[1:])
        print(f"{size:>8} {len(text):>9} {best['msgspec'] * 1e6:>11.2f} {ratios}")


if __name__ == "__main__":
    main()
