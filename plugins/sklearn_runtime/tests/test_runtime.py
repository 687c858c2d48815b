"""The runtime behind a server, bytes in and bytes out."""

import asyncio
import json
import sys

import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io
from mlcore import Server
from mlcore.errors import InferenceError, InternalError, ModelLoadError, OutputNotFoundError
from mlcore_protocol import InferenceRequest, RequestInput, RequestOutput
from sklearn.cluster import DBSCAN, KMeans
from sklearn.compose import make_column_transformer
from sklearn.decomposition import NMF
from sklearn.ensemble import IsolationForest, RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.multioutput import MultiOutputClassifier
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, LabelEncoder, OneHotEncoder, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

CORNERS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=float)
ROWS = {"name": "input-0", "datatype": "FP32", "shape": [2, 2], "data": [0, 1, 1, 1]}
TABLE = pd.DataFrame({"rooms": [1.0, 2.0, 3.0, 4.0], "city": ["Bonn", "Kiel", "Bonn", "Kiel"]})


def column(name, data, datatype="FP64", shape=None, **members):
    return {"name": name, "datatype": datatype, "shape": shape or [len(data)], "data": data, **members}


def flats():
    """Return a model fitted on a DataFrame with a column of text."""
    return make_pipeline(
        make_column_transformer((OneHotEncoder(), ["city"]), remainder="passthrough"), DecisionTreeClassifier()
    ).fit(TABLE, ["low", "high", "low", "high"])


# --- what is asked for ---------------------------------------------------------------------------------------------


async def test_predict_is_the_default(serving, tree):
    async with serving(tree) as ask:
        outputs = await ask(ROWS)

    assert outputs == [
        {"name": "predict", "shape": [2, 1], "datatype": "INT64", "parameters": {"content_type": "np"}, "data": [1, 2]}
    ]


async def test_outputs_come_in_the_order_asked_for(serving, tree):
    async with serving(tree) as ask:
        outputs = await ask(ROWS, outputs=[{"name": "predict_proba"}, {"name": "predict"}])

    assert [output["name"] for output in outputs] == ["predict_proba", "predict"]
    assert outputs[0]["shape"] == [2, 3]
    assert outputs[0]["data"] == [0.0, 1.0, 0.0, 0.0, 0.0, 1.0]


async def test_an_output_that_does_not_exist_is_refused_with_those_that_do(serving, tree):
    async with serving(tree) as ask:
        with pytest.raises(OutputNotFoundError) as refused:
            await ask(ROWS, outputs=[{"name": "nope"}])

    assert str(refused.value) == (
        "outputs: 'nope' is not an output of this model; it has 'predict', 'predict_proba', 'predict_log_proba'"
    )


@pytest.mark.parametrize(
    ("model", "lacks"),
    [
        (DecisionTreeRegressor().fit(CORNERS, [1.0, 2.0, 3.0, 4.0]), "predict_proba"),
        (SVC().fit(CORNERS, [0, 1, 0, 1]), "predict_proba"),
        (make_pipeline(StandardScaler(), DecisionTreeRegressor()).fit(CORNERS, [1.0, 2.0, 3.0, 4.0]), "transform"),
        (StandardScaler().fit(CORNERS), "predict"),
    ],
)
async def test_what_the_model_cannot_do_is_refused_with_what_it_can(serving, model, lacks):
    async with serving(model) as ask:
        with pytest.raises(
            InferenceError, match=f"'{lacks}' is nothing this model can do; it has '(predict|transform)"
        ):
            await ask(ROWS, outputs=[{"name": lacks}])


async def test_predict_fn_sets_the_default(serving, tree):
    async with serving(tree, parameters={"extra": {"predict_fn": "predict_proba"}}) as ask:
        outputs = await ask(ROWS)

    assert [output["name"] for output in outputs] == ["predict_proba"]


async def test_predict_fn_may_name_any_method_of_the_model(serving):
    model = DecisionTreeClassifier(random_state=0).fit(CORNERS, [0, 1, 1, 0])

    async with serving(model, parameters={"extra": {"predict_fn": "apply"}}) as ask:
        (output,) = await ask(ROWS)

    assert (output["name"], output["shape"]) == ("apply", [2, 1])


@pytest.mark.parametrize("name", ["transform", "predict_probas", "_validate", "__class__"])
def test_a_predict_fn_that_the_model_lacks_is_an_error_at_load(loaded, tree, name):
    with pytest.raises(ModelLoadError, match=f"predict_fn: the model has no method '{name}'; it has predict, "):
        loaded(tree, extra={"predict_fn": name})


