"""A pool: workers of one kind, which models live in which of them, and what happens when one ends."""

from __future__ import annotations

import asyncio
import time
from itertools import count
from typing import TYPE_CHECKING, Any

from mlcore.engines.process.breaker import Breaker
from mlcore.engines.process.handle import WorkerGoneError, WorkerHandle
from mlcore.errors import MLCoreError, ModelLoadError, ModelNotReadyError
from mlcore.logs import get_logger
from mlcore.telemetry.instruments import WORKER_DEATHS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mlcore.telemetry.tallies import Tallies

log = get_logger("mlcore.workers")

# A worker that lives shorter than this has failed at once; the next one waits longer.
_SHORT_LIFE_S = 60.0
_LONGEST_WAIT_S = 30.0
# How long a model rests that could not be loaded in a new worker, twice as long after each further attempt.
_FIRST_RETRY_S = 1.0
_LONGEST_RETRY_S = 300.0
# How long a request waits for a worker that is being started in the place of the only one.
_PATIENCE_S = 30.0
_CHECKS_PER_TIMEOUT = 4
# How long the event loop of a worker may be blocked once a load has taken too long; it may only have been started late.
_LISTEN_S = 60.0


class Placement:
    """A model in a pool.

    Args:
        number: Its number, the same in every worker.
        name: What log lines call it.
        plan: What a worker needs to load it, as plain data.
        replicas: Workers that it wants to be in; `None` for all of them.

    Attributes:
        workers: Those that have it.
        breaker: Says whether it may be tried again.
        failure: Why it could not be loaded again in a new worker.
        is_retried: Whether that is tried again and again.
    """

    def __init__(self, number: int, name: str, plan: dict[str, Any], replicas: int | None) -> None:
        self.number = number
        self.name = name
        self.plan = plan
        self.replicas = replicas
        self.workers: list[WorkerHandle] = []
        self.breaker = Breaker()
        self.failure = ""
        self.is_retried = False
        self.arrived = asyncio.Event()

    @property
    def problem(self) -> str:
        """Why it does not answer now; empty while it does."""
        if self.breaker.is_open:
            return f"{self.breaker.reason}; it is tried again in {self.breaker.left_s:.0f} s"
        if self.workers:
            return ""
        return self.failure or "its worker has ended; another one is loading it"


