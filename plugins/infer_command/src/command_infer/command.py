"""The words of `mlcore infer`: MLServer's, where they mean the same."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from mlcore.commands import Command

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

_VARIABLES = ("MLCORE_INFER_", "MLSERVER_INFER_")
"""What the names of environment variables begin with; the first that is set counts."""

_OLD_NAMES = {"TIMEOUT": "CONNECTION_TIMEOUT"}
"""Options whose variable had another name in MLServer."""


def _configure(parser: ArgumentParser) -> None:
    def option(*names: str, **how: Any) -> None:
        """Add an option that has an environment variable as well."""
        given = _variable(names[-1].removeprefix("--").replace("-", "_").upper())
        if given is not None:
            how = {**how, "required": False, "default": _typed(given, how.get("action"))}
        parser.add_argument(*names, **how)

    option("-m", "--model-name", required=True, metavar="NAME", help="the model that is asked")
    option("--model-version", metavar="VERSION", help="which version of it (default: the server's choice)")
    option(
        "-u",
        "--url",
        help="address of the server; http://, https://, grpc:// and grpcs:// say how to talk to it "
        "(default localhost:8080, or localhost:8081 over gRPC)",
    )
    option("-t", "--transport", choices=("rest", "grpc"), help="how to talk to a server whose address does not say")
    option(
        "-i",
        "--input-data-path",
        default="-",
        metavar="FILE",
        help="file with a request in JSON on each line (default -, standard input)",
    )
    option(
        "-o",
        "--output-data-path",
        default="-",
        metavar="FILE",
        help="file that gets a line for each line, in the same order (default -, standard output)",
    )
    option("--resume", action="store_true", help="go on where an earlier run of the same command was interrupted")
    option("--as-completed", action="store_true", help="write answers as they come, not in the order of the input")
    option("-w", "--workers", type=int, default=10, metavar="N", help="requests under way at once (default 10)")
    option(
        "-s",
        "--batch-size",
        type=int,
        default=1,
        metavar="N",
        help="lines that are sent as one request, where the model can take them so (default 1)",
    )
    option("-b", "--binary-data", action="store_true", help="send and ask for binary tensors instead of JSON")
    option(
        "-r",
        "--retries",
        type=int,
        default=3,
        metavar="N",
        help="how often a request is sent again after a lost connection or a 503 (default 3)",
    )
    option(
        "--timeout", type=float, default=60, metavar="SECONDS", help="how long an answer may take (default 60 seconds)"
    )
    option(
        "-H", "--request-headers", action="append", metavar="'NAME: VALUE'", help="header of each request; any number"
    )
    option(
        "--batch-interval",
        type=float,
        default=0,
        metavar="SECONDS",
        help="least time between the requests of each worker (default 0)",
    )
    option(
        "--batch-jitter",
        type=float,
        default=0,
        metavar="SECONDS",
        help="most that is added to it at random (default 0)",
    )
    option("--use-ssl", action="store_true", help="encrypt, as https:// and grpcs:// do")
    option("--insecure", action="store_true", help="take any certificate; for tests only")
    parser.add_argument(
        "-v", "--verbose", action="count", default=_count(), help="say what fails and is sent again; -vv: everything"
    )
    parser.add_argument(
        "--extra-verbose", dest="verbose", action="store_const", const=2, help="as -vv: show requests and answers"
    )


def _variable(name: str) -> str | None:
    for prefix in _VARIABLES:
        given = os.environ.get(prefix + name)
        if given is None and prefix == _VARIABLES[1]:
            given = os.environ.get(prefix + _OLD_NAMES.get(name, name))
        if given is not None:
            return given
    return None


def _typed(given: str, action: str | None) -> Any:
    """Return what an environment variable says; argparse itself reads numbers."""
    if action == "store_true":
        return given.strip().lower() in ("1", "true", "t", "yes", "y", "on")
    return given.split() if action == "append" else given


def _count() -> int:
    extra = _typed(_variable("EXTRA_VERBOSE") or "", "store_true")
    return 2 if extra else int(_typed(_variable("VERBOSE") or "", "store_true"))


def _run(given: Namespace) -> int:
    from command_infer.options import options_of
    from command_infer.run import run

    return run(options_of(given))


INFER = Command("infer", "Ask a served model with each line of a file, and write its answers.", _configure, _run)
