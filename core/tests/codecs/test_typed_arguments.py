"""`decode_args`: typed arguments instead of a request, matched at load, used at each request."""

import gc
import inspect
import weakref
from datetime import UTC, datetime
from typing import TYPE_CHECKING, List, Optional, Tuple, Union  # noqa: UP035  # users write them

import numpy as np
import numpy.typing as npt
import pytest
from mlcore import MLModel, ModelSettings, Server, decode_args, hookimpl
from mlcore.codecs import RequestCodec, StringCodec
from mlcore.errors import CodecError, InputNotFoundError, InternalError, ModelLoadError
from mlcore.types import InferenceRequest, InferenceResponse, RequestInput

if TYPE_CHECKING:
    from decimal import Decimal


def request(**inputs):
    datatypes = {"x": "FP64", "y": "FP64"}
    return InferenceRequest(
        inputs=[
            RequestInput(name=name, shape=[len(data)], datatype=datatypes.get(name, "BYTES"), data=data)
            for name, data in inputs.items()
        ]
    )


def model_of(predict):
    """Return a model, outside a server, whose predict is `predict` under decode_args."""
    kind = type("Model", (MLModel,), {"predict": decode_args(predict)})
    return kind(ModelSettings(name="m", implementation=kind))


def ask(predict, **inputs):
    response = model_of(predict).predict(request(**inputs))
    return [(output.name, output.data.tolist()) for output in response.outputs]


async def why_not(predict, **options):
    kind = type("Model", (MLModel,), {"predict": decode_args(predict)})
    async with Server(models=[ModelSettings(name="m", implementation=kind)], transports=[], **options) as server:
        (item,) = server.control.index()
    return item.reason


# --- what comes in ---


def arrays(self, x: np.ndarray) -> np.ndarray:
    return x * 2


