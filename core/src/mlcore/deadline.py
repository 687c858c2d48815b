"""What a client is told whose request took too long: the same, wherever that is noticed."""

from __future__ import annotations

from mlcore.errors import DeadlineExceededError


def too_late(arrived: float, deadline: float) -> DeadlineExceededError:
    """Return the error of a request that was not done in the time that it had.

    Args:
        arrived: When it arrived, by the machine's monotonic clock.
        deadline: When its time was over, by the same clock.
    """
    return DeadlineExceededError(f"the request was not done within {deadline - arrived:g} s")
