"""When the steps of a request were done, by the machine's monotonic clock, which all its processes share."""

from __future__ import annotations

import msgspec


class Steps(msgspec.Struct, array_like=True):
    """The steps of one answer, as the model host saw them.

    Attributes:
        taken: When the host took the request.
        decoded: When its tensors were there.
        begun: When the model began to work; 0 if it did not have to, as with an answer from the cache.
        ended: When the model had answered.
        encoded: When the answer's bytes were there.
        is_batched: Whether the model works on batches.
    """

    taken: float
    decoded: float = 0.0
    begun: float = 0.0
    ended: float = 0.0
    encoded: float = 0.0
    is_batched: bool = False
