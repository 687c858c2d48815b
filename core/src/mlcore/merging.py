"""Requests merged into one, and its response split: what a batch is made of. Nothing here waits or calls a model."""

from __future__ import annotations

import uuid
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from mlcore_protocol import InferenceRequest, InferenceResponse, Parameters, RequestInput, RequestOutput, ResponseOutput
from mlcore_protocol.tensor_data import TensorData

from mlcore.errors import InternalError

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from mlcore_protocol import MetadataTensor, ModelMetadata

OWN_PARAMETERS = frozenset({"headers", "priority", "timeout", "binary_data_output", "binary_data"})
"""Parameters that concern one client, and not the model's work."""


class Joinable(NamedTuple):
    """What a request can be merged by.

    Attributes:
        signature: Requests of the same one can be merged.
        rows: Size of the first axis of its inputs.
    """

    signature: Hashable
    rows: int


class Merger:
    """Merges requests for one model, and splits its responses.

    Args:
        metadata: What the model declares.
        padding: What fills requests whose last axis is shorter than that of others; `None` if only those of the same
            size are merged.
    """

    def __init__(self, metadata: ModelMetadata, padding: float | None = None) -> None:
        self._inputs = {tensor.name: tensor for tensor in metadata.inputs}
        self._outputs = {tensor.name: tensor for tensor in metadata.outputs}
        self._padding = padding
        declared = [*metadata.inputs, *metadata.outputs]
        self._is_fixed = any(tensor.shape and tensor.shape[0] >= 0 for tensor in declared)

    def joinable(self, request: InferenceRequest) -> Joinable | None:
        """Return what a request can be merged by; `None` if it has to run alone."""
        rows = request.inputs[0].shape[0] if request.inputs and request.inputs[0].shape else 0
        if not rows or self._is_fixed:
            return None
        if any(not tensor.shape or tensor.shape[0] != rows for tensor in request.inputs):
            return None
        # With two widths, nothing would say which of them an output is cut back to.
        may_grow = len({tensor.shape[-1] for tensor in request.inputs if self._is_padded(tensor)}) == 1
        tensors = []
        for tensor in request.inputs:
            values = tensor.data.values
            kind = values.dtype.str if isinstance(values, np.ndarray) else _kind_of(values)
            trailing = tensor.shape[1:-1] if may_grow and self._is_padded(tensor) else tensor.shape[1:]
            parameters = _relevant(tensor.parameters)
            tensors.append((tensor.name, kind, tuple(trailing), len(tensor.shape), tensor.data.is_nested, parameters))
        wanted = tuple((output.name, _relevant(output.parameters)) for output in request.outputs or ())
        # Their order counts, for a model may go by it.
        return Joinable((tuple(tensors), wanted, _relevant(request.parameters)), rows)

    def merged(self, requests: Sequence[InferenceRequest]) -> InferenceRequest:
        """Return one request with the rows of several, which are of the same signature.

        It says nothing of who sent them.
        """
        first = requests[0]
        columns = zip(*(request.inputs for request in requests), strict=True)
        return InferenceRequest(
            id=str(uuid.uuid4()),
            parameters=shared_parameters(first.parameters),
            inputs=[self._joined(tensors) for tensors in columns],
            outputs=_shared_outputs(first.outputs),
        )

    def check_rows(self, response: InferenceResponse, requests: Sequence[InferenceRequest]) -> None:
        """Check that a response can be split.

        Raises:
            InternalError: An output does not have a row for each one that went in.
        """
        rows = sum(request.inputs[0].shape[0] for request in requests)
        for output in response.outputs:
            if not output.shape or output.shape[0] != rows:
                raise InternalError(
                    f"the output '{output.name}' has the shape {output.shape} for a batch of {rows} rows"
                )

    def split(self, response: InferenceResponse, requests: Sequence[InferenceRequest]) -> list[InferenceResponse]:
        """Return each request's part of the response to all of them.

        Raises:
            InternalError: An output does not have as many elements as its shape says.
        """
        counts = [request.inputs[0].shape[0] for request in requests]
        ends = np.cumsum(counts).tolist()
        shares: list[list[ResponseOutput]] = [[] for _ in requests]
        for output in response.outputs:
            elements, width = _elements(output)
            for share, request, end, count in zip(shares, requests, ends, counts, strict=True):
                part = ResponseOutput(
                    name=output.name,
                    shape=[count, *output.shape[1:]],
                    datatype=output.datatype,
                    parameters=Parameters(output.parameters) if output.parameters else None,
                    data=TensorData(elements[(end - count) * width : end * width]),
                )
                share.append(self._unpadded(part, request, requests))
        return [
            InferenceResponse(
                model_name=response.model_name,
                model_version=response.model_version,
                parameters=Parameters(response.parameters) if response.parameters else None,
                outputs=share,
            )
            for share in shares
        ]

    # --- padding ---

    def _is_padded(self, tensor: RequestInput) -> bool:
        declared = self._inputs.get(tensor.name)
        return self._padding is not None and len(tensor.shape) > 1 and _is_variable(declared, len(tensor.shape))

    def _joined(self, tensors: Sequence[RequestInput]) -> RequestInput:
        first = tensors[0]
        widths = {tensor.shape[-1] for tensor in tensors}
        parts = [tensor.data for tensor in tensors]
        shape = [sum(tensor.shape[0] for tensor in tensors), *first.shape[1:]]
        if len(shape) > 1 and len(widths) > 1:
            shape[-1] = max(widths)
            parts = [self._wide(tensor, shape[-1]) for tensor in tensors]
        return RequestInput(
            name=first.name,
            shape=shape,
            datatype=first.datatype,
            parameters=Parameters(first.parameters) if first.parameters else None,
            data=TensorData.joined(parts),
        )

    def _wide(self, tensor: RequestInput, width: int) -> TensorData:
        """Return the elements with a last axis of this width, the end of which is padding."""
        values = tensor.data.values
        if isinstance(values, np.ndarray):
            wide: Any = np.full((*tensor.shape[:-1], width), self._padding).astype(values.dtype)
            wide[..., : tensor.shape[-1]] = values
        else:
            filler = type(values[0])() if values else b""
            cells = np.full((prod(tensor.shape[:-1]), width), filler, dtype=object)
            cells[:, : tensor.shape[-1]] = np.array(values, dtype=object).reshape(-1, tensor.shape[-1])
            wide = cells.ravel().tolist()
        if not tensor.data.is_nested:
            return TensorData(wide)
        return TensorData(wide, np.reshape(np.array(wide, object), (*tensor.shape[:-1], width)).tolist())

    def _unpadded(
        self, part: ResponseOutput, request: InferenceRequest, requests: Sequence[InferenceRequest]
    ) -> ResponseOutput:
        """Take from an output the part of its last axis that stands for padding, where the model declares that axis."""
        declared = self._outputs.get(part.name)
        if self._padding is None or declared is None or not declared.shape or len(part.shape) < 2:
            return part
        if not _is_variable(declared, len(part.shape)):
            return part
        for tensor in request.inputs:
            if not self._is_padded(tensor):
                continue
            width = max(_named(other, tensor.name).shape[-1] for other in requests)
            if width == part.shape[-1] and width != tensor.shape[-1]:
                return _narrow(part, tensor.shape[-1])
        return part


