"""The settings of this runtime: what a model's `parameters.extra` may hold."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from mlcore.errors import ModelLoadError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Options:
    """What `parameters.extra` says.

    Attributes:
        predict_fn: The method that answers a request that asks for no output; `None` lets the model decide.
        trusted_types: Types that a skops file may hold although skops does not know them to be safe.
    """

    predict_fn: str | None = None
    trusted_types: tuple[str, ...] = ()

    @classmethod
    def of(cls, extra: Mapping[str, Any]) -> Options:
        """Read the options.

        Raises:
            ModelLoadError: One is unknown, or has a value of the wrong kind.
        """
        known = [field.name for field in fields(cls)]
        for name in extra:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(known)}"
                raise ModelLoadError(f"parameters.extra.{name}: unknown setting; {hint}")
        predict_fn = extra.get("predict_fn")
        if predict_fn is not None and not isinstance(predict_fn, str):
            raise ModelLoadError(
                f"parameters.extra.predict_fn: expected a method's name, such as 'predict_proba', got {predict_fn!r}"
            )
        types = extra.get("trusted_types", [])
        if not isinstance(types, list) or not all(isinstance(name, str) for name in types):
            raise ModelLoadError(f"parameters.extra.trusted_types: expected a list of type names, got {types!r}")
        return cls(predict_fn, tuple(types))
