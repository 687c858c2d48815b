"""The fields of the messages that are read here, by number.

Source: proto/inference.proto.
"""

from __future__ import annotations

from mlcore_protocol.datatypes import Datatype
from mlcore_protocol.protobuf_wire import FIXED32, FIXED64, LENGTH, VARINT, MessageType

_LENGTH = (LENGTH,)
_VARINTS = (LENGTH, VARINT)

MAP_ENTRY = MessageType({1: ("key", _LENGTH), 2: ("value", _LENGTH)})

PARAMETER = MessageType(
    {
        1: ("bool_param", (VARINT,)),
        2: ("int64_param", (VARINT,)),
        3: ("string_param", _LENGTH),
        4: ("double_param", (FIXED64,)),
        5: ("uint64_param", (VARINT,)),
    }
)

REQUEST = MessageType(
    {
        1: ("model_name", _LENGTH),
        2: ("model_version", _LENGTH),
        3: ("id", _LENGTH),
        4: ("parameters", _LENGTH),
        5: ("inputs", _LENGTH),
        6: ("outputs", _LENGTH),
        7: ("raw_input_contents", _LENGTH),
    }
)

RESPONSE = MessageType(
    {
        1: ("model_name", _LENGTH),
        2: ("model_version", _LENGTH),
        3: ("id", _LENGTH),
        4: ("parameters", _LENGTH),
        5: ("outputs", _LENGTH),
        6: ("raw_output_contents", _LENGTH),
    }
)

TENSOR = MessageType(
    {
        1: ("name", _LENGTH),
        2: ("datatype", _LENGTH),
        3: ("shape", _VARINTS),
        4: ("parameters", _LENGTH),
        5: ("contents", _LENGTH),
    }
)

OUTPUT = MessageType({1: ("name", _LENGTH), 2: ("parameters", _LENGTH)})

CONTENTS_FIELDS = {
    1: ("bool_contents", _VARINTS),
    2: ("int_contents", _VARINTS),
    3: ("int64_contents", _VARINTS),
    4: ("uint_contents", _VARINTS),
    5: ("uint64_contents", _VARINTS),
    6: ("fp32_contents", (LENGTH, FIXED32)),
    7: ("fp64_contents", (LENGTH, FIXED64)),
    8: ("bytes_contents", _LENGTH),
}

CONTENTS = MessageType(CONTENTS_FIELDS)

CONTENTS_OF = {
    Datatype.BOOL: 1,
    Datatype.INT8: 2,
    Datatype.INT16: 2,
    Datatype.INT32: 2,
    Datatype.INT64: 3,
    Datatype.UINT8: 4,
    Datatype.UINT16: 4,
    Datatype.UINT32: 4,
    Datatype.UINT64: 5,
    Datatype.FP32: 6,
    Datatype.FP64: 7,
    Datatype.BYTES: 8,
}
"""The number of the field of `InferTensorContents` that carries a datatype; FP16 and BF16 have none."""

STRANGERS = 64
"""How many fields more than known ones a message may have: unknown ones, and parts of a list."""
