"""The `process` engine: models live in pools of workers, which are interpreters of their own."""

from __future__ import annotations

import asyncio
import sys
import uuid
from contextlib import aclosing
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

from mlcore_protocol import ModelMetadata

from mlcore.engine import Engine, LoadedModel, is_chosen, only_here
from mlcore.engines.process.handle import WorkerGoneError
from mlcore.engines.process.plans import plan_to_facts, settings_to_facts
from mlcore.engines.process.pool import Placement, Pool
from mlcore.environments import check_no_environment, environment_of, interpreter_of, own_variables, variables_of
from mlcore.errors import ModelLoadError, SettingsError
from mlcore.handlers import handlers_from_facts
from mlcore.host import ModelHost
from mlcore.logs import get_logger
from mlcore.telemetry.arrivals import Arrivals
from mlcore.telemetry.forwarding import METRICS_API, Replay
from mlcore.telemetry.instruments import WORKER_CPU, WORKER_MEMORY, WORKERS
from mlcore.telemetry.processes import memory_of, processor_time_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable
    from pathlib import Path

    from mlcore.engine import Answer, Call
    from mlcore.loading import Plan
    from mlcore.plugins import Plugins
    from mlcore.settings import ModelSettings, Settings
    from mlcore.telemetry.tallies import Tallies

log = get_logger("mlcore.workers")

# Workers that a request which has not begun may see end: it may be what ends them, before any model knows of it.
_MOST_WORKERS = 3


class ProcessEngine(Engine):
    """Keeps pools of workers, and puts each model into one of them."""

    def __init__(self, settings: Settings, plugins: Plugins, tallies: Tallies) -> None:
        super().__init__(settings, plugins, tallies)
        self._pools: dict[tuple[str, Path | None], Pool] = {}

    async def start(self) -> None:
        """Start the workers of the server's own pool.

        Raises:
            SettingsError: A plugin that was given in Python would have to be in the workers too.
        """
        for record in only_here(self.plugins):
            raise SettingsError(
                f"plugin {record.name}: it is given in Python, so the workers cannot have it; install it, or set "
                "parallel_workers to 0"
            )
        self._numbers = count(1)
        self._host = ModelHost(self.settings, self.plugins, self.tallies)
        self._arrivals = Arrivals()
        self._arrivals.add("tallies", lambda _, changes: self.tallies.add(changes))
        self._arrivals.add(METRICS_API, Replay().take)
        self._facts = {**settings_to_facts(self.settings), "telemetry": self._arrivals.kinds}
        self.tallies.observe(WORKERS, self._observed_workers)
        self.tallies.observe(WORKER_MEMORY, partial(self._observed, memory_of))
        self.tallies.observe(WORKER_CPU, partial(self._observed, processor_time_of))
        await self._pool("").grow(max(1, self.settings.parallel_workers))

    async def load(self, plan: Plan) -> LoadedModel:
        """Load a model in the workers of its pool; see `Engine.load`."""
        settings = plan.settings
        if settings.parallel_workers == 0:
            check_no_environment(settings)
            return await self._host.load(plan)
        try:
            facts = plan_to_facts(plan)
        except ModelLoadError:
            if is_chosen(self.settings):
                raise
            check_no_environment(settings)
            log.info("this model lives in the server's own process: a worker cannot import it", model=settings.name)
            return await self._host.load(plan)
        placement = Placement(next(self._numbers), settings.name, facts, settings.replicas)
        pool = await self._pool_of(settings)
        try:
            facts = await pool.add(placement, settings.parallel_workers or max(1, self.settings.parallel_workers))
        except BaseException:
            await self._close_if_empty(pool)
            raise

        async def infer(call: Call) -> Answer:
            for number in count(1):
                worker = await pool.worker_for(placement)
                try:
                    return await worker.infer(placement.number, call)
                except WorkerGoneError as error:
                    if error.has_begun or number == _MOST_WORKERS:
                        raise
                await asyncio.sleep(0)  # what has happened is noticed first
            raise AssertionError("the last attempt raises")

        async def stream(call: Call) -> AsyncGenerator[Answer, None]:
            is_answered = False
            for number in count(1):
                worker = await pool.worker_for(placement)
                try:
                    async with aclosing(worker.stream(placement.number, call)) as answers:
                        async for answer in answers:
                            is_answered = True
                            yield answer
                    return
                except WorkerGoneError as error:
                    if error.has_begun or is_answered or number == _MOST_WORKERS:
                        raise
                await asyncio.sleep(0)

        async def unload() -> None:
            await pool.remove(placement)
            await self._close_if_empty(pool)

        return LoadedModel(
            settings,
            ModelMetadata.model_validate(facts["metadata"]),
            infer,
            stream,
            unload,
            facts["concurrency"],
            lambda: len(placement.workers),
            lambda: placement.problem,
            handlers_from_facts(facts["handlers"]),
            facts["remarks"],
        )

    async def stop(self, grace_s: float = 5.0) -> None:
        """End the workers; kill those that take longer."""
        await asyncio.gather(*(pool.stop(grace_s) for pool in self._pools.values()))

    async def _pool_of(self, settings: ModelSettings) -> Pool:
        """Return the pool that a model's settings name.

        Raises:
            ModelLoadError: Its environment cannot be used.
        """
        parameters = settings.parameters
        name = parameters.inference_pool_gid or ""
        if not name and (parameters.autogenerate_inference_pool_gid or settings.parallel_workers is not None):
            name = str(uuid.uuid4())
        environment = await asyncio.to_thread(environment_of, settings, self.settings.environments_dir)
        return self._pool(name, environment)

    def _pool(self, name: str, environment: Path | None = None) -> Pool:
        """Return the pool of a name and an environment, or a new one."""
        key = (name, environment)
        if key not in self._pools:
            timeout_s, take = self.settings.worker_timeout, self._arrivals.take
            if environment is None:
                python, variables, facts = sys.executable, own_variables(), self._facts
            else:
                facts = {**self._facts, "path": None}  # it has modules of its own
                python, variables = str(interpreter_of(environment)), variables_of(environment)
                name = name or environment.name
            self._pools[key] = Pool(name, python, variables, facts, timeout_s, take, self.tallies)
        return self._pools[key]

    def _observed_workers(self) -> Iterable[tuple[float, tuple[str, ...]]]:
        counts: dict[str, int] = {}
        for pool in list(self._pools.values()):  # two environments may have the same name
            counts[pool.name] = counts.get(pool.name, 0) + len(pool.workers)
        for name, alive in counts.items():
            yield alive, (name,)

    def _observed(self, ask: Callable[[int], float | None]) -> Iterable[tuple[float, tuple[str, ...]]]:
        for pool in list(self._pools.values()):
            for worker in list(pool.workers):
                value = ask(worker.pid)
                if value is not None:
                    yield value, (pool.name, str(worker.place))

    async def _close_if_empty(self, pool: Pool) -> None:
        """End the workers of a pool of its own that no model lives in any more."""
        if pool.name and pool.is_empty:
            self._pools = {key: other for key, other in self._pools.items() if other is not pool}
            await pool.stop()
