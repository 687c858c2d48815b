"""A `ModelInferRequest` to an `InferenceRequest`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlcore_protocol.messages import InferenceRequest, Parameters, RequestInput, RequestOutput
from mlcore_protocol.protobuf_head import TopLevel, check_entries, check_head_bytes, parameters_of
from mlcore_protocol.protobuf_messages import OUTPUT, STRANGERS
from mlcore_protocol.protobuf_tensor import INPUTS, TensorHead, check_raws
from mlcore_protocol.protobuf_wire import LENGTH, read_fields, read_text
from mlcore_protocol.request_rules import RequestRules
from mlcore_protocol.tensor_data import TensorData

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlcore_protocol.limits import Limits
    from mlcore_protocol.protobuf_parameters import Slice
    from mlcore_protocol.wire_format import Buffer

_NAME = 1 << 3 | LENGTH


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
            TensorHead(top.data, begin, stop, field, self._limits)
            for (begin, stop), field in zip(top.inputs, self._fields, strict=False)
        ]
        check_head_bytes(top.head_bytes + sum(head.head_bytes for head in heads), self._limits)
        if top.raws:
            check_raws(heads, len(top.raws), INPUTS)
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

    def _input(self, view: memoryview, head: TensorHead, raws: Iterator[Slice], field: str) -> RequestInput:
        rules, longest = self._rules, self._limits.max_bytes_element
        datatype = rules.datatype(head.datatype, field)
        rules.check_name(head.name, field)
        count = rules.count(head.shape, field)
        values = head.elements(view, raws, datatype, count, field, longest)
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
