"""The custom handlers of models in the OpenAPI document: what each worker says of its own, put together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from transport_rest.own_paths import own_model_path_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlcore.engine import HandlerRoute, Handlers

TAG = "Custom handlers"

_SCHEMAS = "#/components/schemas/"


class HandlerOperations:
    """The part of a document that custom handlers have.

    Args:
        errors: What every operation answers that fails, by status.

    Attributes:
        paths: Their paths.
        schemas: The schemas that those refer to.
    """

    def __init__(self, errors: dict[str, Any]) -> None:
        self._errors = errors
        self.paths: dict[str, dict[str, Any]] = {}
        self.schemas: dict[str, Any] = {}

    def add_global(self, model: str, handlers: Handlers) -> None:
        """Add the handlers of a model under their own paths."""
        self._add(model, handlers, lambda route: route.rest_path)

    def add_below(self, base: str, model: str, handlers: Handlers) -> None:
        """Add the handlers of a model under its path."""

        def place(route: HandlerRoute) -> str | None:
            return None if own_model_path_of(route.rest_path) else base + route.rest_path

        self._add(model, handlers, place)

    def _add(self, model: str, handlers: Handlers, place: Callable[[HandlerRoute], str | None]) -> None:
        prefix = quote(model, safe="").replace("%", ".")
        names = {name: f"{prefix}.{name}" for name in handlers.schemas}
        self.schemas |= {names[name]: _renamed(schema, names) for name, schema in handlers.schemas.items()}
        for route in handlers.routes:
            path = place(route)
            if path is None:
                continue
            known = _renamed(route.operation, names)
            answers = {status: answer for status, answer in known.get("responses", {}).items() if status < "400"}
            path = "/".join(_untyped(part) for part in path.split("/"))
            self.paths.setdefault(path, {})[route.rest_method.lower()] = {
                **known,
                "tags": [TAG],
                "operationId": f"{prefix}_{route.name}_{len(self.paths)}",
                "summary": known.get("summary") or route.name,
                "responses": {**(answers or {"200": {"description": "Done."}}), **self._errors},
            }


def _untyped(part: str) -> str:
    return part.partition(":")[0] + "}" if part.startswith("{") and ":" in part else part


def _renamed(value: Any, names: dict[str, str]) -> Any:
    """Return a piece of a document whose references go to the new names."""
    if isinstance(value, dict):
        renamed = {name: _renamed(member, names) for name, member in value.items()}
        reference = renamed.get("$ref")
        if isinstance(reference, str) and (name := names.get(reference.removeprefix(_SCHEMAS))):
            renamed["$ref"] = _SCHEMAS + name
        return renamed
    return [_renamed(item, names) for item in value] if isinstance(value, list) else value