class Pool:
    """Workers of one kind.

    Args:
        name: What log lines call it; empty for the server's own.
        python: The interpreter of its workers.
        environment: Their environment variables; this process' own if absent.
        settings: The server's settings, as plain data.
        worker_timeout_s: Seconds without a sign of life after which a worker is replaced.
        on_telemetry: Called with a worker's process id and what it tells of its spans, log lines and metrics.
        tallies: What the server measures.
    """

    def __init__(
        self,
        name: str,
        python: str,
        environment: Mapping[str, str] | None,
        settings: dict[str, Any],
        worker_timeout_s: float,
        on_telemetry: Callable[[int, dict[str, list[Any]]], None],
        tallies: Tallies,
    ) -> None:
        self.name = name
        self._python = python
        self._environment = environment
        self._settings = settings
        self._worker_timeout_s = worker_timeout_s
        self._on_telemetry = on_telemetry
        self._tallies = tallies
        self._size = 0
        self._workers: list[WorkerHandle] = []
        self._places: set[int] = set()
        self._placements: dict[int, Placement] = {}
        self._arriving: set[Placement] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Lock()
        self._loads = 0
        self._no_loads = asyncio.Event()
        self._no_loads.set()
        self._has_worker = asyncio.Event()
        self._deaths = 0
        self._last_death = 0.0
        self._last_cause = ""
        self._is_stopping = False

    @property
    def workers(self) -> list[WorkerHandle]:
        """Those that are alive."""
        return self._workers

    @property
    def is_empty(self) -> bool:
        """Whether no model lives here, nor is being loaded."""
        return not self._placements and not self._arriving

    async def grow(self, size: int) -> None:
        """Start workers until there are so many; there may be more already.

        Raises:
            ModelLoadError: The system cannot start one.
        """
        missing, self._size = max(0, size - self._size), max(size, self._size)
        if not missing:
            return
        if missing == self._size:
            self._run(self._watch())
        try:
            await asyncio.gather(*(self._spawn() for _ in range(missing)))
        except OSError as error:
            self._size -= missing
            raise ModelLoadError(f"no worker can be started with {self._python}: {error}") from error
        for placement in list(self._placements.values()):
            self._run(self._restore(placement))

    async def add(self, placement: Placement, size: int) -> dict[str, Any]:
        """Load a model, with at least so many workers, and return what one of them says of it.

        Raises:
            MLCoreError: It cannot be loaded; no worker has it.
        """
        self._arriving.add(placement)
        try:
            await self.grow(size)
            facts = await self._loaded(placement)
        finally:
            self._arriving.discard(placement)
        self._placements[placement.number] = placement
        # Workers that came up meanwhile know nothing of it.
        self._run(self._restore(placement))
        return facts

    async def remove(self, placement: Placement) -> None:
        """Unload a model."""
        del self._placements[placement.number]
        workers, placement.workers = placement.workers, []
        await asyncio.gather(*(worker.unload(placement.number) for worker in workers))

    async def worker_for(self, placement: Placement) -> WorkerHandle:
        """Return the least busy worker that has a model; wait a while for one that is on its way.

        Raises:
            ModelNotReadyError: There is none, and there will be none soon.
        """
        if placement.breaker.is_open:
            raise _unavailable(placement)
        if not placement.workers:
            if placement.failure or self._is_stopping:
                raise _unavailable(placement)
            placement.arrived.clear()
            try:
                await asyncio.wait_for(placement.arrived.wait(), _PATIENCE_S)
            except TimeoutError:
                raise _unavailable(placement) from None
            return await self.worker_for(placement)
        return min(placement.workers, key=_busyness)

    async def stop(self, grace_s: float = 5.0) -> None:
        """End the workers; kill those that take longer."""
        self._is_stopping = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(worker.stop(grace_s) for worker in list(self._workers)))

    # --- loading ---

    async def _loaded(self, placement: Placement) -> dict[str, Any]:
        try:
            await self._enter()
            try:
                return await self._load(placement)
            finally:
                self._leave()
        except WorkerGoneError:
            # A worker that ended had perhaps several models under way: this one shows alone whether it is to blame.
            async with self._turn:
                await self._no_loads.wait()
                try:
                    return await self._load(placement)
                except WorkerGoneError as error:
                    raise ModelLoadError(f"the worker that loaded it ended: {self._last_cause}") from error

    async def _enter(self) -> None:
        """Load beside others, unless one has to be alone."""
        async with self._turn:
            self._loads += 1
            self._no_loads.clear()

    def _leave(self) -> None:
        self._loads -= 1
        if not self._loads:
            self._no_loads.set()

    async def _load(self, placement: Placement) -> dict[str, Any]:
        """Load a model in as many workers as it wants to be in, or in none."""
        while not self._workers:
            await self._has_worker.wait()
        chosen = self._chosen(placement)
        # While other models live here, one worker is risked first.
        first = chosen[:1] if self._placements else chosen
        try:
            facts = await self._load_in(first, placement)
            rest = chosen[len(first) :]
            await self._load_in(rest, placement)
        except BaseException:
            placement.workers = []
            for worker in chosen:
                worker.forget(placement.number)
            raise
        return facts

    async def _load_in(self, workers: list[WorkerHandle], placement: Placement) -> dict[str, Any]:
        loads = [asyncio.ensure_future(self._load_one(worker, placement)) for worker in workers]
        try:
            found = await asyncio.gather(*loads)
        except BaseException:
            for load in loads:
                load.cancel()
            await asyncio.gather(*loads, return_exceptions=True)
            raise
        for worker in workers:
            self._place(worker, placement)
        return found[0] if found else {}

    async def _load_one(self, worker: WorkerHandle, placement: Placement) -> dict[str, Any]:
        """Load a model in a worker, which keeps its time; kill the worker if its event loop is blocked meanwhile."""
        limit_s = placement.plan["settings"]["load_timeout"] or self._settings["settings"]["load_timeout"]
        load = asyncio.ensure_future(worker.load(placement.number, placement.plan))
        try:
            while not (await asyncio.wait({load}, timeout=limit_s))[0]:
                if not await worker.listens(_LISTEN_S):
                    worker.kill(
                        f"a load blocked its event loop for longer than {limit_s:g} s, the setting load_timeout"
                    )
        except asyncio.CancelledError:
            load.cancel()
            await asyncio.wait({load})
            raise
        return load.result()

    def _place(self, worker: WorkerHandle, placement: Placement) -> None:
        if not worker.has_ended:
            placement.workers = [*placement.workers, worker]
            placement.failure = ""
            placement.arrived.set()

    def _chosen(self, placement: Placement) -> list[WorkerHandle]:
        """Choose the workers that a model should still be loaded in, those with the fewest models first."""
        free = [
            worker
            for worker in self._workers
            if placement.number not in worker.models and placement.number not in worker.loading
        ]
        there = len(self._workers) - len(free)
        wanted = self._size if placement.replicas is None else min(placement.replicas, self._size)
        chosen = sorted(free, key=_fullness)[: max(0, wanted - there)]
        for worker in chosen:
            worker.loading.add(placement.number)  # at once: the next one to choose counts it
        return chosen

    # --- workers that end, and those that take their place ---

    async def _spawn(self) -> WorkerHandle:
        place = next(number for number in count() if number not in self._places)
        worker = WorkerHandle(self._on_lost, self._on_exit, self._on_telemetry, place)
        self._places.add(place)
        try:
            await worker.start(self._python, self._environment, self._settings)
        except BaseException:
            self._places.discard(place)
            raise
        self._workers.append(worker)
        self._has_worker.set()
        return worker

    def _on_lost(self, worker: WorkerHandle) -> None:
        """Send no more requests to a worker."""
        for placement in (*self._placements.values(), *self._arriving):
            placement.workers = [other for other in placement.workers if other is not worker]

    def _on_exit(self, worker: WorkerHandle) -> None:
        self._places.discard(worker.place)
        if worker in self._workers:
            self._workers.remove(worker)
        if not self._workers:
            self._has_worker.clear()
        begun = worker.begun_models() | worker.loading
        self._on_lost(worker)
        if self._is_stopping:
            return
        self._last_cause = worker.cause
        self._tallies.counter(WORKER_DEATHS, self.name, worker.cause).add()
        log.error(
            "a worker has ended, another is started",
            pid=worker.pid,
            cause=worker.cause,
            pool=self.name or None,
            under_way=worker.under_way,
            last_request=worker.last_request or None,
            at_work=[placement.name for placement in self._placements.values() if placement.number in begun],
        )
        blamed = self._placements.get(next(iter(begun))) if len(begun) == 1 else None
        if blamed is not None and blamed.breaker.record(worker.cause, at_load=bool(worker.loading)):
            log.error("a model rests, for its workers end again and again", model=blamed.name, reason=blamed.problem)
            blamed.arrived.set()  # whoever waits for it is told
            self._run(self._restore_rested(blamed))
        now = time.monotonic()
        self._deaths = self._deaths + 1 if now - self._last_death < _SHORT_LIFE_S else 0
        self._last_death = now
        self._run(self._replace(min(_LONGEST_WAIT_S, 2.0 ** (self._deaths - 2)) if self._deaths else 0.0))

    async def _replace(self, wait_s: float) -> None:
        """Start a worker in the place of one that has ended, with the models that it should have."""
        await asyncio.sleep(wait_s)
        try:
            worker = await self._spawn()
        except OSError as error:
            log.error("no worker can be started", reason=str(error))
            self._run(self._replace(_LONGEST_WAIT_S))
            return
        # One after another: if the worker ends again, it is known which one it was. Suspects come last.
        for placement in sorted(self._placements.values(), key=_suspicion):
            if worker.has_ended:
                return
            await self._restore(placement)

    async def _restore(self, placement: Placement) -> bool:
        """Load a model in the workers that it should be in and is not; return whether nothing was in the way."""
        if placement.breaker.is_open or self._placements.get(placement.number) is not placement:
            return True
        chosen = self._chosen(placement)
        try:
            for worker in chosen:
                await self._restore_in(worker, placement)
        except MLCoreError as error:
            placement.failure = f"it cannot be loaded again in a new worker: {error}"
            placement.arrived.set()
            log.error("a model cannot be loaded again in a new worker", model=placement.name, reason=str(error))
            if not placement.is_retried:
                placement.is_retried = True
                self._run(self._retry(placement))
            return False
        finally:
            for worker in chosen:
                worker.loading.discard(placement.number)
        return True

    async def _restore_in(self, worker: WorkerHandle, placement: Placement) -> None:
        try:
            await self._load_one(worker, placement)
        except WorkerGoneError:
            return  # what ends a worker is dealt with where it is noticed
        if self._placements.get(placement.number) is placement:
            self._place(worker, placement)
        else:
            worker.forget(placement.number)

    async def _restore_rested(self, placement: Placement) -> None:
        while placement.breaker.is_open:  # noqa: ASYNC110  # a timer may be a little early
            await asyncio.sleep(placement.breaker.left_s)
        await self._restore(placement)

    async def _retry(self, placement: Placement) -> None:
        """Try to restore a model, less and less often: what it is loaded from may only have been away."""
        wait_s = _FIRST_RETRY_S
        is_restored = False
        while not is_restored:
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, _LONGEST_RETRY_S)
            is_restored = await self._restore(placement)
        placement.is_retried = False

    async def _watch(self) -> None:
        """Kill the workers that show no sign of life for too long.

        Only what is found at several looks in a row counts: if this process was stopped too, they had no chance.
        """
        silent: dict[WorkerHandle, int] = {}
        while True:
            await asyncio.sleep(self._worker_timeout_s / _CHECKS_PER_TIMEOUT)
            silent = {worker: silent.get(worker, 0) + 1 for worker in self._workers if worker.is_hung()}
            for worker, looks in silent.items():
                if looks >= _CHECKS_PER_TIMEOUT:
                    worker.kill(f"no sign of life for {self._worker_timeout_s:g} s")

    def _run(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _suspicion(placement: Placement) -> int:
    return placement.breaker.deaths


def _busyness(worker: WorkerHandle) -> int:
    return worker.under_way


def _fullness(worker: WorkerHandle) -> int:
    return len(worker.models) + len(worker.loading)


def _unavailable(placement: Placement) -> ModelNotReadyError:
    after_s = max(1.0, placement.breaker.left_s)
    return ModelNotReadyError(f"Model {placement.name} is not ready: {placement.problem}", retry_after_s=after_s)
