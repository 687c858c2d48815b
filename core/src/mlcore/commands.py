"""What a sub-command of the `mlcore` program is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable


@dataclass(frozen=True)
class Command:
    """A sub-command.

    Attributes:
        name: The word after `mlcore`.
        help: One line for `mlcore --help`.
        configure: Adds the arguments to the command's parser.
        run: Does it, and returns the exit code. An `MLCoreError` that it raises is printed as one line.
        aliases: Other words for the same command.
    """

    name: str
    help: str
    configure: Callable[[ArgumentParser], None]
    run: Callable[[Namespace], int]
    aliases: tuple[str, ...] = ()
