"""The registry: what a request finds, by name and version."""

import asyncio

import pytest
from mlcore import MLModel, ModelSettings
from mlcore.engine import LoadedModel
from mlcore.errors import ModelNotFoundError, UnavailableError
from mlcore.registry import LOADING, UNAVAILABLE, ModelRegistry, ModelState, called, in_order
from mlcore.served import Served


def loaded(name, version=None):
    settings = ModelSettings(name=name, implementation=MLModel, parameters={"version": version})
    return LoadedModel(settings, None, None, None, None)


@pytest.fixture
def registry():
    return ModelRegistry()


@pytest.mark.parametrize(
    ("versions", "default"),
    [
        (["v1", "v2"], "v2"),
        (["v10", "v9"], "v10"),
        (["1.10.0", "1.9.9"], "1.10.0"),
        (["2", "10", "9"], "10"),
        (["v2-beta", "v2"], "v2-beta"),
        (["01", "1"], "1"),
        (["x²", "x1"], "x²"),
        (["a", None, "z"], None),
    ],
)
@pytest.mark.parametrize("order", [1, -1])
def test_without_a_version_the_model_without_one_answers_else_the_highest(registry, versions, default, order):
    models = {version: loaded("m", version) for version in versions[::order]}
    for model in models.values():
        registry.publish(model)

    assert registry.find("m", None).model is models[default]
    assert registry.find("m", "").model is models[default]
    assert all(registry.find("m", version).model is models[version] for version in versions)


def test_the_next_version_answers_when_the_highest_goes(registry):
    for version in ("1", "2"):
        registry.publish(loaded("m", version))

    registry.withdraw(("m", "2"))

    assert registry.find("m", None).model.settings.parameters.version == "1"
    with pytest.raises(ModelNotFoundError):
        registry.find("n", None)


def test_a_model_that_is_published_again_replaces_the_old_one_and_gives_it_back(registry):
    first = loaded("m")
    assert registry.publish(first) is None

    assert registry.publish(loaded("m")).model is first


@pytest.mark.parametrize("state", [LOADING, UNAVAILABLE])
def test_a_model_that_is_not_ready_is_unavailable_and_any_other_unknown(registry, state):
    registry.states["m", "1"] = ModelState(state)

    for version in (None, "1"):
        with pytest.raises(UnavailableError, match="Model m is not ready") as raised:
            registry.find("m", version)
        assert raised.value.retry_after_s == 1
    for name, version in (("m", "2"), ("n", None)):
        with pytest.raises(ModelNotFoundError):
            registry.find(name, version)


def test_a_model_that_nobody_wants_is_unknown(registry):
    registry.states["m", None] = ModelState(UNAVAILABLE, is_wanted=False)

    with pytest.raises(ModelNotFoundError):
        registry.find("m", None)
    assert registry.is_ready


async def test_everybody_who_waits_for_a_model_to_be_idle_is_told(registry):
    served = Served(loaded("m"), 10)
    served.under_way = 2
    waiting = [asyncio.create_task(served.idle()) for _ in range(3)]
    await asyncio.sleep(0)

    served.leave()
    await asyncio.sleep(0)
    assert not any(task.done() for task in waiting)
    served.leave()

    await asyncio.wait_for(asyncio.gather(*waiting), 60)


async def test_an_idle_model_is_not_waited_for():
    await asyncio.wait_for(Served(loaded("m"), 10).idle(), 60)


def test_messages_name_the_version_where_there_is_one():
    assert called(("m", None)) == "model 'm'"
    assert called(("m", "1")) == "model 'm', version '1'"


def test_versions_are_ordered_as_people_do():
    assert sorted(["v10", "v9", "v1.2", "v1.10", "a", "v"], key=in_order) == ["a", "v", "v1.2", "v1.10", "v9", "v10"]