@pytest.mark.parametrize(
    ("model", "name", "shape", "datatype"),
    [
        (DecisionTreeRegressor().fit(CORNERS, [1.0, 2.0, 3.0, 4.0]), "predict", [2, 1], "FP64"),
        (LinearRegression().fit(CORNERS, CORNERS), "predict", [2, 2], "FP64"),
        (SVC().fit(CORNERS, [0, 1, 0, 1]), "decision_function", [2, 1], "FP64"),
        (SVC().fit(CORNERS, [0, 1, 2, 1]), "decision_function", [2, 3], "FP64"),
        (KMeans(2, n_init=1, random_state=0).fit(CORNERS), "predict", [2, 1], "INT32"),
        (KMeans(2, n_init=1, random_state=0).fit(CORNERS), "transform", [2, 2], "FP64"),
        (NMF(2).fit(CORNERS), "transform", [2, 2], "FP64"),
        (IsolationForest(n_estimators=3, random_state=0).fit(CORNERS), "predict", [2, 1], "INT64"),
        (IsolationForest(n_estimators=3, random_state=0).fit(CORNERS), "decision_function", [2, 1], "FP64"),
        (IsolationForest(n_estimators=3, random_state=0).fit(CORNERS), "score_samples", [2, 1], "FP64"),
        (KernelDensity().fit(CORNERS), "score_samples", [2, 1], "FP64"),
        (RandomForestClassifier(2, random_state=0).fit(CORNERS, [0, 1, 1, 1]), "predict_proba", [2, 2], "FP64"),
        (RandomForestClassifier(2, random_state=0).fit(CORNERS, [0, 1, 1, 1]), "predict_log_proba", [2, 2], "FP64"),
        (StandardScaler().fit(CORNERS), "transform", [2, 2], "FP32"),
        (FunctionTransformer(np.negative).fit(CORNERS), "transform", [2, 2], "FP32"),
        (MultiOutputClassifier(DecisionTreeClassifier()).fit(CORNERS, CORNERS), "predict_proba", [2, 2, 2], "FP64"),
        (LogisticRegression().fit(CORNERS, [True, False, True, False]), "predict", [2, 1], "BOOL"),
    ],
    ids=lambda value: type(value).__name__ if hasattr(value, "fit") else None,
)
async def test_every_kind_of_model_gives_each_of_its_outputs(serving, model, name, shape, datatype):
    async with serving(model) as ask:
        (output,) = await ask(ROWS, outputs=[{"name": name}])

    assert (output["shape"], output["datatype"]) == (shape, datatype)


async def test_a_transformer_transforms_by_default(serving):
    async with serving(FunctionTransformer(np.negative).fit(CORNERS)) as ask:
        (output,) = await ask(ROWS)

    assert output["name"] == "transform"
    assert output["data"] == [-0.0, -1.0, -1.0, -1.0]


async def test_labels_of_text_are_text(serving):
    model = DecisionTreeClassifier().fit(CORNERS, ["no", "yes", "yes", "yes"])

    async with serving(model) as ask:
        (output,) = await ask(ROWS)

    assert (output["datatype"], output["data"]) == ("BYTES", ["yes", "yes"])


async def test_an_output_may_ask_for_a_content_type(serving):
    model = DecisionTreeClassifier().fit(CORNERS, ["no", "yes", "yes", "yes"])

    async with serving(model) as ask:
        (output,) = await ask(ROWS, outputs=[{"name": "predict", "parameters": {"content_type": "str"}}])

    assert output["parameters"] == {"content_type": "str"}
    assert output["data"] == ["yes", "yes"]


async def test_a_content_type_that_cannot_hold_the_output_is_refused(serving, tree):
    async with serving(tree) as ask:
        with pytest.raises(InferenceError, match="'predict' holds int64, which the content type 'str' does not write"):
            await ask(ROWS, outputs=[{"name": "predict", "parameters": {"content_type": "str"}}])


async def test_infinity_in_an_answer_is_null_and_no_warning(serving, tree):
    async with serving(tree) as ask:
        (output,) = await ask(ROWS, outputs=[{"name": "predict_log_proba"}])

    assert output["data"] == [None, 0.0, None, None, None, 0.0]


# --- one tensor ----------------------------------------------------------------------------------------------------


async def test_any_name_and_any_number_type_will_do_for_the_tensor(serving, tree):
    async with serving(tree) as ask:
        (output,) = await ask({**ROWS, "name": "x", "datatype": "INT8"})

    assert output["data"] == [1, 2]


