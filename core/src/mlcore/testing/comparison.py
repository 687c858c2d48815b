"""How the contract takes requests apart, and compares what comes back."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np
import pytest
from mlcore_protocol import InferenceRequest, RequestInput, TensorData

if TYPE_CHECKING:
    from mlcore_protocol import InferenceResponse, ResponseOutput


def row_of(request: InferenceRequest, row: int) -> InferenceRequest:
    """Return the request with one row of each input."""
    inputs = []
    for tensor in request.inputs:
        width = int(np.prod(tensor.shape[1:], dtype=np.int64))
        values = tensor.data.values
        flat = values.reshape(-1) if isinstance(values, np.ndarray) else values
        inputs.append(
            RequestInput(
                name=tensor.name,
                shape=[1, *tensor.shape[1:]],
                datatype=tensor.datatype,
                parameters=copy.copy(tensor.parameters),
                data=TensorData(flat[row * width : (row + 1) * width]),
            )
        )
    return InferenceRequest(parameters=copy.copy(request.parameters), inputs=inputs, outputs=request.outputs)


def fits(shape: list[int], declared: list[int]) -> bool:
    """Say whether a shape is one that a declared shape allows."""
    return len(shape) == len(declared) and all(
        wanted in (-1, size) for size, wanted in zip(shape, declared, strict=True)
    )


def assert_same(first: InferenceResponse, second: InferenceResponse) -> None:
    """Assert that two responses have the same outputs."""
    assert [output.name for output in first.outputs] == [output.name for output in second.outputs]
    for one, other in zip(first.outputs, second.outputs, strict=True):
        assert (one.shape, one.datatype) == (other.shape, other.datatype)
        assert_close(_elements(one), _elements(other))


def _elements(output: ResponseOutput) -> list[object]:
    return [value.decode() if isinstance(value, bytes) else value for value in output.data.tolist()]


def assert_close(first: list[object], second: list[object]) -> None:
    """Compare elements: text exactly, numbers up to what another order of summation may change."""
    assert len(first) == len(second)
    for one, other in zip(first, second, strict=True):
        if isinstance(one, float):
            assert other == pytest.approx(one, rel=1e-5, abs=1e-6, nan_ok=True)
        else:
            assert one == other
