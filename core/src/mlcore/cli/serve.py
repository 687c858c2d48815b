"""`mlcore serve`: serve a folder of models until stopped."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlcore.commands import Command

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from mlcore.server import Server

# What a thread gets to end, once its model is unloaded.
_LAST_WORDS_S = 0.5

# Option to the setting that it gives, its type and its help.
_OPTIONS: dict[str, tuple[str, type, str]] = {
    "--host": ("host", str, "address to listen on (default 127.0.0.1, this machine only)"),
    "--http-port": ("http_port", int, "port of the REST transport (default 8080; 0 takes a free one)"),
    "--grpc-port": ("grpc_port", int, "port of the gRPC transport (default 8081; 0 takes a free one)"),
    "--metrics-port": ("metrics_port", int, "port of the metrics transport, where one is installed (default 8082)"),
    "--parallel-workers": ("parallel_workers", int, "worker processes that hold the models (default 1; 0 is none)"),
    "--log-level": ("log_level", str, "DEBUG, INFO, WARNING or ERROR (default INFO)"),
}


def _configure(parser: ArgumentParser) -> None:
    parser.add_argument(
        "folder",
        nargs="?",
        help="folder with a model-settings.json, or with such folders (default: model_repository_root, here)",
    )
    for option, (name, kind, text) in _OPTIONS.items():
        parser.add_argument(option, dest=name, type=kind, help=text, metavar=kind.__name__.upper())
    parser.add_argument(
        "--strict", action="store_true", default=None, help="stop with an error if any model fails to load"
    )
    parser.add_argument(
        "--debug", action="store_true", default=None, help="log every request, and tracebacks of failed loads"
    )
    parser.add_argument(
        "--json-logs", dest="use_structured_logging", action="store_true", default=None, help="log JSON lines"
    )


def _run(given: Namespace) -> int:
    began = time.perf_counter()
    from mlcore.errors import SettingsError
    from mlcore.logs import set_up_logging
    from mlcore.server import Server, run_until_stopped
    from mlcore.settings_sources import read_settings
    from mlcore.telemetry.sdk import set_up_telemetry

    names = [name for name, _, _ in _OPTIONS.values()] + ["strict", "debug", "use_structured_logging"]
    options: dict[str, Any] = {name: getattr(given, name) for name in names if getattr(given, name) is not None}
    if given.folder is None:
        settings = read_settings(Path.cwd(), options)
        server = Server(settings.model_repository_root, settings=settings)
    else:
        server = Server(given.folder, **options)
    if not server.transports:
        raise SettingsError("no transport is installed, so nobody could ask; pip install mlcore-server")
    set_up_logging(server.settings)
    telemetry = set_up_telemetry(server.settings)
    if telemetry is not None and telemetry.metric_readers:
        from mlcore.telemetry.readers import include

        for reader in telemetry.metric_readers:
            include(reader, server.tallies)

    def started(server: Server) -> None:
        banner = _facts if server.settings.use_structured_logging else _banner
        with contextlib.suppress(OSError):  # the disk is full, or nobody reads it: it serves all the same
            sys.stderr.write(banner(server, time.perf_counter() - began))
            sys.stderr.flush()

    try:
        code = run_until_stopped(server, started)
    finally:
        if telemetry is not None:
            telemetry.stop()
    _leave_stuck_threads(code)
    return code


def _leave_stuck_threads(code: int) -> None:
    """End the process here if a model's thread does not end: Python itself would wait for it."""
    for thread in threading.enumerate():
        if thread.name.startswith("mlcore-"):
            thread.join(_LAST_WORDS_S)
            if thread.is_alive():
                logging.shutdown()
                os._exit(code)


def _banner(server: Server, took_s: float) -> str:
    """Say what is served, where, and by which plugin."""
    offers = {offer.name: offer.distribution for offer in server.plugins.transports}
    states = server.control.index()
    lines = [f"mlcore is up after {took_s:.1f} s"]
    for transport in server.transports:
        has_docs = transport.name == "rest" and server.settings.docs_page
        extra = f"   docs: {transport.url}/v2/docs" if has_docs else ""
        lines.append(f"  {transport.name:<8} {transport.url}   ({offers.get(transport.name, '')}){extra}")
    if not states:
        lines.append("  no models: the folder has no model-settings.json")
    for item in states:
        name = item.name + (f" {item.version}" if item.version else "")
        why = f"   {item.reason.splitlines()[0]}" if item.reason else ""
        lines.append(f"  model    {name:<24} {item.state}{why}")
    return "\n".join(lines) + "\n"


def _facts(server: Server, took_s: float) -> str:
    """Say the same as a line of the log, where those are JSON."""
    facts = {
        "event": "mlcore is up",
        "level": "info",
        "timestamp": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "took_s": round(took_s, 1),
        "transports": {transport.name: transport.url for transport in server.transports},
        "models": [
            {"model": item.name, "version": item.version, "state": item.state, "reason": item.reason}
            for item in server.control.index()
        ],
    }
    return json.dumps(facts) + "\n"


SERVE = Command("serve", "Serve a folder of models.", _configure, _run, aliases=("start",))
