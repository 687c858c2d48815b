import numpy as np
import pandas as pd
import pytest
from runtime_sklearn.features import features_of
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import ColumnTransformer, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, VotingClassifier
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer, LabelEncoder, OneHotEncoder, OrdinalEncoder, StandardScaler

TABLE = pd.DataFrame(
    {
        "rooms": [1.0, 2.0, 3.0, 4.0],
        "city": ["Bonn", "Kiel", "Bonn", "Kiel"],
        "note": ["good day", "bad day", "good night", "bad night"],
        "new": [True, False, True, False],
    }
)
LABELS = [0, 1, 0, 1]
NUMBERS = TABLE[["rooms"]].to_numpy()


def datatypes(features):
    return [column.datatype for column in features.columns]


def test_an_estimator_of_numbers_takes_numbers():
    features = features_of(LogisticRegression().fit(np.eye(3), [0, 1, 1]))

    assert datatypes(features) == ["FP64", "FP64", "FP64"]
    assert features.datatype == "FP64"
    assert features.names is None


def test_a_table_has_the_names_of_the_fit_and_the_kind_of_each_column():
    model = make_pipeline(
        make_column_transformer(
            (StandardScaler(), ["rooms"]),
            (OneHotEncoder(), ["city", "new"]),
            (TfidfVectorizer(), "note"),
        ),
        LogisticRegression(),
    ).fit(TABLE, LABELS)

    features = features_of(model)

    assert features.names == ("rooms", "city", "note", "new")
    assert datatypes(features) == ["FP64", "BYTES", "BYTES", "BOOL"]
    assert features.columns[1].example == "Bonn"


def test_a_column_passed_through_is_what_the_next_step_takes():
    model = make_pipeline(
        make_column_transformer((OneHotEncoder(), ["city"]), ("drop", ["note"]), remainder="passthrough"),
        LogisticRegression(),
    ).fit(TABLE, LABELS)

    assert datatypes(features_of(model)) == ["FP64", "BYTES", "", "FP64"]


def test_an_imputer_in_front_tells_the_kind():
    model = ColumnTransformer(
        [
            ("n", SimpleImputer(), ["rooms"]),
            ("t", make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder()), ["city"]),
        ]
    ).fit(TABLE)

    assert datatypes(features_of(model)) == ["FP64", "BYTES", "", ""]


def test_an_encoder_of_integers_takes_integers():
    assert datatypes(features_of(OrdinalEncoder().fit([[1], [2]]))) == ["INT64"]


def test_a_search_is_looked_into():
    search = GridSearchCV(make_pipeline(OneHotEncoder(), LogisticRegression()), {}, cv=2)

    assert datatypes(features_of(search.fit(TABLE[["city"]], LABELS))) == ["BYTES"]


def test_boosting_on_categories_is_looked_into():
    table = TABLE[["rooms", "city"]].astype({"city": "category"})
    model = HistGradientBoostingClassifier(categorical_features="from_dtype").fit(table, LABELS)

    assert datatypes(features_of(model)) == ["", "BYTES"]


@pytest.mark.parametrize(
    "model",
    [
        VotingClassifier([("a", make_pipeline(OneHotEncoder(), LogisticRegression()))]),
        FunctionTransformer(np.negative),
    ],
)
def test_what_a_composite_or_a_function_takes_is_not_guessed(model):
    features = features_of(model.fit(NUMBERS, LABELS))

    assert datatypes(features) == [""]


@pytest.mark.parametrize(
    "model",
    [
        CountVectorizer(),
        HashingVectorizer(),
        make_pipeline(TfidfVectorizer(), LogisticRegression()),
        make_union(TfidfVectorizer(), CountVectorizer()),
        GridSearchCV(make_pipeline(TfidfVectorizer(), LogisticRegression()), {}, cv=2),
    ],
)
def test_a_model_of_texts_takes_one_text_for_a_row(model):
    features = features_of(model.fit(list(TABLE["note"]), LABELS))

    assert features.is_flat
    assert features.datatype == "BYTES"


@pytest.mark.parametrize(
    ("model", "datatype"),
    [
        (LabelEncoder().fit(["a", "b"]), "BYTES"),
        (LabelEncoder().fit([1, 2]), "INT64"),
        (IsotonicRegression().fit([1.0, 2.0], [1.0, 2.0]), "FP64"),
    ],
)
def test_a_model_of_single_values_takes_one_for_a_row(model, datatype):
    features = features_of(model)

    assert features.is_flat
    assert features.datatype == datatype


def test_numbers_and_text_in_one_array_have_no_datatype():
    encoder = OrdinalEncoder().fit(np.array([["a", 1.5], ["b", 2.5]], dtype=object))

    features = features_of(encoder)

    assert datatypes(features) == ["BYTES", "FP64"]
    assert features.datatype == ""
    assert features.example().tolist() == [["a", 1.5]]


def test_several_kinds_of_numbers_are_floats():
    encoder = OrdinalEncoder().fit(np.array([[1, 1.5], [2, 2.5]], dtype=object))

    assert features_of(encoder).datatype == "FP64"


class Own(TransformerMixin, BaseEstimator):
    def fit(self, x, y=None):
        self.n_features_in_ = 2
        return self

    def transform(self, x):
        return x


class Plain:
    def predict(self, x):
        return x


def test_of_a_transformer_of_the_users_only_the_number_of_features_is_known():
    assert datatypes(features_of(Own().fit(None))) == ["", ""]


def test_of_any_other_object_nothing_is_known():
    features = features_of(Plain())

    assert features.columns == ()
    assert features.example() is None


@pytest.mark.parametrize("values", [[None, float("nan")], [b"x"], ["a", 1]])
def test_categories_of_no_single_kind_tell_nothing(values):
    encoder = OrdinalEncoder()
    encoder.n_features_in_ = 1
    encoder.categories_ = [np.array(values, dtype=object)]

    assert datatypes(features_of(encoder)) == [""]
