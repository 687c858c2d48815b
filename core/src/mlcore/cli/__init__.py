"""The `mlcore` program: its sub-commands come from plugins, the core's own among them."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlcore.plugins import Plugins


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program and return its exit code: 0 well, 1 something failed, 2 wrong usage or settings."""
    from mlcore.errors import MLCoreError, SettingsError
    from mlcore.plugins import Plugins

    parser = _parser(Plugins())
    given = parser.parse_args(arguments)
    try:
        code: int = given.run(given)
    except SettingsError as error:
        return _fail(error, 2)
    except MLCoreError as error:
        return _fail(error, 1)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of our output has gone, as in `mlcore schema | head`
        sys.stderr.close()
        return 1
    return code


def _fail(error: Exception, code: int) -> int:
    sys.stderr.write("".join(f"mlcore: error: {line}\n" for line in str(error).splitlines()))
    return code


def _parser(plugins: Plugins) -> argparse.ArgumentParser:
    from mlcore.control import mlcore_version

    parser = argparse.ArgumentParser(
        prog="mlcore",
        description="Serves machine-learning models over the Open Inference Protocol V2.",
        epilog="Start with: mlcore init my-model, then: mlcore serve my-model",
    )
    parser.add_argument("--version", action="version", version=f"mlcore {mlcore_version()}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in plugins.commands():
        sub = commands.add_parser(
            command.name, help=command.help, description=command.help, aliases=list(command.aliases)
        )
        command.configure(sub)
        sub.set_defaults(run=command.run)
    return parser
