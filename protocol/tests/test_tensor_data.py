"""Tests of the elements of a tensor."""

import ml_dtypes
import msgspec
import numpy as np
import pytest
from mlcore_protocol import TensorData


def test_elements_read_from_json_are_given_back_as_the_client_wrote_them():
    data = TensorData(np.zeros((1, 2), np.float32), msgspec.Raw(b"[[1, 2.5]]"))

    assert data.root == [[1, 2.5]]
    assert data.tolist() == [0.0, 0.0]


def test_json_is_read_once_for_all_the_elements_taken_by_index():
    data = TensorData(np.zeros(2), msgspec.Raw(b'["a", "b"]'))

    assert data.root is data.root
    assert [data[0], data[1], len(data), list(data)] == ["a", "b", 2, ["a", "b"]]


def test_elements_that_were_not_json_are_flat():
    data = TensorData(np.array([[1, 2], [3, 4]]))

    assert data.root == [1, 2, 3, 4]
    assert len(data) == 4
    assert data[1:3] == [2, 3]


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32, np.float64])
def test_nan_is_none_in_a_list(dtype):
    assert TensorData(np.array([1.5, np.nan]).astype(dtype)).tolist() == [1.5, None]


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32, np.float64])
def test_a_list_has_plain_floats(dtype):
    assert [type(element) for element in TensorData(np.ones(1, dtype)).tolist()] == [float]


def test_integers_and_booleans_are_plain_in_a_list():
    assert TensorData(np.array([2**63], np.uint64)).tolist() == [2**63]
    assert TensorData(np.array([True, False])).tolist() == [True, False]


@pytest.mark.parametrize("values", [[b"a", "b", None], [[1], [2]], 5, "text"])
def test_what_is_not_an_array_stays_as_it_is(values):
    assert TensorData(values).root is values


def test_elements_of_elements_are_the_elements():
    assert TensorData(TensorData([1, 2])).values == [1, 2]


def test_elements_are_equal_to_a_list_to_an_array_and_to_each_other():
    data = TensorData(np.array([1.0, 2.0]))

    assert data == [1, 2]
    assert data == TensorData([1.0, 2.0])
    assert data == np.array([1.0, 2.0])
    assert data != [1, 3]


def test_elements_have_no_hash_as_a_list_has_none():
    with pytest.raises(TypeError, match="unhashable"):
        hash(TensorData([1]))


def test_elements_show_what_they_are():
    assert repr(TensorData([1, 2])) == "TensorData([1, 2])"
