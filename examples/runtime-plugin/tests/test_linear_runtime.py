"""The runtime keeps the contract, and serves a folder that has only its file."""

from pathlib import Path

import pytest
from mlcore import ModelParameters, ModelSettings
from mlcore.testing import RuntimeContract
from mlcore.types import InferenceRequest, RequestInput


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "line").mkdir()
    (tmp_path / "line" / "linear.json").write_text('{"weights": [2.0, 3.0], "bias": 1.0}')
    return tmp_path / "line"


def request_of(shape: list[int], data: list, datatype: str = "FP64") -> InferenceRequest:
    return InferenceRequest(inputs=[RequestInput(name="x", shape=shape, datatype=datatype, data=data)])


class TestLinearRuntime(RuntimeContract):
    runtime = "linear"
    entry_module = "runtime_linear.plugin"

    @pytest.fixture
    def settings(self, folder: Path) -> ModelSettings:
        file = str(folder / "linear.json")
        return ModelSettings(name="line", implementation="linear", parameters=ModelParameters(uri=file))

    @pytest.fixture
    def good_request(self) -> InferenceRequest:
        return request_of([2, 2], [1.0, 1.0, 0.5, 2.0])

    @pytest.fixture
    def bad_requests(self) -> list[InferenceRequest]:
        return [request_of([1, 3], [1.0, 2.0, 3.0]), request_of([1, 2], ["a", "b"], "BYTES")]


def test_a_folder_with_only_the_file_is_served(server, folder: Path) -> None:
    running = server(folder)

    answer = running.infer("line", {"name": "x", "shape": [1, 2], "datatype": "FP64", "data": [1, 1]})

    assert answer.json()["outputs"][0]["data"] == [6.0]