def typed_arrays(self, x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return x * 2


def array_or_none(self, x: np.ndarray | None) -> np.ndarray:
    return x * 2


def optional_array(self, x: Optional[np.ndarray]) -> np.ndarray:  # noqa: UP045
    return x * 2


def union_array(self, x: Union[None, np.ndarray]) -> np.ndarray:  # noqa: UP007, RUF036
    return x * 2


def keyword_only(self, *, x: np.ndarray) -> np.ndarray:
    return x * 2


def as_text(self, x: "np.ndarray") -> "np.ndarray":
    return x * 2


@pytest.mark.parametrize(
    "predict", [arrays, typed_arrays, array_or_none, optional_array, union_array, keyword_only, as_text]
)
def test_every_spelling_of_an_array_is_one(predict):
    assert ask(predict, x=[1, 2]) == [("output-0", [2, 4])]


def texts(self, docs: list[str]) -> list[str]:
    return [type(doc).__name__ for doc in docs]


def old_texts(self, docs: List[str]) -> List[str]:  # noqa: UP006
    return [type(doc).__name__ for doc in docs]


def maybe_texts(self, docs: list[str | None]) -> list[str]:
    return [type(doc).__name__ for doc in docs]


def many_bytes(self, docs: list[bytes]) -> list[str]:
    return [type(doc).__name__ for doc in docs]


def times(self, docs: list[datetime]) -> list[str]:
    return [type(doc).__name__ for doc in docs]


@pytest.mark.parametrize(
    ("predict", "data", "expected"),
    [
        (texts, ["a", b"b"], ["str", "str"]),
        (old_texts, ["a", b"b"], ["str", "str"]),
        (maybe_texts, ["a", None], ["str", "NoneType"]),
        (many_bytes, ["AAE=", "no"], ["bytes", "bytes"]),
        (times, ["2024-01-01"], ["datetime"]),
    ],
)
def test_lists_are_decoded_by_what_they_are_lists_of(predict, data, expected):
    assert ask(predict, docs=data) == [("output-0", [text.encode() for text in expected])]


def test_null_for_an_argument_of_texts_is_the_clients_error():
    with pytest.raises(CodecError) as raised:
        ask(texts, docs=["a", None])

    assert str(raised.value) == "'docs'.data[1]: expected a text, got null"


def test_arguments_take_the_inputs_of_their_names_in_any_order():
    def predict(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return x - y

    assert ask(predict, y=[1], x=[3]) == ask(predict, x=[3], y=[1]) == [("output-0", [2])]


def test_an_argument_that_may_be_missing_is_none_or_its_default():
    def predict(self, x: np.ndarray, y: Optional[np.ndarray], docs: list[str] = ("none",)) -> list[str]:  # noqa: UP045
        return [str(y is None), *docs]

    assert ask(predict, x=[1]) == [("output-0", [b"True", b"none"])]
    assert ask(predict, x=[1], y=[1], docs=["a"]) == [("output-0", [b"False", b"a"])]


def test_a_missing_input_is_the_clients_error_and_names_what_is_expected():
    def predict(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return x

    for inputs, got in (({"x": [1]}, "'x'"), ({}, "none")):
        with pytest.raises(InputNotFoundError) as raised:
            ask(predict, **inputs)
        missing = "y" if inputs else "x"
        assert str(raised.value) == f"inputs: '{missing}' is missing; expected 'x', 'y', got {got}"


def test_an_unknown_input_is_the_clients_error_and_names_what_is_expected():
    with pytest.raises(InputNotFoundError) as raised:
        ask(arrays, x=[1], **{"z" * 100: ["a"]})

    assert str(raised.value) == f"inputs: '{'z' * 64}' is not an input of this model; expected 'x'"


def test_a_model_without_arguments_takes_no_inputs():
    def predict(self) -> list[str]:
        return ["ok"]

    assert ask(predict) == [("output-0", [b"ok"])]
    with pytest.raises(InputNotFoundError, match="'x' is not an input of this model; expected no inputs"):
        ask(predict, x=[1])


def test_a_wrong_tensor_is_the_clients_error():
    wrong = InferenceRequest(inputs=[RequestInput(name="docs", shape=[1], datatype="FP64", data=[1])])

    with pytest.raises(CodecError, match="needs the datatype BYTES, got FP64"):
        model_of(texts).predict(wrong)


# --- a codec of whole requests ---


class Table(dict):
    pass


class TableCodec(RequestCodec):
    ContentType = "table"
    TypeHint = Table

    @classmethod
    def can_encode(cls, payload):
        return isinstance(payload, Table)

    @classmethod
    def decode_request(cls, request):
        return Table({tensor.name: tensor.data.tolist() for tensor in request.inputs})

    @classmethod
    def encode_response(cls, model_name, payload, model_version=None, **options):
        outputs = [StringCodec.encode_output(name, [str(value)]) for name, value in payload.items()]
        return InferenceResponse(model_name=model_name, outputs=outputs)


class Tables:
    @hookimpl
    def mlcore_codecs(self):
        return {"table": TableCodec}


@pytest.fixture
def table_model():
    def make(predict):
        model = model_of(predict)
        model.codecs.add("table", [TableCodec], "python")
        return model

    return make


def test_an_argument_of_a_request_codec_takes_every_input_that_no_other_names(table_model):
    def predict(self, x: np.ndarray, table: Table) -> Table:
        return Table({"names": sorted(table), **table})

    response = table_model(predict).predict(request(x=[1], y=[2], docs=["a"]))

    assert [output.name for output in response.outputs] == ["names", "y", "docs"]
    assert response.outputs[0].data.tolist() == [b"['docs', 'y']"]


def test_an_optional_table_is_its_default_where_no_input_is_left(table_model):
    def predict(self, x: np.ndarray, table: Table | None) -> list[str]:
        return [str(table)]

    model = table_model(predict)

    assert model.predict(request(x=[1])).outputs[0].data.tolist() == [b"None"]
    assert model.predict(request(x=[1], y=[2])).outputs[0].data.tolist() == [b"{'y': [2]}"]


def test_a_table_that_is_needed_may_be_empty(table_model):
    def predict(self, table: Table) -> list[str]:
        return [str(table)]

    assert table_model(predict).predict(request()).outputs[0].data.tolist() == [b"{}"]


async def test_two_tables_cannot_share_the_inputs():
    def predict(self, one: Table, two: Table) -> Table:
        return one

    assert (await why_not(predict, plugins=[Tables])).endswith(
        ".predict: 'one' and 'two' both take all other inputs; only one can"
    )


# --- what comes out ---


def test_a_tuple_becomes_several_outputs():
    def predict(self, x: np.ndarray) -> Tuple[np.ndarray, List[str]]:  # noqa: UP006
        return x, ["a"]

    assert ask(predict, x=[1]) == [("output-0", [1]), ("output-1", [b"a"])]


def test_without_a_return_hint_the_value_decides():
    def predict(self, x: np.ndarray):
        return x, ["a"], [b"a"], [datetime(2024, 1, 1, tzinfo=UTC)]

    contents = [output.parameters.content_type for output in model_of(predict).predict(request(x=[1])).outputs]

    assert contents == ["np", "str", "base64", "datetime"]


def test_the_return_hint_decides_where_several_codecs_could():
    def predict(self, x: np.ndarray) -> tuple[list[bytes], list[datetime]]:
        return ["a"], ["2024-01-01"]

    contents = [output.parameters.content_type for output in model_of(predict).predict(request(x=[1])).outputs]

    assert contents == ["base64", "datetime"]


@pytest.mark.parametrize("returned", [["a"], (["a"], np.array([1.0]))])
def test_a_value_that_is_not_what_the_hint_says_is_written_by_its_own_type(returned):
    def predict(self, x: np.ndarray) -> np.ndarray:
        return returned

    assert ask(predict, x=[1])[0] == ("output-0", [b"a"])


def test_a_value_that_no_codec_can_write_is_the_models_error():
    def predict(self, x: np.ndarray) -> tuple[np.ndarray, float]:
        return x, 1.5

    with pytest.raises(InternalError) as raised:
        ask(predict, x=[1])

    assert str(raised.value) == (
        "output-1: the model returned a float, which no codec can encode; return a numpy array or a list of texts"
    )


def test_a_ready_response_passes():
    ready = InferenceResponse(model_name="m", outputs=[])

    def predict(self, x: np.ndarray) -> InferenceResponse:
        return ready

    assert model_of(predict).predict(request(x=[1])) is ready


# --- what is wrong, at load ---


def no_hint(self, x):
    pass


def unknown_hint(self, x: int) -> int:
    pass


def unknown_list(self, x: list[int]) -> None:
    pass


def two_kinds(self, x: np.ndarray | list[str]) -> None:
    pass


def only_types_know(self, x: "Decimal") -> None:
    pass


def several(self, *x: np.ndarray) -> None:
    pass


def all_names(self, **x: np.ndarray) -> None:
    pass


def positional(self, x: np.ndarray, /) -> None:
    pass


def generator(self, x: np.ndarray):
    yield x


async def async_generator(self, x: np.ndarray):
    yield x


@pytest.mark.parametrize(
    ("predict", "reason"),
    [
        (no_hint, "no_hint: the argument 'x' needs a type hint, such as np.ndarray or list[str]"),
        (unknown_hint, "unknown_hint: no codec for the type hint int of the argument 'x'; there are codecs for "),
        (unknown_list, "unknown_list: no codec for the type hint list[int] of the argument 'x'"),
        (two_kinds, "two_kinds: no codec for the type hint numpy.ndarray | list[str] of the argument 'x'"),
        (only_types_know, "only_types_know: its type hints cannot be read: name 'Decimal' is not defined"),
        (several, "several: the argument 'x' has to be a plain one, without * or / in its way"),
        (all_names, "all_names: the argument 'x' has to be a plain one, without * or / in its way"),
        (positional, "positional: the argument 'x' has to be a plain one, without * or / in its way"),
        (generator, "generator: decode_args takes a function that returns one answer, not a generator"),
        (async_generator, "async_generator: decode_args takes a function that returns one answer, not a generator"),
    ],
)
async def test_a_signature_that_cannot_be_served_fails_the_load(predict, reason):
    assert (await why_not(predict)).startswith(reason)


def test_outside_a_server_it_fails_at_the_first_request():
    with pytest.raises(ModelLoadError, match="needs a type hint"):
        ask(no_hint, x=[1])


def test_an_unknown_hint_is_told_with_those_that_are_known():
    with pytest.raises(ModelLoadError) as raised:
        ask(unknown_hint, x=[1])

    assert str(raised.value).endswith("there are codecs for list[bytes], list[datetime.datetime], list[str], ndarray")


async def test_a_predict_stream_under_decode_args_fails_the_load():
    class Model(MLModel):
        @decode_args
        async def predict_stream(self, x: np.ndarray):
            yield x

    async with Server(models=[ModelSettings(name="m", implementation=Model)], transports=[]) as server:
        assert "decode_args takes a function that returns one answer" in server.control.index()[0].reason


# --- in a server ---


def test_the_function_stays_what_it_was():
    decorated = decode_args(arrays)

    assert decorated.__name__ == "arrays"
    assert not inspect.iscoroutinefunction(decorated)


async def test_it_works_for_async_and_plain_models_with_the_codecs_of_the_server(said):
    class Async(MLModel):
        @decode_args
        async def predict(self, table: Table) -> list[str]:
            return sorted(table)

    class Plain(MLModel):
        @decode_args
        def predict(self, table: Table) -> list[str]:
            return sorted(table)

    models = [ModelSettings(name=kind.__name__, implementation=kind) for kind in (Async, Plain)]

    async with Server(models=models, plugins=[Tables], transports=[]) as server:
        assert await said(server, "Async") == await said(server, "Plain") == "x"


async def test_a_server_that_is_gone_leaves_nothing_in_the_class():
    class Model(MLModel):
        @decode_args
        def predict(self, x: np.ndarray) -> np.ndarray:
            return x

    async with Server(models=[ModelSettings(name="m", implementation=Model)], transports=[]) as server:
        codecs = weakref.ref(server.plugins.codecs)
    del server
    gc.collect()

    assert codecs() is None
