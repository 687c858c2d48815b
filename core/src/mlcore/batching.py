"""Adaptive batching: requests that wait for a busy model are merged into one `predict`.

A batch is taken the moment that the model is free, of all that waits, so a lone request never waits for others. One
member's fate never touches another: a member that is cancelled is left out, and where the merged call fails, each
member runs alone and gets its own answer or error. Such a call then costs the model one run more than without batching.
"""

from __future__ import annotations

import asyncio
import traceback
from contextlib import AbstractContextManager, nullcontext
from contextvars import Context, copy_context
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, Any

from mlcore_protocol import InferenceRequest, InferenceResponse

from mlcore.beginning import on_begin
from mlcore.errors import InternalError
from mlcore.logs import RequestContext, get_logger, request_context
from mlcore.merging import Merger, shared_parameters
from mlcore.methods import is_cancelled
from mlcore.request_parameters import priority_of
from mlcore.telemetry import is_tracing
from mlcore.telemetry.batch_spans import end_span, joined_span, shared_span, use_span
from mlcore.telemetry.instruments import BATCH_ROWS

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from mlcore_protocol import ModelMetadata
    from opentelemetry.trace import Span

    from mlcore.predict import Predict
    from mlcore.settings import ModelSettings
    from mlcore.telemetry.tallies import Tallies

log = get_logger("mlcore.host")

_NOTHING = nullcontext()

FULL = "full"
TIME = "time"
IDLE = "idle"
ALONE = "alone"


@dataclass(slots=True, eq=False)
class _Member:
    """A request that waits for its batch, or for the answer of it."""

    request: InferenceRequest
    rows: int
    since: float
    answer: asyncio.Future[InferenceResponse]
    begin: Callable[[str], None] | None
    span: Span | None = None
    run: _Run | None = None


@dataclass(slots=True, eq=False)
class _Run:
    """One call of the model, whom it is for, and whether the model still works on it."""

    members: list[_Member]
    reason: str
    task: asyncio.Task[None] | None = None
    has_slot: bool = True


class _Bucket:
    """Requests that can be merged, in the order in which they are taken."""

    def __init__(self, can_be_merged: bool) -> None:
        self.can_be_merged = can_be_merged
        self._waiting: list[tuple[int, int, _Member]] = []

    def add(self, priority: int, number: int, member: _Member) -> None:
        """Let a request wait."""
        heappush(self._waiting, (priority, number, member))

    def drop_gone(self) -> None:
        """Forget those whose clients have gone."""
        if any(member.answer.done() for _, _, member in self._waiting):
            self._waiting = sorted(entry for entry in self._waiting if not entry[2].answer.done())

    @property
    def rows(self) -> int:
        """Rows that wait."""
        return sum(member.rows for _, _, member in self._waiting)

    @property
    def since(self) -> float:
        """When the oldest came."""
        return min(member.since for _, _, member in self._waiting)

    @property
    def rank(self) -> tuple[int, int]:
        """The priority and the number of the one that is taken next; buckets are served in this order."""
        return self._waiting[0][:2]

    def __len__(self) -> int:
        return len(self._waiting)

    def take(self, rows: int) -> list[_Member]:
        """Take those that come next, as many as have no more than so many rows, and at least one."""
        taken = [heappop(self._waiting)[2]]
        rows -= taken[0].rows
        while self._waiting and self._waiting[0][2].rows <= rows:
            taken.append(heappop(self._waiting)[2])
            rows -= taken[-1].rows
        return taken


