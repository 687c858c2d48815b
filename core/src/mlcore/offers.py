"""What hooks may return: checked once, when a plugin is asked, so that a wrong answer is the plugin's error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlcore.access.identity import Authenticator
from mlcore.commands import Command
from mlcore.handlers import HandlerApp
from mlcore.model import MLModel
from mlcore.runtimes import RuntimeOffer

if TYPE_CHECKING:
    from collections.abc import Callable


def named(result: Any) -> dict[str, Any]:
    """Return offers by name: classes, functions or import strings."""
    return {_name(name): _importable(name, offer) for name, offer in _dict(result).items()}


def runtimes(result: Any) -> dict[str, RuntimeOffer]:
    """Return runtimes by name."""
    found = {}
    for name, offer in _dict(result).items():
        runtime = offer if isinstance(offer, RuntimeOffer) else RuntimeOffer(offer)
        _importable(name, runtime.runtime)
        found[_name(name)] = runtime
    return found


def codecs(result: Any) -> dict[str, list[Any]]:
    """Return codecs by content type; one alone stands for a list of one."""
    found = {}
    for name, offer in _dict(result).items():
        several = [offer] if isinstance(offer, str | type) else list(offer)
        found[_name(name)] = [_importable(name, codec) for codec in several]
    return found


def commands(result: Any) -> dict[str, Command]:
    """Return commands by name and alias."""
    found = {}
    for command in result:
        if not isinstance(command, Command):
            raise TypeError(f"expected mlcore.commands.Command objects, got a {type(command).__name__}")
        found.update(dict.fromkeys((command.name, *command.aliases), command))
    return found


def authenticators(result: Any) -> list[Authenticator]:
    """Return ways to know clients."""
    found = list(result or ())
    for authenticator in found:
        if not isinstance(authenticator, Authenticator):
            kind = type(authenticator).__name__
            raise TypeError(f"expected mlcore.access.identity.Authenticator objects, got a {kind}")
    return found


def model(result: Any) -> MLModel | None:
    """Return a ready-made runtime, or `None`."""
    if result is not None and not isinstance(result, MLModel):
        raise TypeError(f"expected a mlcore.MLModel or None, got a {type(result).__name__}")
    return result


def wrapper(result: Any) -> Callable[..., Any] | None:
    """Return a wrapper of predict, or `None`."""
    if result is not None and not callable(result):
        raise TypeError(f"expected a function or None, got a {type(result).__name__}")
    return result  # type: ignore[no-any-return]  # whatever can be called


def handlers(result: Any) -> HandlerApp | None:
    """Return what answers a model's custom handlers, or `None`."""
    if result is not None and not isinstance(result, HandlerApp):
        raise TypeError(f"expected a mlcore.handlers.HandlerApp or None, got a {type(result).__name__}")
    return result


def _dict(result: Any) -> dict[Any, Any]:
    if not isinstance(result, dict):
        raise TypeError(f"expected a dict of offers by name, got a {type(result).__name__}")
    return result


def _name(name: Any) -> str:
    if not isinstance(name, str) or not name or "#" in name:
        raise TypeError(f"expected names of one character or more, without '#', got {name!r}")
    return name


def _importable(name: Any, offer: Any) -> Any:
    if isinstance(offer, str):
        module, _, attribute = offer.partition(":")
        if not module or not attribute:
            raise TypeError(f"'{name}': expected an import string 'module:Name', got '{offer}'")
    elif not callable(offer):
        raise TypeError(f"'{name}': expected a class or an import string, got a {type(offer).__name__}")
    return offer
