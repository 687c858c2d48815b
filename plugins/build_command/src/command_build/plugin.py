"""What this distribution offers to mlcore: two commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlcore import hookimpl

from command_build.commands import BUILD, DOCKERFILE

if TYPE_CHECKING:
    from mlcore.commands import Command


@hookimpl
def mlcore_commands() -> list[Command]:
    """Offer `build` and `dockerfile`."""
    return [BUILD, DOCKERFILE]
