"""Tests of typed contents as they are written; the tests of requests read them."""

import numpy as np
import pytest
from mlcore_protocol import Datatype, ResponseOutput
from mlcore_protocol.datatypes import NUMPY_DTYPES
from mlcore_protocol.errors import InternalError
from mlcore_protocol.protobuf import inference
from mlcore_protocol.protobuf_contents import write_contents
from mlcore_protocol.protobuf_messages import CONTENTS_FIELDS, CONTENTS_OF


def output(data, datatype, shape):
    return ResponseOutput(name="y", shape=shape, datatype=datatype, data=data)


def written(data, datatype, shape):
    """What another library finds in the field of the datatype."""
    body = b"".join(write_contents(output(data, datatype, shape)))
    return getattr(inference.InferTensorContents.parse(body), CONTENTS_FIELDS[CONTENTS_OF[datatype]][0])


@pytest.mark.parametrize("datatype", [each for each in CONTENTS_OF if each is not Datatype.BYTES])
@pytest.mark.parametrize("size", [0, 2, 1000])
def test_an_array_is_written_into_the_field_of_its_datatype(datatype, size):
    values = (np.arange(size) % 2).astype(NUMPY_DTYPES[datatype])

    assert written(values, datatype, [size]) == values.tolist()


@pytest.mark.parametrize(
    ("data", "datatype", "expected"),
    [
        ([[1.5], [2.0]], Datatype.FP32, [1.5, 2.0]),
        ([1, -2], Datatype.INT8, [1, -2]),
        ([True, False], Datatype.BOOL, [True, False]),
        (["é", None], Datatype.BYTES, ["é".encode(), b""]),
        (np.array(["a", b"\xff"], object), Datatype.BYTES, [b"a", b"\xff"]),
        (np.array([[1], [2]], ">i4"), Datatype.INT32, [1, 2]),
        (np.arange(4, dtype="<f8")[::2], Datatype.FP64, [0.0, 2.0]),
    ],
)
def test_a_list_and_an_array_of_another_order_are_written_too(data, datatype, expected):
    assert written(data, datatype, [2]) == expected


@pytest.mark.parametrize("datatype", [Datatype.FP32, Datatype.FP64, Datatype.BOOL, Datatype.UINT8])
def test_the_memory_of_an_array_is_not_copied(datatype):
    values = np.ones(1000, NUMPY_DTYPES[datatype])

    _, memory = write_contents(output(values, datatype, [1000]))

    assert np.shares_memory(np.frombuffer(memory, np.uint8), values)


@pytest.mark.parametrize(
    ("data", "datatype", "shape", "message"),
    [
        (np.ones(2, np.float64), Datatype.FP32, [2], "output 'y' says FP32, but its array holds float64"),
        (np.ones(2, np.float32), Datatype.FP32, [3], "output 'y' says the shape [3], but has 2 elements"),
        (["a"], Datatype.BYTES, [2], "output 'y' says the shape [2], but has 1 elements"),
        ([1], Datatype.BYTES, [1], "output 'y'.data[0]: expected a string for BYTES, got 1"),
        ([300], Datatype.UINT8, [1], "output 'y'.data[0]: expected an integer from 0 to 255 for UINT8, got 300"),
    ],
)
def test_elements_that_do_not_fit_are_an_error_of_the_model(data, datatype, shape, message):
    with pytest.raises(InternalError) as raised:
        write_contents(output(data, datatype, shape))

    assert str(raised.value) == message
