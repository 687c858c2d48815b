"""Notices that models have changed in the repository, and has them loaded again: the setting `watch`.

It looks, again and again, and compares what there is with what it saw before. Notices of the kernel would come sooner,
but not for every file system, not for what stands behind a link that is exchanged, and not from a repository that is no
folder; and what is complete shows only by looking again.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from mlcore.errors import MLCoreError, SettingsError
from mlcore.logs import get_logger
from mlcore.registry import READY, Key, ModelState, named

if TYPE_CHECKING:
    from mlcore.lifecycle import Lifecycle
    from mlcore.repository import RepositoryEntry
    from mlcore.repository.inventory import Found, Inventory

log = get_logger("mlcore.watch")

# Looks within the time that files have to be left alone for.
_LOOKS = 3
# A look may take this part of a processor, so that it is seldom where there are very many files.
_PART = 1 / 20
# Loads at the same time: each holds two models in memory, the old one and the new one.
_AT_ONCE = 2
# Changes in quick succession that are taken for edits; with more of them the wait grows, up to the longest.
_EDITS = 3
_LONGEST_WAIT_S = 300.0


class _Look(NamedTuple):
    """What there is, what it consists of, and the seconds of a processor that it took to find out."""

    found: Found
    stamps: dict[Key, object]
    used_s: float


class _Change(msgspec.Struct):
    """What a model has become, and since when; its stamp is `None` where it is gone."""

    stamp: object
    since: float


class _Pace(msgspec.Struct):
    """How fast a model changes: when it was last loaded, and how many loads followed each other quickly."""

    last: float = float("-inf")
    quick: int = 0


class Watch:
    """Loads what has changed or is new, and unloads what is gone, once it has not changed for a while.

    A model that a client has unloaded stays so. One that never was loaded is loaded only if those of the start are. A
    load that fails is not tried again before the next change.

    Args:
        inventory: The models that there are.
        lifecycle: What loads and unloads them.
        settle_s: How long a model has to stay as it is before it is taken for complete.
        loads_new: Whether models that appear are loaded.
    """

    def __init__(self, inventory: Inventory, lifecycle: Lifecycle, settle_s: float, loads_new: bool) -> None:
        self._inventory = inventory
        self._registry = lifecycle.registry
        self._lifecycle = lifecycle
        self._settle_s = settle_s
        self._loads_new = loads_new
        self._known: dict[Key, object] = {}
        self._changes: dict[Key, _Change] = {}
        self._paces: dict[Key, _Pace] = {}
        self._tasks: dict[Key, asyncio.Task[None]] = {}
        self._kept: set[Key] = set()
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._device: int | None = None
        self._trouble = ""
        self._looking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Take what there is now for known, and look for changes from now on.

        Raises:
            SettingsError: The repository cannot be read.
        """
        look = await asyncio.to_thread(self._look)
        self._known = look.stamps
        self._looking = asyncio.create_task(self._look_again(look.used_s), name="mlcore-watch")

    async def stop(self) -> None:
        """Look no more, and give up what is under way."""
        tasks = [task for task in (self._looking, *self._tasks.values()) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _look_again(self, used_s: float) -> None:
        while True:
            await asyncio.sleep(max(self._settle_s / _LOOKS, used_s / _PART))
            try:
                look = await asyncio.to_thread(self._look)
            except MLCoreError as error:
                self._say_once(str(error))
                continue
            self._say_once("")
            used_s = look.used_s
            self._compare(look, time.monotonic())

    def _look(self) -> _Look:
        began = time.thread_time()
        found = self._inventory.found()
        device = self._device_of_root()
        if not found and self._known and device != self._device:
            raise SettingsError("the folder is empty, and on another device: as if its volume had been taken away")
        self._device = device
        stamps = {key: self._inventory.stamp(entry) for key, entry in found.items()}
        return _Look(found, stamps, time.thread_time() - began)

    def _device_of_root(self) -> int | None:
        root = self._inventory.root
        try:
            return root.stat().st_dev if root is not None else None
        except OSError:  # a repository of another kind may do without the folder
            return None

    def _compare(self, look: _Look, now: float) -> None:
        found, stamps = look.found, look.stamps
        for key in stamps.keys() | self._known.keys():
            stamp = stamps.get(key)
            if stamp == self._known.get(key):
                self._changes.pop(key, None)
                self._is_back(key)
                continue
            change = self._changes.get(key)
            if change is None or change.stamp != stamp:
                self._changes[key] = _Change(stamp, now)
            elif now - change.since >= self._wait_s(key) and key not in self._tasks:
                if stamp is not None:
                    self._take(key, found[key], now)
                    self._known[key] = stamp
                    del self._changes[key]
                elif self._may_go(key, stamps):
                    self._let_go(key)
                    del self._known[key], self._changes[key]

    def _take(self, key: Key, entry: RepositoryEntry, now: float) -> None:
        state = self._registry.states.get(key)
        if state is not None and not state.is_wanted and key not in self._known:
            state = None  # it was unloaded because it had gone
        if state is None and entry.settings is None:
            log.warning("a new model is not loaded", **named(key), reason=entry.problem)
        elif state.is_wanted if state is not None else self._loads_new:
            self._note_pace(key, now)
            log.info(
                "the model has changed, so it is loaded again" if state else "a new model is there, so it is loaded",
                **named(key),
            )
            self._begin(key, is_gone=False)

    def _let_go(self, key: Key) -> None:
        self._kept.discard(key)
        self._paces.pop(key, None)
        state = self._registry.states.get(key)
        if state is not None and state.is_wanted:
            log.info("the settings of the model are gone, and it is unloaded", **named(key))
            self._begin(key, is_gone=True)

    def _may_go(self, key: Key, stamps: dict[Key, object]) -> bool:
        """Say whether a model that is gone may end: not while another version is about to take its place."""
        if key not in self._registry.served():
            return True
        for other in stamps:
            state = self._registry.state(other)
            is_failing = state is not None and state.is_wanted and state.state != READY
            if other[0] == key[0] and (is_failing or other in self._tasks or other in self._changes):
                if key not in self._kept:
                    self._kept.add(key)
                    reason = "its settings are gone; it answers until another version is ready"
                    self._registry.states[key] = ModelState(READY, reason)
                return False
        return True

    def _is_back(self, key: Key) -> None:
        if key in self._kept:
            self._kept.discard(key)
            if key in self._registry.served():
                self._registry.states[key] = ModelState(READY)

    def _begin(self, key: Key, is_gone: bool) -> None:
        task = self._tasks[key] = asyncio.create_task(self._change(key, is_gone), name=f"mlcore-watch-{key[0]}")
        task.add_done_callback(lambda _: self._tasks.pop(key))

    async def _change(self, key: Key, is_gone: bool) -> None:
        with suppress(MLCoreError):  # the log and the model's state say why
            if is_gone:
                await self._lifecycle.unload_gone(key)
            else:
                async with self._turns:
                    await self._lifecycle.load_changed(key)

    def _wait_s(self, key: Key) -> float:
        """Return how long a model has to stay as it is: the longer, the more often it was loaded for nothing."""
        pace = self._paces.get(key)
        extra = max(0, pace.quick - _EDITS) if pace is not None else 0
        return max(self._settle_s, min(self._settle_s * 2.0**extra, _LONGEST_WAIT_S))

    def _note_pace(self, key: Key, now: float) -> None:
        pace = self._paces.setdefault(key, _Pace())
        is_quick = now - pace.last < 4 * self._wait_s(key)
        pace.quick = pace.quick + 1 if is_quick else 0
        pace.last = now
        if pace.quick == _EDITS + 1:
            log.warning(
                "the model changes again and again, and is loaded less often now; does it write into its own folder?",
                **named(key),
            )

    def _say_once(self, trouble: str) -> None:
        if trouble and trouble != self._trouble:
            log.warning("the repository cannot be watched; what is loaded goes on", reason=trouble)
        elif self._trouble and not trouble:
            log.info("the repository is watched again")
        self._trouble = trouble
