"""What this distribution offers to mlcore. It must not import `mlserver`: that may be another one's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlcore import hookimpl

from mlcore_mlserver.rival import refuse_rival

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mlcore import MLModel, ModelSettings
    from mlcore.commands import Command

refuse_rival()  # so the plugin counts as broken, which `mlcore check`, `mlcore plugins` and the server's log say


@hookimpl
def mlcore_load(settings: ModelSettings) -> MLModel | None:
    """Say what is missing, where a model names a runtime of MLServer that mlcore has none for."""
    from mlcore_mlserver.missing_runtimes import refuse_missing

    refuse_missing(settings)
    return None


@hookimpl
def mlcore_commands() -> Iterable[Command]:
    """Offer `mlcore import`."""
    from mlcore_mlserver.import_command import IMPORT

    return [IMPORT]
