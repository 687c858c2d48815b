"""The `process` engine: as many workers as the setting says, each with every model, the least busy one asked first."""

from __future__ import annotations

import asyncio
import time
from itertools import count
from typing import TYPE_CHECKING, Any

from mlcore_protocol import ModelMetadata

from mlcore.engine import Engine, LoadedModel
from mlcore.engines.process.handle import WorkerHandle
from mlcore.engines.process.plans import plan_to_facts, settings_to_facts
from mlcore.errors import MLCoreError, SettingsError, UnavailableError
from mlcore.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from mlcore.engine import Answer, Call
    from mlcore.loading import Plan

log = get_logger("mlcore.workers")

# A worker that lives shorter than this has failed at once; the next one waits longer.
_SHORT_LIFE_S = 60.0
_LONGEST_WAIT_S = 30.0

# The hooks that are asked where models live.
_IN_WORKERS = {"mlcore_runtimes", "mlcore_codecs", "mlcore_wire_formats", "mlcore_load", "mlcore_predict"}


class ProcessEngine(Engine):
    """Keeps workers alive and models in them."""

    async def start(self) -> None:
        """Start the workers.

        Raises:
            SettingsError: A plugin that was given in Python would have to be in the workers too.
        """
        for record in self.plugins.records:
            if record.distribution == "python" and not _IN_WORKERS.isdisjoint(record.hooks):
                raise SettingsError(
                    f"plugin {record.name}: it is given in Python, so the workers cannot have it; install it, or set "
                    "parallel_workers to 0"
                )
        self._numbers = count(1)
        self._plans: dict[int, dict[str, Any]] = {}
        self._workers: list[WorkerHandle] = []
        self._loading = asyncio.Lock()
        self._has_worker = asyncio.Event()
        self._respawns: set[asyncio.Task[None]] = set()
        self._deaths = 0
        self._last_death = 0.0
        self._is_stopping = False
        self._facts = settings_to_facts(self.settings)
        await asyncio.gather(*(self._spawn() for _ in range(max(1, self.settings.parallel_workers))))

    async def load(self, plan: Plan) -> LoadedModel:
        """Load a model in every worker; see `Engine.load`."""
        facts = plan_to_facts(plan)
        number = next(self._numbers)
        # One at a time: if a worker dies of it, it is this model's doing, and no other load is under way.
        async with self._loading:
            await self._has_worker.wait()
            metadata = await self._load_everywhere(number, facts)

        async def infer(call: Call) -> Answer:
            return await self._least_busy(number).infer(number, call)

        def stream(call: Call) -> AsyncGenerator[Answer, None]:
            return self._least_busy(number).stream(number, call)

        async def unload() -> None:
            del self._plans[number]
            await asyncio.gather(*(worker.unload(number) for worker in self._workers))

        def replicas() -> int:
            return sum(number in worker.models for worker in self._workers)

        def problem() -> str:
            return "" if replicas() else "its worker has ended; another one is loading it"

        return LoadedModel(plan.settings, metadata, infer, stream, unload, None, replicas, problem)

    async def stop(self) -> None:
        """End the workers."""
        self._is_stopping = True
        for respawn in self._respawns:
            respawn.cancel()
        await asyncio.gather(*self._respawns, return_exceptions=True)
        await asyncio.gather(*(worker.stop() for worker in list(self._workers)))

    async def _load_everywhere(self, number: int, facts: dict[str, Any]) -> ModelMetadata:
        """Load a model in every worker, or in none. There is at least one."""
        asked: list[WorkerHandle] = []
        try:
            while late := [worker for worker in self._workers if worker not in asked]:
                asked += late
                outcomes = await asyncio.gather(
                    *(worker.load(number, facts) for worker in late), return_exceptions=True
                )
                for outcome in outcomes:
                    if isinstance(outcome, BaseException):
                        raise outcome
        except BaseException:
            for worker in asked:
                worker.forget(number)
            raise
        # From here on a new worker loads it by itself; nothing has been awaited since the last look.
        self._plans[number] = facts
        return ModelMetadata.model_validate(outcomes[0])  # type: ignore[arg-type]  # none of them is an exception

    def _least_busy(self, model: int) -> WorkerHandle:
        ready = [worker for worker in self._workers if model in worker.models]
        if not ready:
            raise _no_worker()
        return min(ready, key=_busyness)

    async def _spawn(self) -> None:
        worker = WorkerHandle(self._on_exit)
        await worker.start(self._facts)
        self._workers.append(worker)
        self._has_worker.set()
        # All of them at once: a model counts as there only when its own load is done.
        for number, plan in list(self._plans.items()):
            await worker.load(number, plan)

    def _on_exit(self, worker: WorkerHandle, code: int) -> None:
        if worker in self._workers:
            self._workers.remove(worker)
        if not self._workers:
            self._has_worker.clear()
        if self._is_stopping:
            return
        log.error("a worker has ended, another is started", pid=worker.pid, exit_code=code, under_way=worker.under_way)
        now = time.monotonic()
        self._deaths = self._deaths + 1 if now - self._last_death < _SHORT_LIFE_S else 0
        self._last_death = now
        respawn = asyncio.ensure_future(self._respawn(min(_LONGEST_WAIT_S, 2.0 ** (self._deaths - 2))))
        self._respawns.add(respawn)
        respawn.add_done_callback(self._respawns.discard)

    async def _respawn(self, wait_s: float) -> None:
        if self._deaths:
            await asyncio.sleep(wait_s)
        try:
            await self._spawn()
        except MLCoreError as error:
            log.error("a model cannot be loaded again in a new worker", reason=str(error))


def _busyness(worker: WorkerHandle) -> int:
    return worker.under_way


def _no_worker() -> UnavailableError:
    return UnavailableError("no worker has the model at the moment; one is being started", retry_after_s=1)
