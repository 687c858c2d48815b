"""The runtime keeps the contract of every runtime, for an array model, a table model and a text model."""

import joblib
import numpy as np
import pandas as pd
import pytest
from mlcore import ModelSettings
from mlcore.testing import RuntimeContract
from mlcore_protocol import InferenceRequest, RequestInput
from sklearn.compose import make_column_transformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler


class SklearnContract(RuntimeContract):
    __test__ = False
    runtime = "sklearn"
    entry_module = "runtime_sklearn.plugin"
    heavy_modules = ("joblib", "skops", "scipy", "numpy.testing", "pandas")

    model: object

    @pytest.fixture
    def settings(self, tmp_path):
        joblib.dump(self.model, tmp_path / "model.joblib")
        return ModelSettings(name="m", implementation="sklearn", parameters={"uri": str(tmp_path / "model.joblib")})


def request_of(*inputs, **members):
    return InferenceRequest(
        inputs=[
            RequestInput(name=name, shape=shape, datatype=datatype, data=data) for name, shape, datatype, data in inputs
        ],
        **members,
    )


class TestArrayModel(SklearnContract):
    __test__ = True
    model = make_pipeline(StandardScaler(copy=False), LogisticRegression()).fit(
        np.arange(12.0).reshape(6, 2), [0, 0, 0, 1, 1, 1]
    )

    @pytest.fixture
    def good_request(self):
        return request_of(("input-0", [3, 2], "FP64", np.arange(6.0).reshape(3, 2)))

    @pytest.fixture
    def bad_requests(self):
        return [
            request_of(("input-0", [1, 3], "FP64", np.zeros((1, 3)))),
            request_of(("input-0", [3], "FP64", np.zeros(3))),
            request_of(("input-0", [1, 2], "BYTES", ["1", "2"])),
            request_of(("input-0", [1, 2], "FP64", np.array([[np.nan, 0.0]]))),
            request_of(("a", [1, 1], "FP64", np.zeros((1, 1))), ("b", [1, 1], "FP64", np.zeros((1, 1)))),
        ]


class TestTableModel(SklearnContract):
    __test__ = True
    model = make_pipeline(
        make_column_transformer((OneHotEncoder(), ["city"]), remainder="passthrough"), LogisticRegression()
    ).fit(pd.DataFrame({"rooms": [1.0, 2.0, 3.0, 4.0], "city": ["Bonn", "Kiel", "Bonn", "Kiel"]}), ["a", "b", "a", "b"])

    @pytest.fixture
    def good_request(self):
        return request_of(
            ("city", [2, 1], "BYTES", ["Kiel", "Bonn"]), ("rooms", [2, 1], "FP64", np.array([[1.0], [2.0]]))
        )

    @pytest.fixture
    def bad_requests(self):
        return [
            request_of(("city", [1], "BYTES", ["Kiel"])),
            request_of(("city", [1], "BYTES", ["Rom"]), ("rooms", [1], "FP64", np.array([1.0]))),
            request_of(("city", [2], "BYTES", ["Kiel", "Bonn"]), ("rooms", [1], "FP64", np.array([1.0]))),
            request_of(("city", [1], "BYTES", ["Kiel"]), ("rooms", [1], "BYTES", ["1"])),
        ]


class TestTextModel(SklearnContract):
    __test__ = True
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(["good day", "bad day"], ["good", "bad"])

    @pytest.fixture
    def good_request(self):
        return request_of(("input-0", [2, 1], "BYTES", ["a good one", "a bad one"]))

    @pytest.fixture
    def bad_requests(self):
        return [
            request_of(("input-0", [1, 1], "FP64", np.zeros((1, 1)))),
            request_of(("input-0", [1, 2], "BYTES", ["a", "b"])),
        ]
