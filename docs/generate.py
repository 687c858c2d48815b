"""Writes what comes from code into the documentation: the references, and the files that other pages show.

Run it with `scripts/docs`; a test fails while a page is not what the code says.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import differences
from mlcore import errors, hookspecs
from mlcore.access.settings import ApiKeySettings, AuthSettings, CertificateSettings
from mlcore.settings import CorsSettings, ModelParameters, ModelSettings, PluginSettings, Settings, TensorSettings
from mlcore.telemetry.instruments import GAUGE, INSTRUMENTS
from transport_metrics.names import prometheus_name
from transport_rest.status import STATUSES

if TYPE_CHECKING:
    from pydantic import BaseModel

HERE = Path(__file__).parent
NOTE = "<!-- Written by docs/generate.py from the code; change the code, then run scripts/docs. -->"


def pages() -> dict[str, str]:
    """Return the name and the text of each page that holds something from the code."""
    written = {"settings.md": _settings_page(), "hooks.md": _hooks_page(), "errors.md": _errors_page()}
    for page in sorted(HERE.glob("*.md")):
        if page.name not in written:
            written[page.name] = _with_blocks(_with_metrics(_with_files(page.read_text(encoding="utf-8"))))
    return written


def _with_files(text: str) -> str:
    """Fill each code block under `<!-- file: PATH -->` with that file."""

    def filled(block: re.Match[str]) -> str:
        content = (HERE.parent / block["path"]).read_text(encoding="utf-8").rstrip()
        return f"<!-- file: {block['path']} -->\n```{block['language']}\n{content}\n```"

    return re.sub(r"<!-- file: (?P<path>\S+) -->\n```(?P<language>\w*)\n.*?```", filled, text, flags=re.DOTALL)


def _with_blocks(text: str) -> str:
    """Fill each place `<!-- NAME -->...<!-- /NAME -->` of the page for users of MLServer."""
    for name, block in differences.blocks().items():
        filled = f"<!-- {name} -->\n{block}\n<!-- /{name} -->"
        text = re.sub(f"<!-- {name} -->\n.*?<!-- /{name} -->", lambda _, filled=filled: filled, text, flags=re.DOTALL)
    return text


def _with_metrics(text: str) -> str:
    """Fill the place for the table of metrics, where a page has one."""
    lines = ["| metric | in Prometheus | unit | labels | what it says |", "|---|---|---|---|---|"]
    for known in INSTRUMENTS:
        labels = ", ".join(f"`{label}`" for label in known.labels)
        name = f"`{known.name}`" if known.kind == GAUGE else f"`{known.name}`<br>{known.kind}"
        unit = known.unit or "1"
        lines.append(f"| {name} | `{prometheus_name(known)}` | {unit} | {labels} | {known.description} |")
    table = "<!-- metrics -->\n" + "\n".join(lines) + "\n<!-- /metrics -->"
    return re.sub(r"<!-- metrics -->\n.*?<!-- /metrics -->", lambda _: table, text, flags=re.DOTALL)


def _settings_page() -> str:
    parts = [
        "# Settings",
        NOTE,
        "A server reads its settings from the command line, then from the environment, then from `.env` in the working "
        "directory, then from `settings.json` in the folder that it serves, then from variables of MLServer, "
        "`MLSERVER_...`, which keep the rank that they have there; the first that has a value wins. In the "
        "environment a name has a prefix and is in upper case, `MLCORE_HTTP_PORT`; lists and objects are JSON. An "
        "unknown name is an error everywhere. `mlcore check` and the start warn of settings that have no effect, "
        "such as `threads` on an async `predict`.",
        "## `settings.json`: a server",
        _table(Settings, "MLCORE_"),
        "### `cors_settings`",
        _table(CorsSettings),
        "### `auth`",
        _table(AuthSettings),
        "### `auth.api_keys`",
        _table(ApiKeySettings),
        "### `auth.certificates`",
        _table(CertificateSettings),
        "### `plugins`",
        _table(PluginSettings),
        "## `model-settings.json`: a model",
        "A variable such as `MLCORE_MODEL_PLATFORM` counts for every model of the server.",
        _table(ModelSettings, "MLCORE_MODEL_"),
        "### `parameters`",
        _table(ModelParameters, "MLCORE_MODEL_"),
        "### `inputs` and `outputs`",
        _table(TensorSettings),
        "`mlcore schema settings` and `mlcore schema model-settings` print the JSON schemas, for editors.",
    ]
    return "\n\n".join(parts) + "\n"


def _table(kind: type[BaseModel], prefix: str = "") -> str:
    lines = ["| name | type | default | meaning |", "|---|---|---|---|"]
    properties = kind.model_json_schema()["properties"]
    for name, field in kind.model_fields.items():
        shown = f"`{name}`" + (f"<br>`{prefix}{name.upper()}`" if prefix else "")
        default = _default(field.get_default(call_default_factory=True)) if not field.is_required() else "required"
        lines.append(f"| {shown} | {_type(properties[name])} | {default} | {field.description} |")
    return "\n".join(lines)


def _default(value: Any) -> str:
    if value is None:
        return "none"
    if hasattr(value, "model_dump"):
        return ""
    return f"`{json.dumps(value)}`"


def _type(schema: dict[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_type(option) for option in schema["anyOf"] if option.get("type") != "null")
    if "$ref" in schema or "allOf" in schema:
        return "object"
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    limits = [f"{word} {schema[key]}" for key, word in _LIMITS.items() if key in schema]
    return " ".join([str(schema.get("type", "any")), *limits])


_LIMITS = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to"}


def _hooks_page() -> str:
    source = inspect.getsource(hookspecs)
    parts = ["# Hooks", NOTE, inspect.cleandoc(hookspecs.__doc__ or "")]
    for line in source.splitlines():
        if banner := re.match(r"# --- (.+?) -+$", line):
            parts.append(f"## {banner[1][0].upper()}{banner[1][1:]}")
        elif hook := re.match(r"def (mlcore_\w+)\(", line):
            function = getattr(hookspecs, hook[1])
            parts.append(f"### `{hook[1]}{inspect.signature(function)}`".replace("'", ""))
            parts.append(_sections(inspect.getdoc(function) or ""))
    return "\n\n".join(parts) + "\n"


def _sections(docstring: str) -> str:
    """Turn a docstring's sections into paragraphs with their name in bold."""
    paragraphs = []
    for block in docstring.split("\n\n"):
        head, _, body = block.partition("\n")
        if body and re.fullmatch(r"[A-Z]\w+:", head):
            text = inspect.cleandoc(body)
            if head == "Args:":
                text = "\n".join(f"- {_argument(item)}" for item in re.split(r"\n(?=\w+: )", text))
                paragraphs.append(f"**Arguments:**\n\n{text}")
            else:
                paragraphs.append(f"**{head}** {text}")
        else:
            paragraphs.append(block)
    return "\n\n".join(paragraphs)


def _argument(item: str) -> str:
    name, _, text = item.partition(": ")
    return f"`{name}`: {' '.join(text.split())}"


def _errors_page() -> str:
    parts = [
        "# Errors",
        NOTE,
        'Every error over REST is a JSON object with one member, `{"error": "..."}`. Its text names the field, what '
        "was expected, what came, and what to do. A 5xx that nobody foresaw has an error id, which the log has too. "
        "A model raises these classes from `mlcore.errors`; with `status_code=` it may choose a status of its own.",
        "| class | code | REST | when |\n|---|---|---|---|",
    ]
    rows = []
    for name in errors.__all__:
        kind = getattr(errors, name)
        when = (inspect.getdoc(kind) or "").splitlines()[0]
        rows.append(f"| `{name}` | {kind.code} | {STATUSES[kind.code]} | {when} |")
    return "\n\n".join(parts) + "\n" + "\n".join(rows) + "\n"


if __name__ == "__main__":
    for page, text in pages().items():
        if not (HERE / page).exists() or (HERE / page).read_text(encoding="utf-8") != text:
            (HERE / page).write_text(text, encoding="utf-8")
            sys.stdout.write(f"wrote docs/{page}\n")
