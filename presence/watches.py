"""The watches of a replica: looks at what changed, and wakes those whose watchers are to be told."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

from presence.lease_table import LeaseTable
from presence.watching import Told, Watching
from reno.config.settings import PresenceSettings
from reno.domain.reason import Reason
from reno.errors import TryLater

LOOKS_AN_INTERVAL = 4
"""Of the debouncing: a change is told at most this much later."""


class OpenWatch:
    """One watcher's. Somebody awaits `woken`, then asks for `news`."""

    def __init__(self, watching: Watching, clock_ms: Callable[[], int]) -> None:
        self.watching = watching
        self.woken = asyncio.Event()
        self._clock_ms = clock_ms

    def news(self) -> list[Told]:
        """What is to be told now; may be empty."""
        self.woken.clear()
        return self.watching.news(self._clock_ms())


class Watches:
    """Bounded in number and in members. `run` must run."""

    def __init__(
        self, table: LeaseTable, clock_ms: Callable[[], int], settings: PresenceSettings
    ) -> None:
        self._table = table
        self._clock_ms = clock_ms
        self._settings = settings
        self._interval_ms = int(settings.watch_debounce_s * 1000)
        self._watches: set[OpenWatch] = set()
        self._watchers: dict[bytes, set[OpenWatch]] = defaultdict(set)
        self._restless: set[OpenWatch] = set()
        self._watched_members = 0
        self._was_sure = False

    def __len__(self) -> int:
        return len(self._watches)

    def open(self, members: Mapping[bytes, str]) -> tuple[OpenWatch, list[Told]]:
        """`members`: ids by key. With every member as it is now. Raises TryLater (FULL)."""
        self._look()
        is_full = len(self._watches) >= self._settings.max_watches
        if is_full or self._watched_members + len(members) > self._settings.max_watched_members:
            raise TryLater(
                Reason.FULL,
                "this replica has as many watches, or members watched, as it takes",
                retry_after_s=self._settings.lease_s,
            )
        now_ms = self._clock_ms()
        watching = Watching(members, self._interval_ms, is_sure=self._was_sure)
        found = self._table.lookup(list(members), now_ms)
        told = watching.begin(
            (key, sessions) for key, (_state, sessions) in zip(members, found, strict=True)
        )
        watch = OpenWatch(watching, self._clock_ms)
        self._watches.add(watch)
        self._watched_members += len(members)
        self._table.watched.update(members)
        for key in members:
            self._watchers[key].add(watch)
        return watch, told

    def close(self, watch: OpenWatch) -> None:
        """Once, for each that was opened."""
        self._watches.discard(watch)
        self._restless.discard(watch)
        self._watched_members -= len(watch.watching.members)
        for key in watch.watching.members:
            watchers = self._watchers[key]
            watchers.discard(watch)
            if not watchers:
                del self._watchers[key]
                self._table.watched.discard(key)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(self._interval_ms / 1000 / LOOKS_AN_INTERVAL)
            self._look()

    def _look(self) -> None:
        now_ms = self._clock_ms()
        is_sure = self._table.is_sure(now_ms)
        if is_sure is not self._was_sure:
            self._was_sure = is_sure
            for watch in self._watches:
                watch.watching.see_sure(is_sure, now_ms)
            self._restless.update(self._watches)
        self._see(self._table.take_changed(), now_ms)
        for watch in list(self._restless):
            if watch.watching.is_settled:
                self._restless.discard(watch)
            else:
                watch.woken.set()

    def _see(self, changed: Iterable[bytes], now_ms: int) -> None:
        keys = list(changed)
        found = self._table.lookup(keys, now_ms)
        for key, (_state, sessions) in zip(keys, found, strict=True):
            for watch in self._watchers.get(key, ()):
                watch.watching.see(key, sessions, now_ms)
                self._restless.add(watch)
