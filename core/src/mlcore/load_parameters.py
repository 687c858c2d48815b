"""What clients may give with a load or an unload, over any protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlcore.errors import InferenceError

if TYPE_CHECKING:
    from collections.abc import Mapping


def version_of(parameters: Mapping[str, Any], version: str | None = None) -> str | None:
    """Return the only version of a model that is meant; `None` is every one.

    Parameters that nobody knows change nothing, as those that say what other servers do with other models.

    Args:
        parameters: The request's.
        version: The one in the request's path, if there is one.

    Raises:
        InferenceError: The parameter is no text, or another version than the path's; or the request brings a model.
    """
    for name in parameters:
        if name == "config" or name.startswith("file:"):
            raise InferenceError(
                f"parameters.{name[:64]}: this server loads what its repository holds; change it there"
            )
    given = parameters.get("version")
    if given is None:
        return version
    if not isinstance(given, str):
        raise InferenceError(f'parameters.version: expected text, such as "1", got {type(given).__name__}')
    if version not in (None, given):
        raise InferenceError(f"parameters.version: the path says version '{version}', and this '{given[:64]}'")
    return given
