"""The tensors of requests and responses, whose messages have the same fields, to messages of protobuf and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from mlcore_protocol.binary_tensor import read_binary, write_binary
from mlcore_protocol.datatypes import Datatype
from mlcore_protocol.errors import InferenceError
from mlcore_protocol.protobuf_contents import read_contents, write_contents
from mlcore_protocol.protobuf_head import check_entries
from mlcore_protocol.protobuf_messages import CONTENTS_OF, STRANGERS, TENSOR
from mlcore_protocol.protobuf_parameters import write_parameters
from mlcore_protocol.protobuf_wire import (
    LENGTH,
    VARINT,
    read_fields,
    read_text,
    read_varint,
    signed,
    varint,
    with_length,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from mlcore_protocol.limits import Limits
    from mlcore_protocol.messages import Tensor
    from mlcore_protocol.protobuf_parameters import Slice
    from mlcore_protocol.wire_format import Buffer

# Smaller pieces than this are cheaper copied than handed on by themselves.
_LARGE = 4096

_LONGEST_DATATYPE = 64

_NAME, _DATATYPE, _SHAPE, _PARAMETERS, _CONTENTS = range(1, 6)
_NAME_TAG, _DATATYPE_TAG, _SHAPE_TAG, _CONTENTS_TAG = (
    number << 3 | LENGTH for number in (_NAME, _DATATYPE, _SHAPE, _CONTENTS)
)
_DIMENSION_TAG = _SHAPE << 3 | VARINT

_TENSORS = 5  # the number of the field, in requests and in responses

_DATATYPES = {datatype: with_length(_DATATYPE, datatype.encode()) for datatype in Datatype}


class Side(NamedTuple):
    """What a message calls its tensors.

    Attributes:
        tensor: One of them.
        raws: The field of the raw contents.
        number: Its number.
    """

    tensor: str
    raws: str
    number: int


INPUTS = Side("input", "raw_input_contents", 7)
OUTPUTS = Side("output", "raw_output_contents", 6)


class TensorHead:
    """A tensor, its elements not yet read."""

    __slots__ = ("contents", "datatype", "head_bytes", "name", "parameters", "shape")

    def __init__(self, data: Buffer, begin: int, stop: int, field: str, limits: Limits) -> None:
        self.name = self.datatype = ""
        self.shape: list[int] = []
        self.parameters: list[Slice] = []
        self.contents: list[Slice] = []
        self.head_bytes = stop - begin
        most = limits.max_dimensions + limits.max_parameters + STRANGERS
        for tag, start, end in read_fields(data, begin, stop, TENSOR, field, most):
            if tag == _NAME_TAG:
                self.name = read_text(data, start, end, limits.max_name_length, field, "name")
            elif tag == _DATATYPE_TAG:
                self.datatype = read_text(data, start, end, _LONGEST_DATATYPE, field, "datatype")
            elif tag == _SHAPE_TAG:
                self._add_dimensions(data, start, end, field, limits.max_dimensions)
            elif tag == _CONTENTS_TAG:
                if start != end:
                    self.contents.append((start, end))
                    self.head_bytes -= end - start
            elif tag == _DIMENSION_TAG:
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

    def elements(
        self,
        view: memoryview,
        raws: Iterator[Slice],
        datatype: Datatype,
        count: int,
        field: str,
        longest: int,
        side: Side = INPUTS,
    ) -> Any:
        """Read the elements.

        Args:
            view: The message that the tensor is a part of.
            raws: The raw contents that no tensor before this one has taken.
            datatype: The tensor's, already checked.
            count: The product of the shape, already checked.
            field: Where the tensor stands, for errors.
            longest: The most bytes that one BYTES element may have.
            side: What the message calls its tensors.

        Raises:
            InferenceError: There are none, or they do not fit.
        """
        if self.contents:
            parts = [view[start:end] for start, end in self.contents]
            return read_contents(parts, datatype, self.shape, count, field, longest)
        start, end = next(raws, (0, 0))
        if start == end and count:
            raise InferenceError(f"{field}: its elements are missing; send contents, or {side.raws}")
        return read_binary(view[start:end], datatype, self.shape, count, field, longest)


def check_raws(heads: list[TensorHead], count: int, side: Side) -> None:
    """Refuse raw contents of which it is not certain whose they are.

    The rule is that all tensors are raw or none is; those that have contents of their own among others that have
    none leave no doubt, either.

    Args:
        heads: The tensors.
        count: How many raw contents there are.
        side: What the message calls its tensors.

    Raises:
        InferenceError: There are more or fewer of them than tensors that need some.
    """
    without = sum(not head.contents for head in heads)
    if count == without:
        return
    if count == len(heads):
        index = next(index for index, head in enumerate(heads) if head.contents)
        raise InferenceError(f"{side.tensor}s[{index}]: has both contents and {side.raws}; send one of them")
    raise InferenceError(f"{side.raws}: expected {without}, one for each {side.tensor} without contents, got {count}")


def write_tensors(tensors: Sequence[Tensor], side: Side, is_raw: bool) -> list[Buffer]:
    """Return the tensors of a message.

    Args:
        tensors: The tensors.
        side: What the message calls them.
        is_raw: Whether the elements go into its raw contents. They do so in any case if one of the tensors has a
            datatype that has no typed contents; it is all of them or none.

    Raises:
        InternalError: One holds something that has no form in protobuf.
    """
    pieces: list[Buffer] = []
    if is_raw or not all(tensor.datatype in CONTENTS_OF for tensor in tensors):
        pieces += [with_length(_TENSORS, _head(tensor)) for tensor in tensors]
        for tensor in tensors:
            raw = write_binary(tensor)
            pieces += (begun(side.number, len(raw)), raw)
    else:
        for tensor in tensors:
            contents = write_contents(tensor)
            length = sum(map(len, contents))
            head = _head(tensor) + begun(_CONTENTS, length)
            pieces += (begun(_TENSORS, len(head) + length), head, *contents)
    return pieces


def begun(number: int, length: int) -> bytes:
    """Return how a field of so many bytes begins."""
    return b"%c%b" % (number << 3 | LENGTH, varint(length))


def gathered(pieces: Iterable[Buffer]) -> list[Buffer]:
    """Join neighbours that are small."""
    buffers: list[Buffer] = []
    small: list[Buffer] = []
    for piece in pieces:
        if len(piece) < _LARGE:
            small.append(piece)
            continue
        if small:
            buffers.append(b"".join(small))
            small = []
        buffers.append(piece)
    if small:
        buffers.append(b"".join(small))
    return buffers


def _head(tensor: Tensor) -> bytes:
    head = with_length(_NAME, tensor.name.encode()) + _DATATYPES[tensor.datatype]
    if tensor.shape:
        head += with_length(_SHAPE, b"".join([varint(size) for size in tensor.shape]))
    if tensor.parameters:
        head += write_parameters(_PARAMETERS, tensor.parameters)
    return head
