"""A server that nobody asks: how long it takes to start and to stop, and what it leaves."""

from __future__ import annotations

import time

from server import folder_of_model, start
from table import Line, took


async def start_and_stop() -> list[Line]:
    """Start and stop a server that nobody asks."""
    with folder_of_model() as folder:
        began = time.monotonic()
        server = start(folder)
        up_s = time.monotonic() - began
        children = server.processes[1:]
        began = time.monotonic()
        code = server.end()
        down_s = time.monotonic() - began
        left = [each for each in children if each.is_running()]
    return [
        Line("start and stop", f"exit code {code}, {len(left)} processes left", "0, none", code == 0 and not left),
        took("up after", up_s, 1.5),
        took("down after", down_s, 1.0),
    ]