async def test_bfloat16_is_read_as_float32(serving):
    async with serving(FunctionTransformer(np.negative).fit(CORNERS)) as ask:
        (output,) = await ask({**ROWS, "datatype": "BF16"})

    assert output["datatype"] == "FP32"


async def test_binary_rows_are_answered_in_binary(serving, tree):
    rows = np.array([[0, 1], [1, 1]], np.float32)
    head = {
        "parameters": {"binary_data_output": True},
        "inputs": [
            {"name": "input-0", "datatype": "FP32", "shape": [2, 2], "parameters": {"binary_data_size": rows.nbytes}}
        ],
    }

    async with serving(tree) as ask:
        answer = await ask.raw(head, rows.tobytes())

    body = b"".join(bytes(part) for part in answer.buffers)
    assert np.frombuffer(body[answer.head_length :], np.int64).tolist() == [1, 2]


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ([1, 3], "'input-0': expected 2 features in each row, got 3 (the shape [1, 3])"),
        ([3], "'input-0': expected one tensor of the shape [N, 2], got the shape [3]"),
        ([2], "'input-0': expected one tensor of the shape [N, 2], got the shape [2]; one row is [1, 2]"),
        ([1, 2, 1], "'input-0': expected one tensor of the shape [N, 2], got the shape [1, 2, 1]"),
        ([], "'input-0': expected one tensor of the shape [N, 2], got the shape []"),
    ],
)
async def test_a_wrong_shape_names_the_expected_one(serving, tree, shape, message):
    async with serving(tree) as ask:
        with pytest.raises(InferenceError) as refused:
            await ask(column("input-0", [0.0] * int(np.prod(shape)), shape=shape) | {"shape": shape})

    assert str(refused.value) == message


async def test_a_list_of_values_is_rows_where_there_is_one_feature(serving):
    async with serving(LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])) as ask:
        (output,) = await ask(column("x", [5.0, 6.0]))

    assert output["data"] == pytest.approx([5.0, 6.0])


async def test_several_tensors_are_refused_by_a_model_without_names(serving, tree):
    async with serving(tree) as ask:
        with pytest.raises(InferenceError, match=r"inputs: expected one tensor of the shape \[N, 2\], got 'a', 'b'; a"):
            await ask(column("a", [0.0, 1.0], shape=[2, 1]), column("b", [1.0, 1.0], shape=[2, 1]))


def test_no_tensor_is_refused(loaded, tree):
    with pytest.raises(InferenceError, match=r"inputs: expected one tensor of the shape \[N, 2\], got none"):
        loaded(tree).predict(InferenceRequest(inputs=[]))
    with pytest.raises(InferenceError, match=r"expected a tensor for each of 'rooms', 'city', or one of .*, got none"):
        loaded(flats()).predict(InferenceRequest(inputs=[]))


@pytest.mark.parametrize("fitted_in", [np.float32, np.float64])
@pytest.mark.parametrize("sent_in", ["FP32", "FP64"])
async def test_a_model_of_one_precision_takes_floats_of_any(serving, fitted_in, sent_in):
    model = KMeans(2, n_init=1, random_state=0).fit(np.array([[0, 0], [0, 1], [9, 9], [9, 8]], fitted_in))

    async with serving(model) as ask:
        (output,) = await ask({**ROWS, "datatype": sent_in, "data": [0, 1, 9, 9]})

    assert output["data"] == model.labels_[[1, 2]].tolist()


async def test_text_is_never_read_as_numbers(serving, tree):
    async with serving(tree) as ask:
        with pytest.raises(InferenceError, match=r"'input-0', feature 0: expected numbers \(FP64\), got text"):
            await ask(column("input-0", ["0", "1"], "BYTES", [1, 2]))


async def test_nan_is_refused_with_the_models_own_words(serving):
    async with serving(LogisticRegression().fit(CORNERS, [0, 1, 0, 1])) as ask:
        with pytest.raises(InferenceError, match="inputs: the model refuses these rows: Input X contains NaN"):
            await ask({**ROWS, "data": [0, 1, None, 1]})


async def test_nan_is_answered_by_a_model_that_takes_it(serving, tree):
    async with serving(tree) as ask:
        (output,) = await ask({**ROWS, "data": [0, 1, None, 1]})

    assert output["shape"] == [2, 1]


