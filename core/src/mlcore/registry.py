"""Which models are there, and in what state: the one table that requests look into.

A model is published, and taken away, by one assignment of a new table, so a request sees either the old state or the
new one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from mlcore.errors import ModelLoadError, ModelNotFoundError, ModelNotReadyError
from mlcore.handlers import clash
from mlcore.served import Served
from mlcore.telemetry.instruments import MODEL_STATE, QUEUE_SIZE, REQUESTS_ACTIVE
from mlcore.telemetry.tallies import Tallies

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mlcore.engine import Handlers, LoadedModel

Key = tuple[str, str | None]

LOADING = "LOADING"
READY = "READY"
UNAVAILABLE = "UNAVAILABLE"
UNLOADING = "UNLOADING"
_STATES = (LOADING, READY, UNAVAILABLE, UNLOADING)


class ModelState(msgspec.Struct):
    """How a model does that was asked for.

    Attributes:
        state: Its state.
        reason: Why it is not ready, or why its last load failed.
        is_wanted: Whether it is to be there; one that was unloaded is not.
        is_required: Whether the server is not ready without it.
    """

    state: str
    reason: str = ""
    is_wanted: bool = True
    is_required: bool = True


class ModelRegistry:
    """The models of one server.

    Args:
        max_queue_size: Requests that may wait for each model, unless its settings say otherwise.
        tallies: What the server measures.

    Attributes:
        states: How the models do.
        handlers: The custom handlers that requests can reach, as models are found; a new object at each change.
    """

    def __init__(self, max_queue_size: int = 1000, tallies: Tallies | None = None) -> None:
        self._max_queue_size = max_queue_size
        self.tallies = tallies or Tallies()
        self.tallies.observe(MODEL_STATE, self._observed_states)
        self.tallies.observe(REQUESTS_ACTIVE, lambda: self._observed("under_way"))
        self.tallies.observe(QUEUE_SIZE, lambda: self._observed("waiting"))
        self.states: dict[Key, ModelState] = {}
        self._served: dict[Key, Served] = {}
        self._table: dict[Key, Served] = {}
        self.handlers: dict[Key, Handlers] = {}

    def find(self, name: str, version: str | None) -> Served:
        """Return the model that a request asks for. Hot.

        Raises:
            ModelNotFoundError: There is none of this name and version.
            ModelNotReadyError: There is, but it is not ready.
        """
        served = self._table.get((name, version or None))
        if served is not None:
            return served
        for (known, known_version), state in self.states.items():
            if known == name and (not version or known_version == version) and state.is_wanted:
                raise ModelNotReadyError(
                    f"Model {name} is not ready ({state.state}); POST /v2/repository/index says why", retry_after_s=1
                )
        raise ModelNotFoundError(name, version)

    def publish(self, model: LoadedModel) -> Served | None:
        """Let requests reach a model, and return the one of its name and version that it replaces."""
        key = (model.settings.name, model.settings.parameters.version)
        old = self._served.get(key)
        own = model.settings.max_queue_size
        size = self._max_queue_size if own is None else own
        self._served = {**self._served, key: Served(model, size, self.tallies)}
        self._table = _with_defaults(self._served)
        self.handlers = _handlers_of(self._table)
        self.states[key] = ModelState(READY)
        return old

    def withdraw(self, key: Key) -> Served | None:
        """Let no more requests reach a model, and return it."""
        served = self._served.get(key)
        self._served = {known: model for known, model in self._served.items() if known != key}
        self._table = _with_defaults(self._served)
        self.handlers = _handlers_of(self._table)
        return served

    def check(self, model: LoadedModel) -> None:
        """Refuse a model whose custom handlers have a path that another model's have.

        Raises:
            ModelLoadError: They do; the message names both.
        """
        own = model.settings.name
        others = ((name, known.model.handlers) for (name, _), known in self._served.items() if name != own)
        if model.handlers.routes and (problem := clash(model.handlers, list(others))):
            raise ModelLoadError(problem)

    def served(self) -> dict[Key, Served]:
        """Return the models that requests can reach, by name and version."""
        return self._served

    @property
    def is_ready(self) -> bool:
        """Whether every model that was asked for is ready."""
        return not self.failures()

    def failures(self) -> dict[Key, str]:
        """Return the models that were asked for and are not ready, with the reason.

        One that only appeared in the repository, and never was ready, is none of them.
        """
        return {
            key: state.reason
            for key in self.states
            if (state := self.state(key)) and state.is_wanted and state.is_required and state.state != READY
        }

    def state(self, key: Key) -> ModelState | None:
        """Return how a model does now, which its workers have a say in; `None` where it was never asked for."""
        state = self.states.get(key)
        served = self._served.get(key)
        if state is not None and state.state == READY and served is not None and (problem := served.model.problem()):
            return ModelState(UNAVAILABLE, problem)
        return state

    # --- for whoever measures, in any thread ---

    def _observed_states(self) -> Iterable[tuple[float, tuple[str, ...]]]:
        for name, version in list(self.states):
            state = self.state((name, version))
            if state is not None and (state.is_wanted or state.state == UNLOADING):
                for known in _STATES:
                    yield float(state.state == known), (name, version or "", known)

    def _observed(self, count: str) -> Iterable[tuple[float, tuple[str, ...]]]:
        for (name, version), served in self._served.items():
            yield getattr(served, count), (name, version or "")


def called(key: Key) -> str:
    """Return how messages call a model."""
    return f"model '{key[0]}'" if key[1] is None else f"model '{key[0]}', version '{key[1]}'"


def named(key: Key) -> dict[str, str]:
    """Return how log lines name a model."""
    return {"model": key[0]} if key[1] is None else {"model": key[0], "version": key[1]}


def in_order(version: str) -> tuple[list[tuple[int, int, str]], str]:
    """Order versions as people do: `v10` after `v9`."""
    parts = re.findall(r"\d+|\D+", version)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts], version


def _handlers_of(table: dict[Key, Served]) -> dict[Key, Handlers]:
    return {key: served.model.handlers for key, served in table.items() if served.model.handlers.routes}


def _with_defaults(served: dict[Key, Served]) -> dict[Key, Served]:
    """Add to each name the model that answers when no version is asked for: without version, else the highest."""
    highest: dict[str, str] = {}
    for name, version in served:
        if version is not None and (name not in highest or in_order(version) > in_order(highest[name])):
            highest[name] = version
    defaults: dict[Key, Served] = {(name, None): served[name, version] for name, version in highest.items()}
    return {**defaults, **served}
