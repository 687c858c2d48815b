"""The `mlcore` program: its sub-commands come from plugins, the core's own among them."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mlcore.commands import Command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program and return its exit code: 0 well, 1 something failed, 2 wrong usage or settings."""
    from mlcore.errors import AmbiguousNameError, MLCoreError, SettingsError

    # Until a command sets up logging, what is logged is not for the terminal: errors are one line each.
    ours = logging.getLogger("mlcore")
    if not ours.handlers:
        ours.addHandler(logging.NullHandler())
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        given = _parser(arguments).parse_args(arguments)
        code: int = given.run(given)
        sys.stdout.flush()
    except (SettingsError, AmbiguousNameError) as error:  # settings decide which of two plugins is meant
        return _fail(error, 2)
    except MLCoreError as error:
        return _fail(error, 1)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of our output has gone, as in `mlcore schema | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nor can Python flush it at its end
        return 1
    except OSError as error:
        return _fail(error, 1)
    return code


def _fail(error: Exception, code: int) -> int:
    sys.stderr.write("".join(f"mlcore: error: {line}\n" for line in str(error).splitlines()))
    return code


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    from mlcore.control import mlcore_version

    parser = argparse.ArgumentParser(
        prog="mlcore",
        description="Serves machine-learning models over the Open Inference Protocol V2.",
        epilog="Start with: mlcore init my-model, then: mlcore serve my-model",
    )
    parser.add_argument("--version", action="version", version=f"mlcore {mlcore_version()}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in _commands(arguments):
        sub = commands.add_parser(
            command.name, help=command.help, description=command.help, aliases=list(command.aliases)
        )
        command.configure(sub)
        sub.set_defaults(run=command.run)
    return parser


def _commands(arguments: Sequence[str]) -> list[Command]:
    """Return the commands that may be meant. Plugins are imported only where the core has none of that name.

    Raises:
        AmbiguousNameError: Two plugins offer the one that is meant.
    """
    from mlcore.builtin import mlcore_commands

    own = list(mlcore_commands())
    meant = next((argument for argument in arguments if not argument.startswith("-")), None)
    if "--version" in arguments or any(meant in (command.name, *command.aliases) for command in own):
        return own
    from mlcore.plugins import Plugins
    from mlcore.settings_sources import read_settings

    offered = Plugins(read_settings().plugins).commands
    if meant is not None and meant in offered:
        return [offered.get(meant).value]
    return list({id(offer.value): offer.value for offer in offered if offer.name not in offered.ambiguous}.values())
