"""The `inline` engine: models live in the server's own process.

The lightest one, for tests, small machines and models that use the machine's cores on their own. A model that holds
the interpreter's lock delays everything else; write `def predict`, not `async def`, around blocking work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlcore.engine import Engine
from mlcore.environments import check_no_environment
from mlcore.host import ModelHost

if TYPE_CHECKING:
    from mlcore.engine import LoadedModel
    from mlcore.loading import Plan


class InlineEngine(Engine):
    """Runs a model host on the server's event loop."""

    has_workers = False

    async def start(self) -> None:
        """Make the host."""
        self._host = ModelHost(self.settings, self.plugins, self.tallies)

    async def load(self, plan: Plan) -> LoadedModel:
        """Load a model in this process; see `Engine.load`."""
        check_no_environment(plan.settings)
        return await self._host.load(plan)
