"""A real broker, shared by all tests, and servers that take their requests from it."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest
from mlcore import ModelSettings, Server

from .broker import Broker
from .models import Echo, doing


@pytest.fixture(scope="session")
def broker(tmp_path_factory):
    with Broker(tmp_path_factory.mktemp("broker")) as running:
        yield running


@pytest.fixture(scope="session")
def serve():
    """Return a function that runs a server of the topics, in this process."""

    @asynccontextmanager
    async def serve(topics, *more, **options):
        kind = doing()
        models = [
            ModelSettings(name="echo", implementation=Echo),
            ModelSettings(name="doing", implementation=kind),
            *more,
        ]
        given = {"transports": ["kafka"], "parallel_workers": 0, "grace_period": 5, **topics.settings}
        async with Server(models=models, **{**given, **options}) as server:
            server.doing = kind
            yield server

    return serve