@pytest.mark.parametrize("name", ["predict", "predict_proba", "transform"])
async def test_no_rows_are_answered_with_no_rows(serving, name):
    model = flats() if name != "transform" else StandardScaler().fit(CORNERS)
    rows = column("x", [], shape=[0, 2]) if name == "transform" else None
    rows = [rows] if rows else [column("rooms", [], shape=[0]), column("city", [], "BYTES", [0, 1])]
    rows = [{**tensor, "shape": [0, *tensor["shape"][1:]]} for tensor in rows]

    async with serving(model) as ask:
        (empty,) = await ask(*rows, outputs=[{"name": name}])
        declared = {tensor.name: tensor for tensor in ask.metadata.outputs}[name]

    assert empty["data"] == []
    assert empty["shape"] == [0, *declared.shape[1:]]
    assert empty["datatype"] == declared.datatype


async def test_no_rows_are_refused_where_the_answer_is_not_known(serving, tree):
    async with serving(tree, parameters={"extra": {"predict_fn": "apply"}}) as ask:
        with pytest.raises(InferenceError, match="inputs: no rows; send at least one"):
            await ask({**ROWS, "shape": [0, 2], "data": []})


async def test_a_step_that_works_in_place_spoils_neither_request_nor_other_outputs(serving):
    model = make_pipeline(StandardScaler(copy=False), LogisticRegression()).fit(CORNERS.copy(), [0, 0, 1, 1])
    rows = np.array([[0.0, 1.0], [1.0, 1.0]])
    head = {
        "inputs": [{"name": "x", "datatype": "FP64", "shape": [2, 2], "parameters": {"binary_data_size": rows.nbytes}}],
        "outputs": [{"name": name} for name in ("predict", "predict_proba", "decision_function")],
    }

    async with serving(model) as ask:
        outputs = json.loads(b"".join((await ask.raw(head, rows.tobytes())).buffers))["outputs"]

    assert outputs[0]["data"] == model.predict(rows.copy()).tolist()
    assert outputs[1]["data"] == pytest.approx(model.predict_proba(rows.copy()).reshape(-1).tolist())
    assert outputs[2]["data"] == pytest.approx(model.decision_function(rows.copy()).tolist())


async def test_a_content_type_of_the_request_decides(serving, tree):
    async with serving(tree) as ask:
        (output,) = await ask(ROWS, parameters={"content_type": "np"})
        with pytest.raises(InferenceError, match="needs the datatype BYTES"):
            await ask(ROWS, parameters={"content_type": "str"})

    assert output["data"] == [1, 2]


async def test_a_content_type_of_the_tensor_decides(serving, tree):
    async with serving(tree) as ask:
        with pytest.raises(InferenceError, match="needs the datatype BYTES"):
            await ask({**ROWS, "parameters": {"content_type": "base64"}})


async def test_an_unknown_content_type_counts_as_none(serving, tree):
    async with serving(tree) as ask:
        (output,) = await ask(ROWS, parameters={"content_type": "no-such"})

    assert output["data"] == [1, 2]


async def test_images_may_have_more_dimensions_where_a_function_flattens_them(serving):
    flat = FunctionTransformer(flatten)
    model = make_pipeline(flat, LogisticRegression()).fit(CORNERS.reshape(4, 2, 1), [0, 0, 1, 1])

    async with serving(model) as ask:
        (output,) = await ask({**ROWS, "shape": [2, 2, 1]})

    assert output["data"] == [0, 1]


def flatten(x):
    return x.reshape(len(x), -1)


# --- a model fitted on a DataFrame ---------------------------------------------------------------------------------


async def test_columns_are_found_by_name_in_any_order(serving):
    async with serving(flats()) as ask:
        (output,) = await ask(column("city", ["Kiel", "Bonn"], "BYTES", [2, 1]), column("rooms", [4.0, 1.0]))

    assert output["data"] == ["high", "low"]


async def test_one_tensor_stands_for_all_columns_in_the_order_of_the_fit(serving):
    table = pd.DataFrame(CORNERS, columns=["a", "b"])

    async with serving(DecisionTreeClassifier(random_state=0).fit(table, [0, 1, 1, 2])) as ask:
        (output,) = await ask(ROWS)

    assert output["data"] == [1, 2]


async def test_columns_of_one_datatype_are_answered_like_one_tensor(serving):
    table = pd.DataFrame(CORNERS, columns=["a", "b"])

    async with serving(DecisionTreeClassifier(random_state=0).fit(table, [0, 1, 1, 2])) as ask:
        (output,) = await ask(column("b", [1.0, 1.0]), column("a", [0.0, 1.0]))

    assert output["data"] == [1, 2]


async def test_columns_and_their_method_may_be_asked_for_together(serving):
    async with serving(scaled()) as ask:
        outputs = await ask(ROWS, outputs=[{"name": "b"}, {"name": "transform"}, {"name": "a"}])

    assert [output["name"] for output in outputs] == ["b", "transform", "a"]


