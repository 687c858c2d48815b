"""The pytest plugin: fixtures for every project that has mlcore-core installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from mlcore.testing.installed import PluginInstaller
    from mlcore.testing.process import RunningServer


@pytest.fixture
def server() -> Iterator[Callable[..., RunningServer]]:
    """Return a function that starts `mlcore serve FOLDER` in a process of its own, on free ports.

    It takes what `mlcore.testing.start_server` takes. Every server that it started is stopped after the test.
    """
    from mlcore.testing.process import start_server

    started: list[RunningServer] = []

    def start(folder: str | Path, *options: str, **more: object) -> RunningServer:
        running = start_server(folder, *options, **more)  # type: ignore[arg-type]  # handed through as they are
        started.append(running)
        return running

    yield start
    for running in started:
        running.stop()


@pytest.fixture
def plugin(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[PluginInstaller]:
    """Return a function that installs a plugin from its source, for the length of the test."""
    from mlcore.testing.installed import PluginInstaller

    installer = PluginInstaller(tmp_path_factory.mktemp("installed"), monkeypatch)
    yield installer
    installer.forget()
