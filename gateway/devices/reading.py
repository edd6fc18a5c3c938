"""The reader of a session's lane: runs while the lane is BEHIND or asked to look, and ends when it is LIVE and current."""

import asyncio
import random
from collections.abc import Callable

from gateway.devices.alarm import Alarm
from gateway.devices.door import Door, now_ms, parse_page
from gateway.devices.session import Read, Session
from reno.domain.priority import Priority
from reno.errors import Unavailable
from reno.telemetry import metrics


class LaneReader:
    """At most one task of it runs; the session's shell owns that task."""

    def __init__(
        self, door: Door, session: Session, priority: Priority, changed: Callable[[], None]
    ) -> None:
        self._door = door
        self._session = session
        self._priority = priority
        self._changed = changed
        self._room = Alarm()
        self._place = door.inbox.place(priority, session.device)

    def room_made(self) -> None:
        """A frame was taken from the outbox."""
        self._room.ring()

    async def run(self) -> None:
        """Reads page after page, as fast as the outbox empties; retries an inbox that does not answer for as long as it takes."""
        settings, session = self._door.settings, self._session
        while session.wants_read(self._priority):
            if self._place.locked() and self._door.inbox.is_silent(self._priority, session.device):
                self._say_missing()
            try:
                async with self._place:
                    has_room = await self._read_next()
            except Unavailable:
                self._say_missing()
                await asyncio.sleep(settings.retry_s * random.uniform(0.8, 1.2))
                continue
            if not has_room:
                # The budget of all sessions frees up without a word to this one.
                await self._room.wait_until(self._soon())
            elif session.has_news():
                self._changed()

    def _say_missing(self) -> None:
        self._session.lane_missing(self._priority)
        self._changed()

    async def _read_next(self) -> bool:
        """False: there is no room for what is to be read."""
        settings, session = self._door.settings, self._session
        if not session.wants_read(self._priority):
            return True
        read = session.next_read(self._priority, settings.max_page_rows, settings.max_page_bytes)
        if read is None:
            return False
        await self._read(read)
        return True

    async def _read(self, read: Read) -> None:
        session, lane = self._session, self._priority
        # Before the read: what is written while it is under way waits no longer when it answers.
        waiting = self._door.acknowledging.waiting(session.device, lane)
        session.outbox.reserve(read.slice.max_bytes)
        try:
            page = await self._door.inbox.read(lane, read.slice)
        finally:
            session.outbox.reserve(-read.slice.max_bytes)
        acknowledged = session.begin_lane(lane, page, max(page.acknowledged, waiting))
        if acknowledged is not None:
            self._door.acknowledging.keep_if_room(session.device, {lane: acknowledged})
        was_live = session.lanes[lane].is_live
        session.take_page(lane, read, page, parse_page(page), now_ms())
        if was_live and not session.lanes[lane].is_live:
            metrics.fell_behind.add(1, {"priority": lane.word, "cause": "look"})

    def _soon(self) -> float:
        return asyncio.get_running_loop().time() + self._door.settings.retry_s
