"""One server for all cases that do not change it, which has to stand after each of them as it stood before."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from many import MODEL
from mlcore.testing import start_server
from standing import Standing, control_answer

from .asking import GrpcClient, RestClient
from .operated import GrpcOperator, Operated, RestOperator
from .semantic_models import write_models

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlcore.testing.process import RunningServer


@pytest.fixture(scope="package")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Return a server with the model `many` in a worker, on every transport, with the default limits."""
    folder = tmp_path_factory.mktemp("served")
    place = folder / "many"
    place.mkdir()
    (place / "many.py").write_text(MODEL)
    (place / "model-settings.json").write_text(json.dumps({"name": "many", "implementation": "many.Many"}))
    server = start_server(folder, "--parallel-workers", "1")
    for _ in range(20):  # what is made once, at first use, is no growth
        control_answer(server)
    yield server
    server.stop()


@pytest.fixture
def standing(served: RunningServer) -> Iterator[Standing]:
    """Check after the test that the server stands as before; a test with bounds of its own calls `check` itself."""
    stood = Standing(served)
    yield stood
    stood.check()


@pytest.fixture(scope="package")
def semantic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Return a server with the models of `semantic_models.py` in a worker."""
    folder = tmp_path_factory.mktemp("semantic")
    write_models(folder)
    server = start_server(folder, "--parallel-workers", "1")
    for _ in range(20):
        control_answer(server)
    yield server
    server.stop()


@pytest.fixture(scope="package", params=["rest", "grpc"])
def client(request: pytest.FixtureRequest, semantic: RunningServer) -> Iterator[RestClient | GrpcClient]:
    """Return a client of `semantic`, over REST and over gRPC."""
    made = (RestClient if request.param == "rest" else GrpcClient)(semantic)
    made.infer("many", {"name": "same", "datatype": "BYTES", "shape": [1], "data": ["connect"]})
    yield made
    made.close()


@pytest.fixture
def stands(semantic: RunningServer) -> Iterator[Standing]:
    """Check after the test that `semantic` stands as before."""
    stood = Standing(semantic)
    yield stood
    stood.check()


@pytest.fixture(scope="package")
def operated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operated]:
    """Return a server whose models come and go: `many`, and what a test writes, which it removes again.

    It reads only pickles with a digest.
    """
    folder = tmp_path_factory.mktemp("operated")
    write = Operated(None, folder).write  # type: ignore[arg-type]  # the server begins with what is written
    write("many")
    # A server of its own settings: they are in a file, as operators have them.
    (folder / "settings.json").write_text(json.dumps({"pickle": "pinned", "environments_dir": str(folder / ".envs")}))
    server = start_server(folder, "--parallel-workers", "1")
    for _ in range(20):
        control_answer(server)
        assert server.post("/v2/repository/models/many/load").status == 200
    yield Operated(server, folder)
    server.stop()


@pytest.fixture(scope="package", params=["rest", "grpc"])
def operator(request: pytest.FixtureRequest, operated: Operated) -> Iterator[RestOperator | GrpcOperator]:
    """Return an operator of `operated`, over REST and over gRPC."""
    made = (RestOperator if request.param == "rest" else GrpcOperator)(operated.server)
    assert made.load("many").code == "OK"
    assert made.states()["many"][0] == "READY"
    yield made
    made.close()


@pytest.fixture
def stays(operated: Operated) -> Iterator[Standing]:
    """Check after the test that `operated` stands as before."""
    stood = Standing(operated.server)
    yield stood
    stood.check()