async def test_one_column_may_have_any_name(serving):
    async with serving(LinearRegression().fit(TABLE[["rooms"]], [1.0, 2.0, 3.0, 4.0])) as ask:
        (by_name,) = await ask(column("rooms", [5.0]))
        (by_place,) = await ask(column("x", [5.0], shape=[1, 1]))

    assert by_name["data"] == by_place["data"] == pytest.approx([5.0])


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (
            [column("city", ["Bonn"], "BYTES")],
            "inputs: expected one for each of 'rooms', 'city'; 'rooms' missing",
        ),
        (
            [column("rooms", [1.0]), column("city", ["Bonn"], "BYTES"), column("age", [1.0])],
            "inputs: expected one for each of 'rooms', 'city'; 'age' not of this model",
        ),
        (
            [column("rooms", [1.0]), column("town", ["Bonn"], "BYTES")],
            "inputs: expected one for each of 'rooms', 'city'; 'city' missing, 'town' not of this model",
        ),
        (
            [column("rooms", [1.0, 2.0]), column("city", ["Bonn"], "BYTES")],
            "inputs: expected as many rows in each, but 'rooms' has 2, 'city' has 1",
        ),
        (
            [column("rooms", [1.0, 2.0], shape=[1, 2]), column("city", ["Bonn"], "BYTES")],
            "'rooms': expected the shape [N] or [N, 1], a value for each row, got [1, 2]",
        ),
        (
            [column("rooms", ["1"], "BYTES"), column("city", ["Bonn"], "BYTES")],
            "'rooms': expected numbers (FP64), got text",
        ),
        (
            [column("rooms", [1.0]), column("city", [1.0])],
            "'city': expected text (BYTES), got numbers",
        ),
        (
            [column("x", [1.0, 2.0, 3.0], shape=[1, 3])],
            "'x': expected 2 features in each row, got 3 (the shape [1, 3]); the features are 'rooms', 'city'",
        ),
        (
            [column("x", [1.0, 2.0], shape=[1, 2])],
            "'x', 'city': expected text (BYTES), got numbers",
        ),
        (
            [column("rooms", [1.0]), column("city", ["Rom"], "BYTES")],
            "inputs: the model refuses these rows: Found unknown categories ['Rom'] in column 0 during transform",
        ),
        (
            [column("rooms", [1.0]), column("city", [None], "BYTES")],
            "inputs: the model refuses these rows: Found unknown categories [nan] in column 0 during transform",
        ),
    ],
)
async def test_wrong_columns_are_named(serving, inputs, message):
    async with serving(flats()) as ask:
        with pytest.raises(InferenceError) as refused:
            await ask(*inputs)

    assert str(refused.value) == message


def seen_dtypes(table):
    return pd.DataFrame({"seen": [" ".join(str(dtype) for dtype in table.dtypes)] * len(table)})


async def test_columns_keep_their_datatypes(serving):
    model = FunctionTransformer(seen_dtypes).fit(TABLE.assign(when=1))

    async with serving(model) as ask:
        (output,) = await ask(
            column("rooms", [1.0], "FP32"),
            column("city", ["Bonn"], "BYTES"),
            column("when", ["2024-02-03T04:05:06"], "BYTES", parameters={"content_type": "datetime"}),
        )

    assert output["data"][0].startswith("float32 object datetime64")


async def test_binary_text_is_read_as_utf8(serving):
    text = len("Bonn").to_bytes(4, "little") + b"Bonn"
    head = {
        "inputs": [
            column("rooms", [1.0]),
            {"name": "city", "datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": len(text)}},
        ]
    }

    async with serving(flats()) as ask:
        answer = await ask.raw(head, text)
        with pytest.raises(InferenceError, match="'city': holds bytes that are not UTF-8"):
            await ask.raw(head, text.replace(b"nn", b"\xff\xff"))

    assert json.loads(b"".join(answer.buffers))["outputs"][0]["data"] == ["low"]


async def test_a_missing_text_is_what_the_imputer_knows(serving):
    from sklearn.impute import SimpleImputer

    model = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(sparse_output=False)).fit(
        TABLE[["city"]].astype(object)
    )

    async with serving(model) as ask:
        (output,) = await ask(column("city", [None, "Kiel"], "BYTES"))

    assert output["data"] == [1.0, 0.0, 0.0, 1.0]


async def test_a_dataframe_of_a_codec_is_put_in_the_order_of_the_fit(loaded):
    runtime = loaded(flats())
    runtime.decode_request = lambda request: TABLE[["city", "rooms"]].iloc[:2]

    response = await asyncio.to_thread(runtime.predict, InferenceRequest(inputs=[]))

    assert response.outputs[0].data.tolist() == ["low", "high"]


