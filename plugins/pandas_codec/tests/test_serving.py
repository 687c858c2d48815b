"""DataFrames through a server: whole requests, typed arguments, batches and workers."""

import json
from contextlib import asynccontextmanager

import numpy as np
import pandas as pd
import pytest
from codec_pandas import PandasCodec
from mlcore import MLModel, ModelSettings, Server, decode_args
from mlcore.engine import Call
from mlcore.errors import InferenceError
from mlcore.testing import start_server
from mlcore_protocol import InferenceResponse

X = {"name": "x", "shape": [2], "datatype": "FP64", "data": [1, 2]}
S = {"name": "s", "shape": [2], "datatype": "BYTES", "data": ["a", "b"]}
PD = {"parameters": {"content_type": "pd"}}


@pytest.fixture(autouse=True)
def _in_one_process(monkeypatch):
    """Keep the models of servers in the tests' own process; the program below says otherwise."""
    monkeypatch.setenv("MLCORE_PARALLEL_WORKERS", "0")


@asynccontextmanager
async def serving(implementation, **settings):
    models = [ModelSettings(name="m", implementation=implementation, **settings)]
    async with Server(models=models, transports=[], strict=True) as server:

        async def ask(*inputs, **members):
            body = json.dumps({"inputs": inputs, **members}).encode()
            answer = await server.dispatcher.infer(Call("m", None, "application/json", body))
            return json.loads(b"".join(answer.buffers))

        yield ask


class Seen(MLModel):
    """Answers with what it was given."""

    def predict(self, payload):
        table = self.decode_request(payload)
        return self.encode_response(pd.DataFrame({"seen": [f"{name} {table[name].tolist()}" for name in table]}))


async def seen(*inputs, members=PD, **settings):
    async with serving(Seen, **settings) as ask:
        return (await ask(*inputs, **members))["outputs"][0]["data"]


async def test_the_request_or_the_settings_ask_for_a_dataframe():
    assert await seen(X, S) == ["x [1.0, 2.0]", "s ['a', 'b']"]
    assert await seen(X, members={}, parameters={"content_type": "pd"}) == ["x [1.0, 2.0]"]


async def test_a_column_has_the_content_type_that_it_or_its_declaration_names():
    declared = [{"name": "s", "datatype": "BYTES", "shape": [-1], "parameters": {"content_type": "pd_json"}}]
    cells = {**S, "data": ["[1]", "null"]}

    assert await seen(cells) == ["s ['[1]', 'null']"]
    assert await seen(cells, inputs=declared) == ["s [[1], None]"]
    assert await seen({**cells, "parameters": {"content_type": "str"}}, inputs=declared) == ["s ['[1]', 'null']"]


class Scored(MLModel):
    @decode_args
    def predict(self, x: np.ndarray, table: pd.DataFrame) -> pd.DataFrame:
        return table.assign(score=x * 2)


class Several(MLModel):
    @decode_args
    def predict(self, table: pd.DataFrame | None) -> tuple[np.ndarray, pd.DataFrame]:
        return np.array([0 if table is None else len(table)]), pd.DataFrame({"a": [1]})


async def test_a_dataframe_argument_takes_the_other_inputs_and_a_dataframe_gives_its_columns_as_outputs():
    async with serving(Scored) as ask:
        answer = await ask(S, X, {**X, "name": "y"})

    assert answer["parameters"] == {"content_type": "pd"}
    assert [(output["name"], output["data"]) for output in answer["outputs"]] == [
        ("s", ["a", "b"]),
        ("y", [1, 2]),
        ("score", [2, 4]),
    ]


async def test_an_argument_reads_declared_content_types_too():
    declared = [{"name": "s", "datatype": "BYTES", "shape": [-1], "parameters": {"content_type": "pd_json"}}]

    async with serving(Scored, inputs=declared) as ask:
        answer = await ask(X, {**S, "data": ['{"a": 1}', "[]"]})

    assert answer["outputs"][0]["parameters"] == {"content_type": "pd_json"}
    assert answer["outputs"][0]["data"] == ['{"a":1}', "[]"]


async def test_a_dataframe_may_be_one_of_several_results_and_an_optional_argument():
    async with serving(Several) as ask:
        answers = [await ask(X), await ask({**X, "name": "table"}, S)]

    for answer, rows in zip(answers, (2, 2), strict=True):
        assert [(output["name"], output["data"]) for output in answer["outputs"]] == [("output-0", [rows]), ("a", [1])]
        assert "parameters" not in answer


async def test_ragged_columns_are_the_clients_error():
    async with serving(Seen) as ask:
        with pytest.raises(InferenceError, match="expected as many rows in each column, but 'x' has 2, 's' has 1"):
            await ask(X, {**S, "shape": [1], "data": ["a"]}, **PD)


def sent(table):
    request = PandasCodec.encode_request(table, use_bytes=False)
    return json.loads(request.model_dump_json())


def test_a_client_with_pandas_gets_back_its_table_from_a_worker(tmp_path):
    code = (
        "from mlcore import MLModel\n"
        "from mlcore.codecs import PandasCodec\n"
        "class Echo(MLModel):\n"
        "    def predict(self, payload):\n"
        "        return self.encode_response(self.decode_request(payload, default_codec=PandasCodec))\n"
    )
    (tmp_path / "echo.py").write_text(code)
    batches = {"max_batch_size": 8, "max_batch_time": 0.01}
    settings = {"name": "m", "implementation": "echo.Echo", **batches}
    (tmp_path / "model-settings.json").write_text(json.dumps(settings))
    table = pd.DataFrame(
        {
            "size": pd.Categorical(["S", None], ["L", "S"], ordered=True),
            "at": pd.to_datetime(pd.Series(["2024-01-01", None])).dt.tz_localize("Europe/Berlin"),
            "count": pd.array([1, None], "Int64"),
            "tags": [["a"], {"b": None}],
        }
    )
    server = start_server(tmp_path, env={"MLCORE_PARALLEL_WORKERS": "1"})
    try:
        request = sent(table)
        answer = server.infer("m", *request.pop("inputs"), **request)
    finally:
        server.stop()

    assert answer.status == 200, answer.body
    response = InferenceResponse.model_validate(answer.json())
    pd.testing.assert_frame_equal(PandasCodec.decode_response(response), table)
