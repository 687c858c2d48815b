"""The control plane: what is asked of a server beside inference."""

import asyncio

import pytest
from mlcore import MLModel, ModelSettings, Server
from mlcore.control import mlcore_version
from mlcore.errors import ModelNotFoundError, PermissionDeniedError, UnavailableError


class Failing(MLModel):
    def load(self):
        raise ValueError("no")


@pytest.fixture
def models():
    good = [
        ModelSettings(name="m", implementation=MLModel, parameters={"version": version}) for version in ("v9", "v10")
    ]
    return [*good, ModelSettings(name="bad", implementation=Failing)]


async def test_health_and_lists(models):
    server = Server(models=models, transports=[])
    assert server.control.is_live
    assert not server.control.is_ready

    async with server:
        control = server.control
        assert not control.is_ready
        assert control.models() == ["m"]
        assert control.versions("m") == ["v9", "v10"]
        assert control.versions("nobody") == []
        assert control.model_is_ready("m")
        assert control.model_is_ready("m", "v9")
        assert not control.model_is_ready("bad")
        for name, version in (("m", "v11"), ("nobody", None)):
            with pytest.raises(ModelNotFoundError):
                control.model_is_ready(name, version)
        await control.unload("bad")
        assert control.is_ready


async def test_a_transport_can_wait_until_the_server_wants_clients(models):
    server = Server(models=models, transports=[])
    waiting = asyncio.create_task(server.control.until_accepting())
    await asyncio.sleep(0)
    assert not waiting.done()

    async with server:
        await asyncio.wait_for(waiting, 30)
        assert server.control.is_accepting


async def test_the_index_has_every_model_in_order_and_can_be_cut_to_the_ready_ones(models):
    async with Server(models=models, transports=[]) as server:
        items = [(item.name, item.version, item.state) for item in server.control.index()]
        ready = [item.name for item in server.control.index(only_ready=True)]

    assert items == [("bad", None, "UNAVAILABLE"), ("m", "v9", "READY"), ("m", "v10", "READY")]
    assert ready == ["m", "m"]


async def test_metadata_of_models_that_are_not_ready_are_not_there(models):
    async with Server(models=models, transports=[]) as server:
        assert server.control.model_metadata("m").name == "m"
        with pytest.raises(UnavailableError):
            server.control.model_metadata("bad")
        with pytest.raises(ModelNotFoundError):
            server.control.model_metadata("nobody")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ("mlcore", mlcore_version(), [])),
        ({"server_name": "a", "server_version": "1", "extensions": ["x"]}, ("a", "1", ["x"])),
        ({"extensions": []}, ("mlcore", mlcore_version(), [])),
    ],
)
async def test_the_server_says_of_itself_what_the_settings_say_else_the_truth(options, expected):
    async with Server(models=[ModelSettings(name="m", implementation=MLModel)], transports=[], **options) as server:
        metadata = server.control.server_metadata()

    assert (metadata.name, metadata.version, metadata.extensions) == expected


def test_with_a_guard_that_says_who_may_models_are_loaded_from_everywhere_unless_a_setting_closes_it():
    auth = {"api_keys": [{"name": "a", "sha256": "0" * 64, "scopes": ["repository"]}]}
    given = {"models": [ModelSettings(name="m", implementation=MLModel)], "transports": [], "host": "0.0.0.0"}

    Server(**given, auth=auth).control.check_repository_api()
    with pytest.raises(PermissionDeniedError, match="closed, by the server's settings"):
        Server(**given, auth=auth, repository_api=False).control.check_repository_api()


@pytest.mark.parametrize(
    ("host", "repository_api", "is_open"),
    [
        ("127.0.0.1", None, True),
        ("127.9.9.9", None, True),
        ("localhost", None, True),
        ("::1", None, True),
        ("0.0.0.0", None, False),
        ("::", None, False),
        ("10.0.0.1", None, False),
        ("127.evil.example", None, False),
        ("0.0.0.0", True, True),
        ("127.0.0.1", False, False),
    ],
)
def test_models_are_loaded_by_clients_of_this_machine_only_unless_a_setting_says_otherwise(
    host, repository_api, is_open
):
    server = Server(
        models=[ModelSettings(name="m", implementation=MLModel)],
        transports=[],
        host=host,
        repository_api=repository_api,
    )

    if is_open:
        server.control.check_repository_api()
    else:
        with pytest.raises(
            PermissionDeniedError, match=r"loading and unloading of models is closed, .* repository_api opens"
        ):
            server.control.check_repository_api()
