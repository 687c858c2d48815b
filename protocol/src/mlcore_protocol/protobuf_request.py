"""A `ModelInferRequest` to an `InferenceRequest`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlcore_protocol.binary_tensor import read_binary
from mlcore_protocol.errors import InferenceError
from mlcore_protocol.messages import InferenceRequest, Parameters, RequestInput, RequestOutput
from mlcore_protocol.protobuf_contents import read_contents
from mlcore_protocol.protobuf_head import TopLevel, check_entries, check_head_bytes, parameters_of
from mlcore_protocol.protobuf_messages import INPUT, OUTPUT, STRANGERS
from mlcore_protocol.protobuf_wire import LENGTH, VARINT, read_fields, read_text, read_varint, signed
from mlcore_protocol.request_rules import RequestRules
from mlcore_protocol.tensor_data import TensorData

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlcore_protocol.limits import Limits
    from mlcore_protocol.protobuf_parameters import Slice
    from mlcore_protocol.wire_format import Buffer

_NAME, _DATATYPE, _SHAPE, _PARAMETERS, _CONTENTS = (number << 3 | LENGTH for number in range(1, 6))
_DIMENSION = 3 << 3 | VARINT

_LONGEST_DATATYPE = 64


class _Input:
    """A tensor of a request, its elements not yet read."""

    __slots__ = ("contents", "datatype", "head_bytes", "name", "parameters", "shape")

    def __init__(self, data: Buffer, begin: int, stop: int, field: str, limits: Limits) -> None:
        self.name = self.datatype = ""
        self.shape: list[int] = []
        self.parameters: list[Slice] = []
        self.contents: list[Slice] = []
        self.head_bytes = stop - begin
        most = limits.max_dimensions + limits.max_parameters + STRANGERS
        for tag, start, end in read_fields(data, begin, stop, INPUT, field, most):
            if tag == _NAME:
                self.name = read_text(data, start, end, limits.max_name_length, field, "name")
            elif tag == _DATATYPE:
                self.datatype = read_text(data, start, end, _LONGEST_DATATYPE, field, "datatype")
            elif tag == _SHAPE:
                self._add_dimensions(data, start, end, field, limits.max_dimensions)
            elif tag == _CONTENTS:
                if start != end:
                    self.contents.append((start, end))
                    self.head_bytes -= end - start
            elif tag == _DIMENSION:
                self.shape.append(signed(start))
            else:
                self.parameters.append((start, end))
                check_entries(self.parameters, f"{field}.parameters", limits)

    def _add_dimensions(self, data: Buffer, position: int, end: int, field: str, most: int) -> None:
        shape = self.shape
        while position < end:
            size = data[position]
            if size < 128:
                position += 1
            else:
                size, position = read_varint(data, position, end, f"{field}.shape[{len(shape)}]")
            shape.append(signed(size))
            if len(shape) > most:
                raise InferenceError(f"{field}.shape: expected at most {most} dimensions, got more")


class ProtobufRequestReader:
    """Reads requests.

    Args:
        limits: What a request may hold.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._rules = RequestRules(limits)
        self._fields = [f"inputs[{index}]" for index in range(limits.max_tensors)]

    def read(self, body: Buffer) -> InferenceRequest:
        """Read a request.

        One whose contents were raw says so by its parameter `binary_data_output`, as one of REST would, so that it
        is answered in kind.

        Raises:
            InferenceError: It is malformed, or breaks one of the rules.
        """
        top = TopLevel(body, self._rules)
        rules = self._rules
        rules.check_inputs(len(top.inputs))
        heads = [
            _Input(top.data, begin, stop, field, self._limits)
            for (begin, stop), field in zip(top.inputs, self._fields, strict=False)
        ]
        check_head_bytes(top.head_bytes + sum(head.head_bytes for head in heads), self._limits)
        if top.raws:
            _check_raws(heads, len(top.raws))
        view = memoryview(top.data)
        raws = iter(top.raws)
        inputs = [self._input(view, head, raws, field) for head, field in zip(heads, self._fields, strict=False)]
        rules.check_distinct(inputs, "inputs")
        parameters = parameters_of(top.data, top.parameters, "", self._rules)
        if top.raws:
            parameters = Parameters() if parameters is None else parameters
            parameters.setdefault("binary_data_output", True)
        return InferenceRequest(
            id=top.id,
            parameters=parameters,
            inputs=inputs,
            outputs=self._outputs(top) if top.outputs else None,
        )

    def _input(self, view: memoryview, head: _Input, raws: Iterator[Slice], field: str) -> RequestInput:
        rules, longest = self._rules, self._limits.max_bytes_element
        datatype = rules.datatype(head.datatype, field)
        rules.check_name(head.name, field)
        count = rules.count(head.shape, field)
        if head.contents:
            parts = [view[start:end] for start, end in head.contents]
            values = read_contents(parts, datatype, head.shape, count, field, longest)
        else:
            start, end = next(raws, (0, 0))
            if start == end and count:
                raise InferenceError(f"{field}: its elements are missing; send contents, or raw_input_contents")
            values = read_binary(view[start:end], datatype, head.shape, count, field, longest)
        parameters = parameters_of(view, head.parameters, field, rules)
        return RequestInput(
            name=head.name, shape=head.shape, datatype=datatype, parameters=parameters, data=TensorData(values)
        )

    def _outputs(self, top: TopLevel) -> list[RequestOutput]:
        outputs = []
        for index, (begin, stop) in enumerate(top.outputs):
            field = f"outputs[{index}]"
            name = ""
            entries: list[Slice] = []
            most = self._limits.max_parameters + STRANGERS
            for tag, start, end in read_fields(top.data, begin, stop, OUTPUT, field, most):
                if tag == _NAME:
                    name = read_text(top.data, start, end, self._limits.max_name_length, field, "name")
                else:
                    entries.append((start, end))
                    check_entries(entries, f"{field}.parameters", self._limits)
            self._rules.check_name(name, field)
            parameters = parameters_of(top.data, entries, field, self._rules)
            outputs.append(RequestOutput(name=name, parameters=parameters))
        self._rules.check_distinct(outputs, "outputs")
        return outputs


def _check_raws(heads: list[_Input], count: int) -> None:
    """Refuse raw contents of which it is not certain whose they are.

    The rule is that all tensors are raw or none is; those that have contents of their own among others that have
    none leave no doubt, either.
    """
    without = sum(not head.contents for head in heads)
    if count == without:
        return
    if count == len(heads):
        index = next(index for index, head in enumerate(heads) if head.contents)
        raise InferenceError(f"inputs[{index}]: has both contents and raw_input_contents; send one of them")
    raise InferenceError(f"raw_input_contents: expected {without}, one for each input without contents, got {count}")
