"""A roster in memory, for tests and simulations: nothing that is said is lost."""

import asyncio
from collections.abc import AsyncIterator

from reno.domain.priority import Priority
from reno.ports import Beat


class MemoryRoster:
    """Implements reno.ports.Roster, for every lane of one process."""

    def __init__(self) -> None:
        self._listening: set[tuple[Priority, asyncio.Queue[Beat]]] = set()

    async def say(self, priority: Priority, beat: Beat) -> None:
        """See Roster."""
        for lane, heard in self._listening:
            if lane is priority:
                heard.put_nowait(beat)

    async def hear(self, priority: Priority) -> AsyncIterator[Beat]:
        """See Roster."""
        heard: asyncio.Queue[Beat] = asyncio.Queue()
        place = priority, heard
        self._listening.add(place)
        try:
            while True:
                yield await heard.get()
        finally:
            self._listening.discard(place)
