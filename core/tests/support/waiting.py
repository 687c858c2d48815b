"""What lets a test go on once others have come as far as they can: no sleep, and no order that only usually holds."""

import asyncio

HELD = """
        import time
        while (self.settings.folder.parent / "hold").exists():
            time.sleep(0.005)
"""
"""The body of a model's `load` that lasts until the file `hold` in the folder for models is gone."""


def waits_in(task: asyncio.Task) -> str:
    """Return the name of the innermost coroutine in which a task waits; empty while it does not."""
    name, coroutine = "", task.get_coro()
    while asyncio.iscoroutine(coroutine):
        name, coroutine = coroutine.__name__, coroutine.cr_await
    return name if coroutine is not None else ""