class Batcher:
    """A model's `predict`, which answers several requests at once. It is one itself.

    Args:
        predict: The model's own.
        settings: The model's settings.
        metadata: What the model declares.
        tallies: What is measured here.
        slots: Runs at once that the model makes use of.
        ahead: Runs more that may stand ready for it. Only full batches do, for nobody could join them any more.
    """

    def __init__(
        self,
        predict: Predict,
        settings: ModelSettings,
        metadata: ModelMetadata,
        tallies: Tallies,
        slots: int,
        ahead: int = 0,
    ) -> None:
        self._predict = predict
        self._attributes = {"model": settings.name, "version": settings.parameters.version or ""}
        self._rows = {
            reason: tallies.histogram(BATCH_ROWS, *self._attributes.values(), reason)
            for reason in (FULL, TIME, IDLE, ALONE)
        }
        self._max_rows = settings.max_batch_size
        self._max_wait_s = settings.max_batch_time
        self._preferred = sorted(size for size in settings.preferred_batch_sizes if size <= self._max_rows)
        padding = None if settings.pad_batch is False else float(settings.pad_batch is not True and settings.pad_batch)
        self._merger = Merger(metadata, padding)
        self._slots = slots
        self._ahead = ahead
        self._running = 0
        self._buckets: dict[Hashable, _Bucket] = {}
        self._numbers = count()
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        # Runs belong to nobody: they see no client's context, such as the request id of log lines.
        self._context: Context = copy_context()
        self._context.run(request_context.set, RequestContext(settings.name, settings.parameters.version, None))
        self._is_traced = is_tracing()
        self._has_warned = False

    async def __call__(self, request: InferenceRequest) -> InferenceResponse:
        """Answer one request, perhaps together with others."""
        joinable = self._merger.joinable(request)
        rows = joinable.rows if joinable is not None else 1
        if not self._running and not self._buckets and not (self._preferred and joinable):
            self._running += 1
            self._rows[IDLE if joinable else ALONE].record(rows)
            try:
                return await self._predict(_anonymous(request))
            finally:
                self._running -= 1
                self._release()
        loop = asyncio.get_running_loop()
        member = _Member(request, rows, loop.time(), loop.create_future(), on_begin.get())
        if self._is_traced:
            member.span = joined_span()
        can_be_merged = joinable is not None and rows <= self._max_rows
        key = joinable.signature if joinable is not None and can_be_merged else object()
        if key not in self._buckets:
            self._buckets[key] = _Bucket(can_be_merged)
        self._buckets[key].add(priority_of(request.parameters), next(self._numbers), member)
        self._release()
        try:
            return await member.answer
        except asyncio.CancelledError:
            if is_cancelled() and member.run is not None:
                await _leave(member.run)
            raise
        finally:
            if member.span is not None:
                end_span(member.span, member.answer)

    # --- when a batch is released ---

    def _release(self) -> None:
        """Start as many runs as there are slots and reasons for."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._running < self._slots + self._ahead and self._buckets:
            self._forget_gone()
            for key in sorted(self._buckets, key=lambda key: self._buckets[key].rank):
                reason, rows = self._reason(self._buckets[key])
                if reason:
                    bucket = self._buckets[key]
                    members = bucket.take(rows)
                    if not len(bucket):
                        del self._buckets[key]
                    self._start(members, reason)
                    break
            else:
                if self._buckets and self._running < self._slots:
                    loop = asyncio.get_running_loop()
                    oldest = min(bucket.since for bucket in self._buckets.values())
                    self._timer = loop.call_at(oldest + self._max_wait_s, self._release)
                return

    def _forget_gone(self) -> None:
        for key, bucket in list(self._buckets.items()):
            bucket.drop_gone()
            if not len(bucket):
                del self._buckets[key]

    def _reason(self, bucket: _Bucket) -> tuple[str, int]:
        """Return why a bucket is released now, empty if it is not, and how many rows of it."""
        if not bucket.can_be_merged:
            return (ALONE, 0) if self._running < self._slots else ("", 0)
        waiting = bucket.rows
        if waiting >= self._max_rows:
            return FULL, self._max_rows
        if self._running >= self._slots:
            return "", 0
        is_late = asyncio.get_running_loop().time() >= bucket.since + self._max_wait_s
        if self._preferred:
            fitting = [size for size in self._preferred if size <= waiting]
            if fitting:
                return FULL, fitting[-1]
        elif not self._running or not self._max_wait_s:
            return IDLE, self._max_rows
        return (TIME, self._max_rows) if is_late else ("", 0)

    # --- one run ---

    def _start(self, members: list[_Member], reason: str) -> None:
        self._running += 1
        self._rows[reason].record(sum(member.rows for member in members))
        run = _Run(members, reason)
        for member in members:
            member.run = run
        task = run.task = asyncio.get_running_loop().create_task(self._run(run), context=self._context.copy())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _free_slot(self, run: _Run) -> None:
        """Let the next batch begin."""
        if run.has_slot:
            run.has_slot = False
            self._running -= 1
            self._release()

    async def _run(self, run: _Run) -> None:
        """Answer the members, whatever happens."""
        try:
            await self._answer(run)
        except BaseException as error:
            for member in run.members:
                if not member.answer.done():
                    member.answer.set_exception(InternalError("the batch of this request failed; the log has why"))
            if not isinstance(error, asyncio.CancelledError):
                log.exception("a batch failed", **self._attributes)
        finally:
            self._free_slot(run)

    async def _answer(self, run: _Run) -> None:
        members = run.members
        on_begin.set(_all_begin(members))
        if len(members) == 1:
            await self._answer_alone(members[0])
            return
        requests = [member.request for member in members]
        try:
            with self._spans_of(run):
                response = await self._predict(self._merger.merged(requests))
                self._merger.check_rows(response, requests)
            # The model works on while these are answered.
            self._free_slot(run)
            responses = self._merger.split(response, requests)
        except asyncio.CancelledError:
            if is_cancelled():
                raise
            responses = []
        except BaseException as error:  # whose request it was shows when each one runs alone
            self._warn(error)
            responses = []
        for member, response in zip(members, responses, strict=False):
            if not member.answer.done():
                member.answer.set_result(response)
        for member in members:
            if not member.answer.done():
                await self._answer_alone(member)

    async def _answer_alone(self, member: _Member) -> None:
        outcome: Any
        try:
            with _NOTHING if member.span is None else use_span(member.span):
                outcome = await self._predict(_anonymous(member.request))
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError) and is_cancelled():
                raise
            if not member.answer.done():
                # A future takes neither of these two as they are.
                is_odd = isinstance(error, StopIteration | asyncio.CancelledError)
                member.answer.set_exception(RuntimeError(repr(error)) if is_odd else error)
        else:
            if not member.answer.done():
                member.answer.set_result(outcome)

    def _spans_of(self, run: _Run) -> AbstractContextManager[Any]:
        """Return what makes a span of a run, if some of its members are traced."""
        spans = [member.span for member in run.members if member.span is not None]
        if not spans:
            return _NOTHING
        rows = sum(member.rows for member in run.members)
        return shared_span(spans, len(run.members), rows, run.reason)

    def _warn(self, error: BaseException) -> None:
        """Say once that batches of this model fail, for that costs time, and may be its nature."""
        level = log.debug if self._has_warned else log.warning
        reason = "".join(traceback.format_exception_only(error)).strip()  # whose text may be an error, too
        level("a batch failed; its requests are run alone", reason=reason, **self._attributes)
        self._has_warned = True


def _anonymous(request: InferenceRequest) -> InferenceRequest:
    """Return a request without what a batch would not have either: a model sees the same, alone or not."""
    parameters = shared_parameters(request.parameters)
    if parameters is request.parameters:
        return request
    return InferenceRequest(id=request.id, parameters=parameters, inputs=request.inputs, outputs=request.outputs)


def _all_begin(members: list[_Member]) -> Callable[[str], None] | None:
    told = [(member.begin, member.request.id or "") for member in members if member.begin is not None]
    if not told:
        return None

    def begin(_: str) -> None:
        for each, request_id in told:
            each(request_id)

    return begin


async def _leave(run: _Run) -> None:
    """Wait until the run that a member has left is over; when all of them have, it is cancelled."""
    assert run.task is not None, "it was started when its members were told of it"
    if all(member.answer.done() for member in run.members):
        run.task.cancel()
    await asyncio.wait({run.task})
