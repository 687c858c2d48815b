import numpy as np
import pandas as pd
import pytest
from runtime_sklearn.refusals import refusal
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, LabelEncoder, OneHotEncoder, PowerTransformer

NUMBERS = np.array([[1.0], [2.0]])
LINE = LogisticRegression().fit(NUMBERS, [0, 1])


def text_of(call):
    try:
        call()
    except Exception as error:
        return refusal(error)
    raise AssertionError("nothing was raised")


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: LINE.predict([[np.nan]]), "Input X contains NaN."),
        (lambda: LINE.predict([[np.inf]]), "Input X contains infinity"),
        (lambda: LINE.predict(np.zeros((1, 2))), "X has 2 features"),
        (lambda: LINE.predict(np.array([["a"]], dtype=object)), "could not convert string to float"),
        (lambda: LINE.predict(pd.DataFrame({"x": ["a"]}).to_numpy()), "could not convert string to float"),
        (lambda: OneHotEncoder().fit([["a"]]).transform([["b"]]), "Found unknown categories ['b']"),
        (lambda: LabelEncoder().fit(["a"]).transform(["b"]), "y contains previously unseen labels"),
        (lambda: CountVectorizer().fit(["ab cd"]).transform([np.nan]), "np.nan is an invalid document"),
        (lambda: SimpleImputer().fit(NUMBERS).transform([["a"]]), "Cannot use mean strategy"),
        (lambda: PowerTransformer(method="box-cox").fit(NUMBERS).transform([[-1.0]]), "The Box-Cox transformation"),
    ],
)
def test_a_check_of_the_input_is_a_refusal_in_one_line(call, text):
    said = text_of(call)

    assert said.startswith(text)
    assert "\n" not in said


def test_a_long_refusal_is_cut():
    categories = [[f"category {number:04}"] for number in range(100)]

    assert len(text_of(lambda: OneHotEncoder().fit([["a"]]).transform(categories))) <= 256


def own(x):
    raise ValueError("a mistake of the user's")


def shapes(x):
    return x @ np.zeros((7, 7))


@pytest.mark.parametrize(
    "call",
    [
        lambda: make_pipeline(FunctionTransformer(own), LINE).transform(NUMBERS),
        lambda: make_pipeline(FunctionTransformer(own)).transform(NUMBERS),
        lambda: FunctionTransformer(shapes).transform(NUMBERS),
        lambda: LogisticRegression().predict(NUMBERS),
        lambda: own(NUMBERS),
        lambda: 1 / 0,
    ],
)
def test_a_failure_of_the_model_is_none(call):
    assert text_of(call) is None
