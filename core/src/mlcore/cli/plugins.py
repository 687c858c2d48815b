"""`mlcore plugins`: what is installed, what it offers, what is broken, what is ambiguous."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from mlcore.commands import Command

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from mlcore.catalogue import Catalogue
    from mlcore.plugins import Plugins


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


def _run(given: Namespace) -> int:
    from mlcore.plugins import Plugins
    from mlcore.settings_sources import read_settings

    report = _report(Plugins(read_settings().plugins))
    sys.stdout.write(json.dumps(report, indent=2) + "\n" if given.json else _text(report))
    return 1 if report["problems"] or any(plugin["state"] == "broken" for plugin in report["plugins"]) else 0


def _report(plugins: Plugins) -> dict[str, Any]:
    from mlcore.errors import AmbiguousNameError

    catalogues: dict[str, Catalogue[Any]] = {
        "runtime": plugins.runtimes,
        "transport": plugins.transports,
        "engine": plugins.engines,
        "wire format": plugins.wire_formats,
        "command": plugins.commands,
    }
    offered: dict[str, dict[str, list[str]]] = {}
    problems = []
    for kind, catalogue in catalogues.items():
        for offer in catalogue:
            offered.setdefault(kind, {}).setdefault(offer.name, []).append(offer.distribution)
        for name in catalogue.ambiguous:
            try:
                catalogue.get(name)
            except AmbiguousNameError as error:
                problems.append(str(error))
    offered["codec"] = plugins.codecs.content_types()
    problems += plugins.codecs.problems()
    described = [
        {
            "name": record.name,
            "version": record.version,
            "state": record.state,
            "error": record.error,
            "hooks": record.hooks,
        }
        for record in plugins.records
    ]
    return {"plugins": described, "offered": offered, "problems": problems}


def _text(report: dict[str, Any]) -> str:
    lines = ["Plugins"]
    for plugin in report["plugins"]:
        about = ", ".join(hook.removeprefix("mlcore_") for hook in plugin["hooks"])
        lines.append(f"  {plugin['name']:<28} {plugin['version']:<10} {plugin['state']:<8} {plugin['error'] or about}")
    for kind, names in report["offered"].items():
        lines.append(f"{kind.capitalize()}s")
        for name, who in sorted(names.items()):
            lines.append(f"  {name:<39} {', '.join(who)}")
    if report["problems"]:
        lines.append("Problems")
        lines += [f"  {text}" for text in report["problems"]]
    return "\n".join(lines) + "\n"


PLUGINS = Command("plugins", "Show the installed plugins, what they offer, and what is broken.", _configure, _run)
