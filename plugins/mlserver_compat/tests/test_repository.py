"""Model repositories of users' own, in MLServer's shape."""

import json

import pytest
from mlcore import Server
from mlserver import MLModel, ModelSettings
from mlserver.errors import ModelNotFound
from mlserver.repository import ModelRepository, SchemalessModelRepository


class Doubled(SchemalessModelRepository):
    """The models of a folder, each of them twice."""

    async def list(self):
        return [
            settings.model_copy(update={"name": f"{settings.name}{suffix}"})
            for settings in await super().list()
            for suffix in ("", "-again")
        ]


class OfNowhere(ModelRepository):
    """One model that is in no folder."""

    def __init__(self, root, name):
        self._name = name

    async def list(self):
        return [ModelSettings(name=self._name, implementation=MLModel)]

    async def find(self, name):
        return await self.list()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "m").mkdir()
    (tmp_path / "bad").mkdir()
    (tmp_path / "m" / "model-settings.json").write_text(
        json.dumps({"name": "m", "implementation": "mlserver.model.MLModel"})
    )
    (tmp_path / "bad" / "model-settings.json").write_text("{")
    return tmp_path


async def test_a_folder_lists_its_models(folder, caplog):
    repository = SchemalessModelRepository(str(folder))

    assert [settings.name for settings in await repository.list()] == ["m"]
    assert [settings.name for settings in await repository.find("m")] == ["m"]
    assert "the settings of a model are wrong" in caplog.text
    with pytest.raises(ModelNotFound):
        await repository.find("nothing")


@pytest.mark.parametrize(
    ("kind", "arguments", "expected"),
    [
        (Doubled, {}, ["m", "m-again"]),
        (OfNowhere, {"name": "cloud"}, ["cloud"]),
        ("mlserver.repository.SchemalessModelRepository", {}, ["m"]),
    ],
)
async def test_a_server_serves_what_a_repository_lists(folder, kind, arguments, expected):
    async with Server(
        folder,
        transports=[],
        parallel_workers=0,
        model_repository_implementation=kind,
        model_repository_implementation_args=arguments,
    ) as server:
        index = server.control.index()

    assert [(item.name, item.state) for item in index] == [(name, "READY") for name in expected]
