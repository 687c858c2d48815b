"""The header `Server-Timing`: how long the steps of an answer took, for the network panel of a browser.

Source: W3C, Server Timing. Durations are milliseconds there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlcore.telemetry.requests import durations_of

if TYPE_CHECKING:
    from mlcore.engine import Answer, Call


def timing_of(call: Call, answer: Answer) -> bytes | None:
    """Return the header's value; `None` if the engine took no note of steps."""
    if answer.steps is None:
        return None
    durations = durations_of(call, answer.steps)._asdict()
    return ", ".join(f"{step};dur={1000 * took:.3f}" for step, took in durations.items() if took is not None).encode()


def no_timing(call: Call, answer: Answer) -> None:
    """Return nothing."""
