"""What data says on the page for users of MLServer: its settings, and the cases that are answered otherwise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlcore.mlserver_settings import MODEL_PARAMETERS, MODEL_SETTINGS, OTHER_VARIABLES, SERVER_SETTINGS

if TYPE_CHECKING:
    from mlcore.mlserver_settings import Setting

CASES = Path(__file__).parents[1] / "tests/conformance"

Case = dict[str, Any]


def blocks() -> dict[str, str]:
    """Return the text of each place of the page that is filled from data, by the place's name."""
    return {
        "server settings": settings_table(SERVER_SETTINGS),
        "model settings": settings_table(MODEL_SETTINGS),
        "parameters": settings_table(MODEL_PARAMETERS),
        "other variables": "\n".join(f"- `{name}`: {text}." for name, text in OTHER_VARIABLES.items()),
        "differences": differences(),
    }


def recorded() -> dict[str, Case]:
    """Return the recorded cases, by name."""
    return {case["name"]: case for case in json.loads((CASES / "cases.json").read_text(encoding="utf-8"))}


def own() -> dict[str, Case]:
    """Return the cases of mlcore's own, by name."""
    return {case["name"]: case for case in json.loads((CASES / "own_cases.json").read_text(encoding="utf-8"))}


def reasons() -> list[dict[str, Any]]:
    """Return each deliberate difference, with the reason and the cases that show it."""
    given: list[dict[str, Any]] = json.loads((CASES / "reasons.json").read_text(encoding="utf-8"))
    return given


def is_different(case: Case) -> bool:
    """Say whether a recorded case is answered otherwise: with another status, or with another body."""
    return bool(case["status"] != case["mlcore"]["status"] or case["mlcore"]["body"] != "same")


def settings_table(table: dict[str, Setting]) -> str:
    """Return what became of some of MLServer's settings."""
    lines = ["| setting | default there | here |", "|---|---|---|"]
    for name, setting in table.items():
        shown = f"`{setting.default}`" if setting.default and " " not in setting.default else setting.default
        verdict = "Passed over, with a warning. " if setting.is_useless else ""
        lines.append(f"| `{name}` | {shown} | {verdict}{setting.difference or 'The same.'} |")
    return "\n".join(lines)


def differences() -> str:
    """Return every deliberate difference, with the reason, and the recorded requests that show it."""
    cases, our_cases = recorded(), own()
    parts = []
    for reason in reasons():
        parts.append(f"### {reason['difference'].rstrip('.')}\n\n{reason['why']}")
        lines = ["| request | MLServer | mlcore |", "|---|---|---|"]
        lines += [_row(cases[name], cases[name]["status"], cases[name]["mlcore"]["status"]) for name in reason["cases"]]
        lines += [
            _row(our_cases[name], said, our_cases[name]["status"]) for name, said in reason.get("own", {}).items()
        ]
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _row(case: Case, theirs: object, ours: object) -> str:
    where = case["path"] if case.get("transport", "rest") == "rest" else case["path"].rpartition("/")[2]
    method = f"{case['method']} " if case.get("transport", "rest") == "rest" else "gRPC "
    workers = ", with workers" if "parallel_workers" in case.get("server", "") else ""
    return f"| {case['name'].replace('_', ' ')}: `{method}{where}`{workers} | {theirs} | {ours} |"
