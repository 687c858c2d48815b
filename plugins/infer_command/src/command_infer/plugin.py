"""The hooks of command-infer. Nothing heavy is imported here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlcore import hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mlcore.commands import Command


@hookimpl
def mlcore_commands() -> Iterable[Command]:
    """Offer `mlcore infer`."""
    from command_infer.command import INFER

    return [INFER]
