"""The entry module."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys

import transport_rest
from mlcore.plugins import Plugins


def test_the_entry_module_imports_nothing_heavy():
    program = "import transport_rest.plugin, sys; print(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert {"litestar", "uvicorn", "swagger_ui_bundle"}.isdisjoint(done.stdout.split())


def test_the_transport_is_offered_as_rest():
    offer = Plugins().transports.get("rest")

    assert (offer.value, offer.distribution) == ("transport_rest.transport:RestTransport", "transport-rest")


def test_every_module_can_be_imported():
    for module in pkgutil.iter_modules(transport_rest.__path__, "transport_rest."):
        assert importlib.import_module(module.name).__doc__