def test_a_dataframe_of_a_codec_stays_one_for_a_model_that_says_nothing(loaded):
    runtime = loaded(Columns())
    runtime.decode_request = lambda request: TABLE

    assert runtime.predict(InferenceRequest(inputs=[])).outputs[0].data.tolist() == ["rooms", "city"]


class Columns:
    def predict(self, table):
        return list(table.columns)


CITY = {"parameters": {"content_type": "str"}}


@pytest.mark.parametrize("plugins", ["{}", '{"deny": ["codec-pandas"]}'])
@pytest.mark.parametrize("members", [{"parameters": {"content_type": "pd"}}, {}])
async def test_a_request_of_a_dataframe_is_answered_with_and_without_the_codec_for_it(
    serving, monkeypatch, plugins, members
):
    monkeypatch.setenv("MLCORE_PLUGINS", plugins)
    settings = {} if members else {"parameters": {"content_type": "pd"}}
    kiel = [{"name": "city", "shape": [1, 1], "datatype": "BYTES", "parameters": {"binary_data_size": 8}}]

    async with serving(flats(), **settings) as ask:
        (output,) = await ask(
            column("city", ["Kiel", "Bonn"], "BYTES", [2, 1], **CITY), column("rooms", [4.0, 1.0], "FP32"), **members
        )
        binary = await ask.raw({"inputs": [column("rooms", [4.0]), *kiel], **members}, b"\4\0\0\0Kiel")
        with pytest.raises(InferenceError, match="'city': expected text"):
            await ask(column("city", [1.0]), column("rooms", [4.0]), **members)
        with pytest.raises(InferenceError, match="inputs: expected as many rows in each"):
            await ask(column("city", ["Kiel"], "BYTES"), column("rooms", [4.0, 1.0]), **members)

    assert output["data"] == ["high", "low"]
    assert json.loads(b"".join(binary.buffers))["outputs"][0]["data"] == ["high"]


def test_missing_values_of_a_codecs_dataframe_are_those_that_the_model_knows(loaded):
    from sklearn.impute import SimpleImputer

    table = pd.DataFrame({"n": [1.0, 3.0, 3.0], "s": ["a", "b", "b"]})
    model = SimpleImputer(strategy="most_frequent").set_output(transform="pandas")
    runtime = loaded(model.fit(table.astype(object)))
    for dtype in (object, "string"):
        given = pd.DataFrame({"s": pd.Series([None, "a"], dtype=dtype), "n": pd.array([2, None], "Int64")})
        runtime.decode_request = lambda request, given=given: given

        response = runtime.predict(InferenceRequest(inputs=[]))

        assert [output.data.tolist() for output in response.outputs] == [[2, 3], ["b", "a"]]


def test_elements_that_do_not_fill_the_shape_are_refused(loaded):
    tensor = RequestInput(name="city", shape=[3], datatype="BYTES", data=["Bonn"])

    with pytest.raises(InferenceError, match=r"'city': the shape \[3\] does not fit its 1 elements"):
        loaded(OneHotEncoder().fit(TABLE[["city"]])).predict(InferenceRequest(inputs=[tensor]))


def test_a_dataframe_of_a_codec_is_an_array_for_a_model_without_names(loaded, tree):
    runtime = loaded(tree)
    runtime.decode_request = lambda request: pd.DataFrame({"x": [0.0, 1.0], "y": [1.0, 1.0]})

    assert runtime.predict(InferenceRequest(inputs=[])).outputs[0].data.tolist() == [1, 2]


# --- text and labels -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [[2], [2, 1]])
@pytest.mark.parametrize("members", [{}, {"parameters": {"content_type": "str"}}])
async def test_a_model_of_texts_is_asked_with_texts(serving, shape, members):
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(["good day", "bad day"], ["good", "bad"])

    async with serving(model) as ask:
        (by_tensor,) = await ask(column("text", ["a good one", "so bad"], "BYTES", shape, **members))
        (by_request,) = await ask(column("text", ["a good one", "so bad"], "BYTES", shape), **members)

    assert by_tensor["data"] == by_request["data"] == ["good", "bad"]


async def test_sparse_results_are_answered_dense(serving):
    async with serving(TfidfVectorizer(use_idf=False, norm=None).fit(["good day", "bad day"])) as ask:
        (output,) = await ask(column("text", ["good good day"], "BYTES"))

    assert (output["shape"], output["data"]) == ([1, 3], [0.0, 1.0, 2.0])


