"""The client's side of gRPC: an `InferenceRequest` to a `ModelInferRequest`, a `ModelInferResponse` back.

The mirror of `protobuf_format`, of the same pieces.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlcore_protocol.limits import Limits
from mlcore_protocol.messages import InferenceResponse, Parameters, ResponseOutput
from mlcore_protocol.protobuf_messages import RESPONSE
from mlcore_protocol.protobuf_parameters import read_parameters, write_parameters
from mlcore_protocol.protobuf_tensor import INPUTS, OUTPUTS, TensorHead, check_raws, gathered, write_tensors
from mlcore_protocol.protobuf_wire import LENGTH, read_fields, read_text, with_length
from mlcore_protocol.request_rules import RequestRules
from mlcore_protocol.tensor_data import TensorData

if TYPE_CHECKING:
    from mlcore_protocol.messages import InferenceRequest, RequestOutput
    from mlcore_protocol.protobuf_parameters import Slice
    from mlcore_protocol.wire_format import Buffer

_MODEL_NAME, _MODEL_VERSION, _ID, _PARAMETERS, _, _OUTPUTS = range(1, 7)
_NAME_TAG, _VERSION_TAG, _ID_TAG, _PARAMETERS_TAG, _OUTPUTS_TAG = (number << 3 | LENGTH for number in range(1, 6))

_MOST_FIELDS = 2**20
"""Of a response, which comes from a server that the client has chosen."""


def write_request(
    request: InferenceRequest, model_name: str, model_version: str | None = None, is_raw: bool = False
) -> list[Buffer]:
    """Write a request.

    Args:
        request: The request.
        model_name: The model that it is for.
        model_version: Which version of it, if any.
        is_raw: Whether the elements go into `raw_input_contents`, as those of FP16 and BF16 do in any case.

    Raises:
        InternalError: It holds something that has no form in protobuf.
    """
    pieces: list[Buffer] = [with_length(_MODEL_NAME, model_name.encode())]
    if model_version:
        pieces.append(with_length(_MODEL_VERSION, model_version.encode()))
    if request.id:
        pieces.append(with_length(_ID, request.id.encode()))
    if request.parameters:
        pieces.append(write_parameters(_PARAMETERS, request.parameters))
    pieces += write_tensors(request.inputs, INPUTS, is_raw)
    pieces += [with_length(_OUTPUTS, _wanted(output)) for output in request.outputs or ()]
    return gathered(pieces)


def _wanted(output: RequestOutput) -> bytes:
    return with_length(1, output.name.encode()) + write_parameters(2, output.parameters or {})


class ProtobufResponseReader:
    """Reads responses.

    Args:
        limits: What a response may hold; its elements and texts may be as large as it is itself.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._rules = RequestRules(self._limits)

    def read(self, body: Buffer) -> InferenceResponse:
        """Read a response.

        Raises:
            InferenceError: It is malformed.
        """
        data = bytes(body)
        texts = dict.fromkeys((_NAME_TAG, _VERSION_TAG, _ID_TAG), "")
        parameters: list[Slice] = []
        outputs: list[Slice] = []
        raws: list[Slice] = []
        for tag, start, end in read_fields(data, 0, len(data), RESPONSE, "", _MOST_FIELDS):
            if tag == _OUTPUTS_TAG:
                outputs.append((start, end))
            elif tag == _PARAMETERS_TAG:
                parameters.append((start, end))
            elif tag in texts:
                texts[tag] = read_text(data, start, end, len(data), "", "text")
            else:
                raws.append((start, end))
        return InferenceResponse(
            model_name=texts[_NAME_TAG],
            model_version=texts[_VERSION_TAG] or None,
            id=texts[_ID_TAG] or None,
            parameters=_parameters(data, parameters, "parameters"),
            outputs=self._outputs(data, outputs, raws),
        )

    def _outputs(self, data: bytes, places: list[Slice], raws: list[Slice]) -> list[ResponseOutput]:
        heads = [
            TensorHead(data, begin, stop, f"outputs[{index}]", self._limits)
            for index, (begin, stop) in enumerate(places)
        ]
        if raws:
            check_raws(heads, len(raws), OUTPUTS)
        view = memoryview(data)
        left = iter(raws)
        outputs = []
        for index, head in enumerate(heads):
            field = f"outputs[{index}]"
            datatype = self._rules.datatype(head.datatype, field)
            count = self._rules.count(head.shape, field)
            values = head.elements(view, left, datatype, count, field, len(data), OUTPUTS)
            outputs.append(
                ResponseOutput(
                    name=head.name,
                    shape=head.shape,
                    datatype=datatype,
                    parameters=_parameters(data, head.parameters, f"{field}.parameters"),
                    data=TensorData(values),
                )
            )
        return outputs


def _parameters(data: bytes, entries: list[Slice], where: str) -> Parameters | None:
    return Parameters(read_parameters(data, entries, where, len(data))) if entries else None
