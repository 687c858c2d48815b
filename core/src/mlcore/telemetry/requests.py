"""What is measured of the requests for one model, through handles that are bound when it is published."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from mlcore.errors import MLCoreError
from mlcore.telemetry import instruments

if TYPE_CHECKING:
    from mlcore.engine import Answer, Call
    from mlcore.telemetry.steps import Steps
    from mlcore.telemetry.tallies import Histogram, Tallies

# A model's own subclass of an error may have any code, and series have only these.
_CODES = frozenset(
    {
        "cancelled",
        "deadline_exceeded",
        "failed_precondition",
        "internal",
        "invalid_argument",
        "not_found",
        "overloaded",
        "payload_too_large",
        "permission_denied",
        "unauthenticated",
        "unavailable",
        "unsupported_media_type",
    }
)


class Durations(NamedTuple):
    """How long the steps of a request took, in seconds; `None` for one that there was not."""

    queue: float
    decode: float
    batch: float | None
    predict: float | None
    encode: float


def durations_of(call: Call, steps: Steps) -> Durations:
    """Return how long the steps of an answered request took."""
    queue = call.sent - call.arrived
    batch = predict = None
    if steps.begun:
        predict = steps.ended - steps.begun
        if steps.is_batched:
            batch = steps.begun - steps.decoded
        else:
            queue += steps.begun - steps.decoded
    return Durations(queue, steps.decoded - steps.taken, batch, predict, steps.encoded - steps.ended)


def outcome_of(error: BaseException) -> str:
    """Return the code that telemetry knows an error by."""
    if isinstance(error, MLCoreError):
        return error.code if error.code in _CODES else "internal"
    return "internal" if isinstance(error, Exception) else "cancelled"


class RequestMeasures:
    """Measures the requests for one model.

    Args:
        tallies: What the server measures.
        model: The model's name.
        version: Its version; empty if it has none.
    """

    @classmethod
    def of(cls, tallies: Tallies, model: str, version: str) -> RequestMeasures:
        """Return what measures them, or what does nothing, if nobody wants to."""
        return (cls if tallies.is_on else _Unmeasured)(tallies, model, version)

    def __init__(self, tallies: Tallies, model: str, version: str) -> None:
        self._tallies = tallies
        self._labels = (model, version)
        self._outcomes: dict[str, Histogram] = {}
        self._ok = self._outcome("ok")
        self._request_size = tallies.histogram(instruments.REQUEST_SIZE, model, version)
        self._response_size = tallies.histogram(instruments.RESPONSE_SIZE, model, version)
        self._queue = tallies.histogram(instruments.QUEUE_DURATION, model, version)
        self._decode = tallies.histogram(instruments.DECODE_DURATION, model, version)
        self._batch_wait = tallies.histogram(instruments.BATCH_WAIT_DURATION, model, version)
        self._predict = tallies.histogram(instruments.PREDICT_DURATION, model, version)
        self._encode = tallies.histogram(instruments.ENCODE_DURATION, model, version)

    def answered(self, call: Call, answer: Answer) -> None:
        """Measure a request that is answered at once. Hot."""
        self._ok.record(time.monotonic() - call.arrived)
        self._request_size.record(len(call.body))
        buffers = answer.buffers
        self._response_size.record(len(buffers[0]) if len(buffers) == 1 else sum(map(len, buffers)))
        steps = answer.steps
        if steps is None:
            return
        # The same as `durations_of`, which would cost as much again as all of this.
        queue = call.sent - call.arrived
        begun = steps.begun
        if begun:
            self._predict.record(steps.ended - begun)
            if steps.is_batched:
                self._batch_wait.record(begun - steps.decoded)
            else:
                queue += begun - steps.decoded
        self._queue.record(queue)
        self._decode.record(steps.decoded - steps.taken)
        self._encode.record(steps.encoded - steps.ended)

    def streamed(self, call: Call, last: Steps | None, encode_s: float, size: int) -> None:
        """Measure a request that is answered by a whole stream.

        Args:
            call: The request.
            last: The steps of its last answer, where there is one.
            encode_s: Seconds that the encoding of all of them took.
            size: Bytes of all of them.
        """
        self._ok.record(time.monotonic() - call.arrived)
        self._request_size.record(len(call.body))
        self._response_size.record(size)
        if last is not None:
            self._record(durations_of(call, last)._replace(encode=encode_s))

    def failed(self, call: Call, error: BaseException) -> None:
        """Measure a request that is answered by an error, or not at all."""
        self._outcome(outcome_of(error)).record(time.monotonic() - call.arrived)
        self._request_size.record(len(call.body))

    def refused(self, reason: str) -> None:
        """Count a request without an answer."""
        self._tallies.counter(instruments.REQUESTS_REFUSED, *self._labels, reason).add()

    def _record(self, durations: Durations) -> None:
        queue, decode, batch, predict, encode = durations
        self._queue.record(queue)
        self._decode.record(decode)
        self._encode.record(encode)
        if predict is not None:
            self._predict.record(predict)
        if batch is not None:
            self._batch_wait.record(batch)

    def _outcome(self, code: str) -> Histogram:
        if code not in self._outcomes:
            self._outcomes[code] = self._tallies.histogram(instruments.REQUEST_DURATION, *self._labels, code)
        return self._outcomes[code]


class _Unmeasured(RequestMeasures):
    """Takes no note of anything."""

    def answered(self, call: Call, answer: Answer) -> None:
        """Do nothing."""

    def streamed(self, call: Call, last: Steps | None, encode_s: float, size: int) -> None:
        """Do nothing."""

    def failed(self, call: Call, error: BaseException) -> None:
        """Do nothing."""