async def test_labels_are_encoded(serving):
    async with serving(LabelEncoder().fit(["a", "b"])) as ask:
        (output,) = await ask(column("labels", ["b", "a"], "BYTES"))
        with pytest.raises(InferenceError, match="previously unseen labels"):
            await ask(column("labels", ["c"], "BYTES"))

    assert output["data"] == [1, 0]


# --- results that are tables ---------------------------------------------------------------------------------------


def scaled():
    """Return a transformer whose result is a DataFrame."""
    table = pd.DataFrame(CORNERS, columns=["a", "b"])
    return StandardScaler(with_std=False).set_output(transform="pandas").fit(table)


async def test_a_dataframe_is_answered_as_its_columns(serving):
    async with serving(scaled()) as ask:
        outputs = await ask(ROWS)

    assert {output["name"]: output["data"] for output in outputs} == {"a": [-0.5, 0.5], "b": [0.5, 0.5]}


async def test_a_column_of_a_dataframe_may_be_asked_for(serving):
    async with serving(scaled()) as ask:
        (output,) = await ask(ROWS, outputs=[{"name": "b"}])

    assert output["data"] == [0.5, 0.5]


async def test_a_dataframe_asked_for_by_its_method_is_one_tensor(serving):
    async with serving(scaled()) as ask:
        (output,) = await ask(ROWS, outputs=[{"name": "transform"}])

    assert (output["shape"], output["data"]) == ([2, 2], [-0.5, 0.5, 0.5, 0.5])


async def test_a_dataframe_of_numbers_and_text_is_no_tensor(serving):
    model = make_column_transformer(("passthrough", ["rooms", "city"]), verbose_feature_names_out=False)
    model = model.set_output(transform="pandas").fit(TABLE)
    inputs = [column("rooms", [1.0]), column("city", ["Bonn"], "BYTES")]

    async with serving(model) as ask:
        outputs = await ask(*inputs)
        with pytest.raises(InferenceError, match="which one tensor cannot hold; ask for 'rooms', 'city', or leave"):
            await ask(*inputs, outputs=[{"name": "transform"}])

    assert [output["data"] for output in outputs] == [[1.0], ["Bonn"]]


# --- metadata ------------------------------------------------------------------------------------------------------


async def test_a_model_describes_itself(serving, tree):
    async with serving(tree) as ask:
        metadata = ask.metadata.model_dump()

    assert metadata == {
        "name": "m",
        "versions": [],
        "platform": "sklearn",
        "inputs": [{"name": "input-0", "datatype": "FP64", "shape": [-1, 2]}],
        "outputs": [
            {"name": "predict", "datatype": "INT64", "shape": [-1, 1]},
            {"name": "predict_proba", "datatype": "FP64", "shape": [-1, 3]},
            {"name": "predict_log_proba", "datatype": "FP64", "shape": [-1, 3]},
        ],
        "parameters": {"classes": "[0, 1, 2]"},
    }


async def test_a_model_with_names_has_an_input_for_each(serving):
    async with serving(flats()) as ask:
        metadata = ask.metadata

    assert [tensor.model_dump() for tensor in metadata.inputs] == [
        {"name": "rooms", "datatype": "FP64", "shape": [-1, 1]},
        {"name": "city", "datatype": "BYTES", "shape": [-1, 1]},
    ]
    assert metadata.outputs[0].datatype == "BYTES"
    assert metadata.parameters == {"classes": '["high", "low"]'}


async def test_the_columns_of_a_result_are_described(serving):
    async with serving(scaled()) as ask:
        assert [tensor.name for tensor in ask.metadata.outputs] == ["a", "b"]


async def test_the_default_output_is_described_first(serving, tree):
    async with serving(tree, parameters={"extra": {"predict_fn": "predict_proba"}}) as ask:
        assert ask.metadata.outputs[0].name == "predict_proba"


async def test_what_the_settings_declare_wins(serving, tree):
    tensor = {"name": "x", "datatype": "FP32", "shape": [-1, 2]}

    async with serving(
        tree, platform="mine", inputs=[tensor], outputs=[{"name": "predict", "datatype": "INT64", "shape": [-1]}]
    ) as ask:
        metadata = ask.metadata

    assert [tensor.name for tensor in metadata.inputs] == ["x"]
    assert [tensor.shape for tensor in metadata.outputs] == [[-1]]
    assert metadata.platform == "mine"


