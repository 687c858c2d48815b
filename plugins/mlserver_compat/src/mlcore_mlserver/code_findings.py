"""What will be different with Python code: names of `mlserver` that are not there, and habits of pydantic's models.

The code is read, never run.
"""

from __future__ import annotations

import ast
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from mlcore_mlserver.finding import Finding
from mlcore_mlserver.missing_runtimes import MISSING, REPLACED

if TYPE_CHECKING:
    from collections.abc import Iterator

_PACKAGE = "mlserver"

# Attributes of pydantic's models that the messages do not have.
_PYDANTIC = {
    "__fields__",
    "from_orm",
    "model_extra",
    "model_fields",
    "model_fields_set",
    "model_json_schema",
    "parse_file",
    "schema",
    "schema_json",
    "update_forward_refs",
}


def of_code(text: str) -> Iterator[Finding]:
    """Return what is different with the code of one file; nothing, if it does not import `mlserver`."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", 0) or 0
        yield Finding(f"cannot be read as Python: {getattr(error, 'msg', error)}", line, needs_change=True)
        return
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    if not any(name.partition(".")[0].startswith(_PACKAGE) for node in imports for name in _modules(node)):
        return
    for node in ast.walk(tree):
        yield from _of_node(node)


def _modules(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module] if node.module and not node.level else []


def _of_node(node: ast.AST) -> Iterator[Finding]:
    match node:
        case ast.Import():
            for alias in node.names:
                yield from _of_module(alias.name, node.lineno)
        case ast.ImportFrom(module=str(module), level=0):
            missing = list(_of_module(module, node.lineno))
            yield from missing or _of_names(module, [alias.name for alias in node.names], node.lineno)
        case ast.Attribute(value=ast.Name(id="mlserver"), attr=name):
            yield from _of_names(_PACKAGE, [name], node.lineno)
        case ast.Attribute(attr=name) if name in _PYDANTIC:
            yield Finding(f".{name}: messages are no pydantic models, and do not have it", node.lineno)
        case ast.ExceptHandler(type=kind) if kind is not None and "MLServerError" in ast.unparse(kind):
            yield Finding(
                "except MLServerError: errors that mlcore itself raises are no MLServerError; to catch those of "
                "codecs, name CodecError",
                node.lineno,
            )
        case ast.Assign(targets=targets):
            for target in targets:
                yield from _of_target(target)
        case ast.AugAssign(target=target) | ast.AnnAssign(target=target):
            yield from _of_target(target)


def _of_target(target: ast.AST) -> Iterator[Finding]:
    """Find settings that are assigned to: those of mlcore are frozen."""
    if isinstance(target, ast.Attribute):
        owner = ast.unparse(target.value)
        if any(part in ("settings", "_settings") for part in owner.split(".")[1:]):
            yield Finding(
                f"{owner}.{target.attr} = ...: settings cannot be changed; keep the value in an attribute of the model",
                target.lineno,
                needs_change=True,
            )


def _of_module(module: str, line: int) -> Iterator[Finding]:
    top = module.partition(".")[0]
    if top in REPLACED:
        yield Finding(
            f"import of {module}: it needs MLServer itself; use the runtime of {REPLACED[top]}", line, needs_change=True
        )
    elif top in MISSING:
        yield Finding(
            f"import of {module}: it needs MLServer itself, and mlcore has no runtime for {MISSING[top]} yet; use that "
            "library in the model's class",
            line,
            needs_change=True,
        )
    elif top == _PACKAGE and not _exists(module):
        yield Finding(f"import of {module}: mlcore-mlserver has no such module", line, needs_change=True)


def _exists(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # of a package in between
        return False


def _of_names(module: str, names: list[str], line: int) -> Iterator[Finding]:
    if module.partition(".")[0] != _PACKAGE:
        return
    for name in names:
        if name != "*" and not _exists(f"{module}.{name}") and not _has(module, name):
            yield Finding(f"{module}.{name}: mlcore-mlserver has no such name", line, needs_change=True)


def _has(module: str, name: str) -> bool:
    imported = import_module(module)
    return name in getattr(imported, "__all__", ()) or hasattr(imported, name)
