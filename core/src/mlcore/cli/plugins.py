"""`mlcore plugins`: what is installed, what it offers, what is broken, what is ambiguous."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from mlcore.commands import Command

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from mlcore.catalogue import Catalogue
    from mlcore.origin import Origin
    from mlcore.plugins import Plugins


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--verify",
        action="store_true",
        help="show where each comes from, and whether its files are as they were installed; nothing is imported",
    )


def _run(given: Namespace) -> int:
    if given.verify:
        return _verify(given.json)
    from mlcore.plugins import Plugins
    from mlcore.settings_sources import read_settings

    report = _report(Plugins(read_settings().plugins))
    sys.stdout.write(json.dumps(report, indent=2) + "\n" if given.json else _text(report))
    return 1 if report["problems"] or any(plugin["state"] == "broken" for plugin in report["plugins"]) else 0


def _verify(as_json: bool) -> int:
    from mlcore.discovery import installed
    from mlcore.origin import Origin

    origins = [Origin.of(distribution) for distribution in installed()]
    if as_json:
        sys.stdout.write(json.dumps({"distributions": [asdict(origin) for origin in origins]}, indent=2) + "\n")
    else:
        sys.stdout.write("".join(_origin_text(origin) for origin in origins))
    return 0 if all(origin.is_as_installed for origin in origins) else 1


def _origin_text(origin: Origin) -> str:
    state = f"{origin.checked} files as installed"
    if origin.different:
        state = f"{len(origin.different)} of {origin.checked} files DIFFER"
    if origin.is_editable:
        state += "; editable, so its code is not among them"
    lines = [f"{origin.distribution} {origin.version}: {origin.problem or state}"]
    lines.append(f"  in {origin.location}, installed by {origin.installer or 'a program that does not say so'}")
    lines += [f"  from {origin.url}"] if origin.url else []
    lines += [f"  differs: {file}" for file in origin.different]
    return "".join(f"{line}\n" for line in lines)


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