async def test_a_declared_content_type_is_that_of_the_output(serving):
    model = DecisionTreeClassifier().fit(CORNERS, ["no", "yes", "yes", "yes"])

    async with serving(model, outputs=[{"name": "predict", "parameters": {"content_type": "str"}}]) as ask:
        (output,) = await ask(ROWS)

    assert output["parameters"] == {"content_type": "str"}


async def test_the_classes_of_several_targets_are_lists(serving):
    model = MultiOutputClassifier(DecisionTreeClassifier()).fit(CORNERS, CORNERS.astype(int))

    async with serving(model) as ask:
        assert ask.metadata.parameters == {"classes": "[[0, 1], [0, 1]]"}


def positive(x):
    if (x <= 0).any():
        raise ValueError("only positive numbers")
    return x


async def test_a_model_that_cannot_be_tried_out_works_without_a_description(serving):
    async with serving(FunctionTransformer(positive).fit(CORNERS + 1)) as ask:
        (output,) = await ask({**ROWS, "data": [1, 2, 3, 4]})
        metadata = ask.metadata

    assert output["data"] == [1.0, 2.0, 3.0, 4.0]
    assert metadata.outputs == []
    assert metadata.inputs[0].datatype == ""


# --- failures ------------------------------------------------------------------------------------------------------


async def test_a_failure_of_the_model_is_no_fault_of_the_client(serving, caplog):
    async with serving(FunctionTransformer(positive).fit(CORNERS + 1)) as ask:
        with pytest.raises(InternalError, match="error id"):
            await ask(ROWS)

    assert "only positive numbers" in caplog.text


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (LogisticRegression(), "the model in the file is not fitted; fit it, and save it again"),
        ({"weights": [1, 2]}, "the file holds a dict, which has none of predict, transform"),
        (DBSCAN().fit(CORNERS), "the file holds a DBSCAN, which has none of predict, transform"),
    ],
)
def test_what_is_no_fitted_model_is_an_error_at_load(loaded, model, message):
    with pytest.raises(ModelLoadError, match=message):
        loaded(model)


def test_a_model_that_is_not_loaded_does_not_answer(loaded, tree):
    runtime = loaded(tree)
    runtime.unload()

    with pytest.raises(InternalError, match="the model 'm' is not loaded"):
        runtime.predict(InferenceRequest(inputs=[]))


def test_a_model_may_be_asked_without_a_server(loaded, tree):
    runtime = loaded(tree)
    request = InferenceRequest(
        inputs=[RequestInput(name="x", shape=[1, 2], datatype="FP64", data=[[1.0, 1.0]])],
        outputs=[RequestOutput(name="predict")],
    )

    response = runtime.predict(request)

    assert response.outputs[0].data.tolist() == [2]


# --- folders -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", ["model.joblib", "model.pkl", "model.pickle", "model.skops"])
async def test_a_file_alone_is_a_model_with_the_name_of_its_folder(tmp_path, file):
    model = LogisticRegression().fit(CORNERS, [0, 1, 0, 1])
    (tmp_path / "corners").mkdir()
    (skops.io.dump if file.endswith("skops") else joblib.dump)(model, tmp_path / "corners" / file)

    async with Server(tmp_path, transports=[], strict=True) as server:
        assert server.control.models() == ["corners"]
        assert server.control.model_metadata("corners").platform == "sklearn"


@pytest.mark.parametrize("name", ["mlserver_sklearn.SKLearnModel", "mlserver_sklearn.sklearn.SKLearnModel"])
async def test_a_folder_of_mlserver_works_as_it_is(serving, tree, name):
    async with serving(tree, implementation=name, parameters={"uri": "./model.joblib", "version": "v0.1.0"}) as ask:
        (output,) = await ask(ROWS)

    assert output["data"] == [1, 2]


def own_model(folder, factor):
    """Save a model whose class is in a module beside it."""
    folder.mkdir()
    (folder / "own_model.py").write_text(
        "from sklearn.base import BaseEstimator\n"
        "class Times(BaseEstimator):\n"
        "    def predict(self, x):\n"
        f"        return x[:, 0] * {factor}\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        import own_model

        joblib.dump(own_model.Times(), folder / "model.joblib")
    del sys.modules["own_model"]


async def test_each_pickle_finds_the_module_beside_it(tmp_path, asker):
    own_model(tmp_path / "m", 2.0)
    own_model(tmp_path / "other", 3.0)

    async with Server(tmp_path, transports=[], strict=True) as server:
        (doubled,) = await asker(server)(ROWS)
        (tripled,) = await asker(server, "other")(ROWS)

    assert doubled["data"] == [0.0, 2.0]
    assert tripled["data"] == [0.0, 3.0]
    assert "own_model" not in sys.modules