def shared_parameters(parameters: Parameters | None) -> Parameters | None:
    """Return what is left of a request's parameters when it shares a batch: nothing that is one client's own."""
    if not parameters or OWN_PARAMETERS.isdisjoint(parameters):
        return parameters
    return Parameters({name: value for name, value in parameters.items() if name not in OWN_PARAMETERS}) or None


def _relevant(parameters: Parameters | None) -> Hashable:
    if not parameters:
        return ()
    return tuple(
        sorted((name, type(value).__name__, value) for name, value in parameters.items() if name not in OWN_PARAMETERS)
    )


def _shared_outputs(outputs: list[RequestOutput] | None) -> list[RequestOutput] | None:
    if outputs is None:
        return None
    return [RequestOutput(name=output.name, parameters=shared_parameters(output.parameters)) for output in outputs]


def _is_variable(declared: MetadataTensor | None, dimensions: int) -> bool:
    """Say whether the last axis may have any size; one that is not declared may."""
    return declared is None or not declared.shape or (len(declared.shape) == dimensions and declared.shape[-1] < 0)


def _kind_of(values: list[Any]) -> str:
    return type(values[0]).__name__ if values else ""


def _elements(output: ResponseOutput) -> tuple[Any, int]:
    """Return an output's elements as an array of its shape or as a flat list, and how many of them make a row.

    Raises:
        InternalError: They are not as many as the shape says.
    """
    values = output.data.values
    width = prod(output.shape[1:])
    count = output.shape[0] * width
    if isinstance(values, np.ndarray):
        if values.size == count:
            return values.reshape(output.shape), 1
    elif isinstance(values, list):
        if len(values) == count:
            return values, width
        if len(values) == output.shape[0]:  # nested, row by row
            return values, 1
    raise InternalError(f"the output '{output.name}' has the shape {output.shape}, but not as many elements")


def _named(request: InferenceRequest, name: str) -> RequestInput:
    return next(tensor for tensor in request.inputs if tensor.name == name)


def _narrow(part: ResponseOutput, width: int) -> ResponseOutput:
    """Return an output with less of its last axis."""
    values = part.data.values
    if not isinstance(values, np.ndarray):
        values = np.array(values, dtype=object).reshape(part.shape)
    data = values[..., :width]
    if data.dtype.kind == "O":
        data = data.ravel().tolist()
    return ResponseOutput(
        name=part.name,
        shape=[*part.shape[:-1], width],
        datatype=part.datatype,
        parameters=part.parameters,
        data=data,
    )
