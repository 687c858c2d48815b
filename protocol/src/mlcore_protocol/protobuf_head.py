"""The top of a `ModelInferRequest`: what it is about, without its tensors.

The front does this for each request, on its event loop. It skips over lengths and counts, so it costs microseconds,
however large or hostile the message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlcore_protocol.errors import InferenceError
from mlcore_protocol.protobuf_messages import REQUEST, STRANGERS
from mlcore_protocol.protobuf_parameters import read_parameters
from mlcore_protocol.protobuf_wire import LENGTH, read_fields, read_text
from mlcore_protocol.request_rules import RequestRules

if TYPE_CHECKING:
    from mlcore_protocol.limits import Limits
    from mlcore_protocol.messages import Parameters
    from mlcore_protocol.protobuf_parameters import Slice
    from mlcore_protocol.wire_format import Buffer

_MODEL_NAME, _MODEL_VERSION, _ID, _PARAMETERS, _INPUTS, _, _RAWS = (number << 3 | LENGTH for number in range(1, 8))

# Larger bodies are looked at where they lie. Of smaller ones a copy is quickly made, and quicker to look at.
_SMALL = 16 * 1024


class TopLevel:
    """Where the fields of a request lie.

    Args:
        body: The message.
        rules: What a request has to keep to.

    Attributes:
        data: The message, as the places below count in it.
        model_name: What it is for; empty where it does not say.
        model_version: Which version of that, if any.
        id: The client's name for the request, if any.
        parameters: The entries of the map.
        inputs: The tensors.
        outputs: The outputs that are asked for.
        raws: The raw contents.
        head_bytes: How many bytes belong neither to tensors nor to raw contents.

    Raises:
        InferenceError: The message is malformed, or has more of something than the limits allow.
    """

    __slots__ = ("data", "head_bytes", "id", "inputs", "model_name", "model_version", "outputs", "parameters", "raws")

    def __init__(self, body: Buffer, rules: RequestRules) -> None:
        limits = rules.limits
        data = body if type(body) is bytes else bytes(body) if len(body) < _SMALL else memoryview(body)
        self.data: Buffer = data
        self.model_name = model_version = request_id = ""
        self.parameters: list[Slice] = []
        self.inputs: list[Slice] = []
        self.outputs: list[Slice] = []
        self.raws: list[Slice] = []
        self.head_bytes = end = len(data)
        most = 3 * limits.max_tensors + limits.max_parameters + STRANGERS
        for tag, start, stop in read_fields(data, 0, end, REQUEST, "", most):
            if tag == _INPUTS:
                self.inputs.append((start, stop))
                self.head_bytes -= stop - start
                if len(self.inputs) > limits.max_tensors:
                    raise InferenceError(f"inputs: expected 1 to {limits.max_tensors} tensors, got more")
            elif tag == _RAWS:
                self.raws.append((start, stop))
                self.head_bytes -= stop - start
                if len(self.raws) > limits.max_tensors:
                    raise InferenceError(f"raw_input_contents: expected at most {limits.max_tensors}, got more")
            elif tag == _MODEL_NAME:
                self.model_name = read_text(data, start, stop, limits.max_name_length, "", "model_name")
            elif tag == _MODEL_VERSION:
                model_version = read_text(data, start, stop, limits.max_name_length, "", "model_version")
            elif tag == _ID:
                request_id = read_text(data, start, stop, limits.max_id_length, "", "id")
            elif tag == _PARAMETERS:
                self.parameters.append((start, stop))
                check_entries(self.parameters, "parameters", limits)
            else:
                self.outputs.append((start, stop))
                if len(self.outputs) > limits.max_tensors:
                    raise InferenceError(f"outputs: expected at most {limits.max_tensors}, got more")
        check_head_bytes(self.head_bytes, limits)
        if request_id:
            rules.check_id(request_id)
        self.model_version = model_version or None
        self.id = request_id or None


def check_entries(entries: list[Slice], where: str, limits: Limits) -> None:
    """Refuse too many parameters, whatever their names: they are counted before they are read."""
    if len(entries) > limits.max_parameters:
        raise InferenceError(f"{where}: expected at most {limits.max_parameters} parameters, got more")


def check_head_bytes(head_bytes: int, limits: Limits) -> None:
    """Refuse a message that is large by something else than elements."""
    if head_bytes > limits.max_head_bytes:
        raise InferenceError(
            f"the message: expected at most {limits.max_head_bytes} bytes besides the tensors' contents, "
            f"got {head_bytes}"
        )


class ProtobufHead:
    """What a request says of itself.

    Attributes:
        model_name: The model that it is for; empty where it does not say.
        model_version: Which version of it, if any.
        id: The client's name for the request, if any.
    """

    __slots__ = ("_rules", "_top", "id", "model_name", "model_version")

    def __init__(self, top: TopLevel, rules: RequestRules) -> None:
        self.model_name = top.model_name
        self.model_version = top.model_version
        self.id = top.id
        self._top = top
        self._rules = rules

    def parameters(self) -> Parameters | None:
        """Read the request's parameters, which few requests need.

        Raises:
            InferenceError: They are malformed.
        """
        return parameters_of(self._top.data, self._top.parameters, "", self._rules)


def read_head(body: Buffer, limits: Limits) -> ProtobufHead:
    """Read the top of a request.

    Args:
        body: The message.
        limits: What a request may hold.

    Raises:
        InferenceError: The message is malformed, or has more of something than the limits allow.
    """
    rules = RequestRules(limits)
    return ProtobufHead(TopLevel(body, rules), rules)


def parameters_of(data: Buffer, entries: list[Slice], field: str, rules: RequestRules) -> Parameters | None:
    """Read the parameters of a tensor, or of the request where `field` is empty.

    Raises:
        InferenceError: They are malformed, or say what no parameter may say.
    """
    if not entries:
        return None
    where = f"{field}.parameters" if field else "parameters"
    return rules.parameters(read_parameters(data, entries, where, rules.limits.max_head_bytes), field) or None
