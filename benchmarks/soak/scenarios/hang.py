"""A worker that lives and does nothing."""

from __future__ import annotations

import signal
from functools import partial
from typing import TYPE_CHECKING

from clients import client_of
from server import folder_of_model, served, until
from traffic import traffic

if TYPE_CHECKING:
    from table import Line


async def hang(seconds: float) -> list[Line]:
    """Stop a worker, so that it shows no sign of life, under traffic."""
    with folder_of_model({"worker_timeout": seconds}) as folder, served(folder, "--parallel-workers", "2") as server:
        victim = server.workers[0]
        async with traffic(partial(client_of, server), 20) as seen:
            victim.send_signal(signal.SIGSTOP)
            await until(lambda: victim not in server.processes and len(server.workers) == 2, 300)
    return [seen.line(f"a worker that hangs for {seconds:.0f} s", 503, 504)]
