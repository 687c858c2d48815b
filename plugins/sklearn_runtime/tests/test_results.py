import numpy as np
import pandas as pd
import pytest
from mlcore.errors import InternalError
from runtime_sklearn.results import array_of, columns_of, joined
from scipy.sparse import csr_matrix


def test_an_array_stays_as_it_is():
    array = np.arange(3)

    assert array_of("y", array) is array


def test_a_sparse_matrix_becomes_dense():
    assert array_of("y", csr_matrix([[0.0, 1.0]])).tolist() == [[0.0, 1.0]]


def test_a_series_becomes_an_array():
    assert array_of("y", pd.Series([1, 2])).tolist() == [1, 2]


def test_the_targets_of_one_width_are_stacked():
    assert array_of("y", [np.zeros((4, 2)), np.ones((4, 2))]).shape == (4, 2, 2)


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ([1, 2], np.int64),
        ([1, 2.5], np.float64),
        ([1.5, None], np.float64),
        ([True, False], np.bool_),
        (["a", "b"], object),
        (["a", None], object),
        ([b"a"], object),
        ([np.float32(1), 2], np.float64),
    ],
)
def test_objects_of_one_kind_become_what_they_are(elements, expected):
    assert array_of("y", np.array(elements, dtype=object)).dtype == expected


@pytest.mark.parametrize("elements", [["a", 1], [True, 1], [{}, {}], [object()]])
def test_objects_of_several_kinds_are_an_error_that_names_them(elements):
    with pytest.raises(InternalError, match="output 'y': the model returned objects of several or unknown kinds"):
        array_of("y", np.array(elements, dtype=object))


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ([[1, 2], [3]], "rows of different lengths"),
        ([np.zeros((2, 2)), np.zeros((2, 3))], "differ in their number of classes"),
        (np.array([1j]), "the model returned complex128"),
        (None, "nothing but None"),
    ],
)
def test_what_no_tensor_can_hold_is_an_error(result, message):
    with pytest.raises(InternalError, match=message):
        array_of("y", result)


def test_a_table_is_its_columns():
    table = pd.DataFrame({"a": [1, 2], "b": pd.Series(["x", "y"], dtype="category")})

    columns = columns_of(table)

    assert {name: column.tolist() for name, column in columns.items()} == {"a": [1, 2], "b": ["x", "y"]}


def test_a_table_with_a_name_twice_is_one_array():
    assert columns_of(pd.DataFrame([[1, 2]], columns=["a", "a"])) is None
    assert array_of("y", pd.DataFrame([[1, 2]], columns=["a", "a"])).tolist() == [[1, 2]]


def test_columns_of_numbers_are_joined():
    assert joined({"a": np.array([1]), "b": np.array([2.5])}).tolist() == [[1.0, 2.5]]


def test_columns_of_numbers_and_text_are_not_joined():
    assert joined({"a": np.array([1]), "b": np.array(["x"])}) is None
