"""The runtime's own settings, `parameters.extra`: checked once, when the model is loaded."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from mlcore.errors import ModelLoadError

if TYPE_CHECKING:
    from collections.abc import Iterable

Positive = Annotated[int, msgspec.Meta(ge=1)]


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What `parameters.extra` may say.

    Attributes:
        enable: The only components that run; the others are loaded, but off.
        disable: Components that are loaded, but off.
        exclude: Components that are not loaded at all.
        add_pipes: Components to add, by the names of their factories, in this order. Each value is the factory's
            configuration, and may also say `patterns` (for rulers), and `before` or `after` (another component).
        outputs: The outputs of a request that asks for none; what the pipeline can give if absent.
        batch_size: Texts that a component works on at once.
        max_characters: The longest text; spaCy's own limit for the pipeline if absent.
    """

    enable: list[str] | None = None
    disable: list[str] = []
    exclude: list[str] = []
    add_pipes: dict[str, dict[str, Any]] = {}
    outputs: list[str] | None = None
    batch_size: Positive = 32
    max_characters: Positive | None = None


def read_options(extra: dict[str, Any]) -> Options:
    """Read the runtime's settings.

    Args:
        extra: `parameters.extra` of the model's settings.

    Raises:
        ModelLoadError: A setting has an unknown name or a wrong value.
    """
    known = Options.__struct_fields__
    for name in extra:
        if name not in known:
            raise ModelLoadError(f"parameters.extra: '{name}' is not a setting of this runtime; {nearest(name, known)}")
    try:
        return msgspec.convert(extra, Options)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$")
        field = "parameters.extra" + where.rstrip("`")
        raise ModelLoadError(f"{field}: {what[:1].lower()}{what[1:]}".replace("`", "")) from None


def nearest(name: str, known: Iterable[str]) -> str:
    """Return what an error says after a name that nobody knows: the nearest one, or all."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1)
    return f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(names) or 'none'}"
