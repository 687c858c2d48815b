"""mlcore: serves machine-learning models, with everything but the core in plugins.

Names are imported at first use, so that a plugin's entry module, which needs only `hookimpl`, stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlcore.codecs.typed_arguments import decode_args
    from mlcore.hookspecs import hookimpl
    from mlcore.model import MLModel
    from mlcore.runtimes import RuntimeOffer
    from mlcore.server import Server, serve
    from mlcore.settings import ModelParameters, ModelSettings, Settings

__all__ = [
    "MLModel",
    "ModelParameters",
    "ModelSettings",
    "RuntimeOffer",
    "Server",
    "Settings",
    "decode_args",
    "hookimpl",
    "serve",
]

_HOMES = {
    "MLModel": "mlcore.model",
    "ModelParameters": "mlcore.settings",
    "ModelSettings": "mlcore.settings",
    "RuntimeOffer": "mlcore.runtimes",
    "Server": "mlcore.server",
    "Settings": "mlcore.settings",
    "decode_args": "mlcore.codecs.typed_arguments",
    "hookimpl": "mlcore.hookspecs",
    "serve": "mlcore.server",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'mlcore' has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
