"""For the tests of plugins and models: a server in a process of its own, an installed plugin, and the contract.

The fixtures `server` and `plugin` are there in every pytest run that has mlcore-core installed. Names are imported at
first use, because pytest imports this package at each of its starts.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlcore.testing.contract import RuntimeContract
    from mlcore.testing.installed import PluginInstaller
    from mlcore.testing.process import RunningServer, start_server
    from mlcore.testing.wire import call_of, response_of

__all__ = ["PluginInstaller", "RunningServer", "RuntimeContract", "call_of", "response_of", "start_server"]

_HOMES = {
    "PluginInstaller": "installed",
    "RunningServer": "process",
    "RuntimeContract": "contract",
    "call_of": "wire",
    "response_of": "wire",
    "start_server": "process",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mlcore.testing' has no attribute {name!r}")
    value = getattr(import_module(f"mlcore.testing.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
