"""The names of MLServer, on top of mlcore: code that was written for it runs unchanged.

This is not MLServer. Names are imported at first use, so that a client which needs the codecs has no server in it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mlcore_mlserver.rival import refuse_rival

from mlserver.version import __version__

if TYPE_CHECKING:
    from mlserver.metrics import log, register
    from mlserver.model import MLModel
    from mlserver.server import MLServer
    from mlserver.settings import ModelSettings, Settings

__all__ = ["MLModel", "MLServer", "ModelSettings", "Settings", "__version__", "log", "register"]

refuse_rival()

_HOMES = {
    "MLModel": "mlserver.model",
    "MLServer": "mlserver.server",
    "ModelSettings": "mlserver.settings",
    "Settings": "mlserver.settings",
    "log": "mlserver.metrics",
    "register": "mlserver.metrics",
}
# Modules that code reaches as attributes after `import mlserver`.
_MODULES = ("codecs", "errors", "handlers", "logging", "metrics", "repository", "settings", "types", "utils")


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"mlserver.{name}")
    if name not in _HOMES:
        raise AttributeError(
            f"module 'mlserver' has no attribute {name!r}: mlcore provides MLServer's names for models and clients, "
            "which its page come-from-mlserver lists"
        )
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
