"""Reads of many devices gathered into few calls: what is asked while calls are under way goes with the next one."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from reno.domain.identity import Device
from reno.domain.priority import Priority
from reno.domain.reason import Reason
from reno.errors import Unavailable
from reno.ports import MAX_SLICES, Acknowledged, InboxReader, Page, Slice
from reno.telemetry import metrics

CALLS_IN_FLIGHT = 2
"""Of one part of a lane: a slow answer does not hold the others."""

READS_UNDER_WAY = 192
"""Of one part of a lane, as many as its calls in flight and the next one hold; the others wait their turn, and hold no room for what they will read."""

MAX_CALL_BYTES = 16 * 1024 * 1024
"""Of the pages that one call asks for."""


PartOf = Callable[[Priority, str, str], int]
"""Of a lane, tenant and member."""

_Part = tuple[Priority, int]


@dataclass(slots=True, eq=False)
class _Batch:
    slices: list[Slice] = field(default_factory=list)
    pages: list[asyncio.Future[Page]] = field(default_factory=list)
    bytes_asked: int = 0
    call: "asyncio.Task[list[Page]] | None" = None

    def answer(self, call: "asyncio.Task[list[Page]]") -> None:
        """Gives every asker its page; one that went away leaves the others alone."""
        # Asked for in any case: where every asker went away nobody else takes it.
        error = None if call.cancelled() else call.exception()
        for index, page in enumerate(self.pages):
            if page.done():
                continue
            if call.cancelled():
                page.cancel()
            elif error:
                page.set_exception(error)
            else:
                page.set_result(call.result()[index])


class Gathering:
    """The only one at a gateway that asks the inbox. `part_of` says which part of a lane's inbox has a member's rows: each is asked by itself, so that one that does not answer holds no other up."""

    def __init__(
        self, inbox: InboxReader, timeout_s: float, part_of: PartOf = lambda *_member: 0
    ) -> None:
        self._inbox = inbox
        self._timeout_s = timeout_s
        self.part_of = part_of
        self._calls: dict[_Part, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(CALLS_IN_FLIGHT)
        )
        self._open: dict[_Part, _Batch] = {}
        self._places: dict[_Part, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(READS_UNDER_WAY)
        )
        self._failed_s: dict[_Part, float] = {}
        """When a call failed, where none has succeeded since."""

    def place(self, priority: Priority, device: Device) -> asyncio.Semaphore:
        """To be held by a session while it decides what to read, and reads."""
        return self._places[self._part(priority, device.tenant, device.member_id)]

    def is_silent(self, priority: Priority, device: Device) -> bool:
        """The part of the lane did not answer lately."""
        failed_s = self._failed_s.get(self._part(priority, device.tenant, device.member_id))
        now_s = asyncio.get_running_loop().time()
        return failed_s is not None and now_s < failed_s + self._timeout_s

    def is_busy(self, priority: Priority, device: Device) -> bool:
        """Who reads waits for a turn, or for a part that does not answer."""
        return self.place(priority, device).locked() or self.is_silent(priority, device)

    async def read(self, priority: Priority, wanted: Slice) -> Page:
        """One slice's page. Raises errors.Unavailable when the lane's inbox does not answer in time."""
        part = self._part(priority, wanted.tenant, wanted.member_id)
        batch = self._open.get(part)
        if (
            batch is None
            or len(batch.slices) >= MAX_SLICES
            or batch.bytes_asked + wanted.max_bytes > MAX_CALL_BYTES
        ):
            batch = self._open[part] = _Batch()
            batch.call = asyncio.create_task(self._call(part, batch))
            batch.call.add_done_callback(batch.answer)
        page: asyncio.Future[Page] = asyncio.get_running_loop().create_future()
        batch.slices.append(wanted)
        batch.pages.append(page)
        batch.bytes_asked += wanted.max_bytes
        return await page

    async def keep_acknowledged(self, priority: Priority, marks: list[Acknowledged]) -> None:
        """Raises errors.Unavailable, also when the lane's inbox does not answer in time."""
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._inbox.keep_acknowledged(priority, marks)
        except TimeoutError as error:
            raise Unavailable(Reason.NOT_READY, f"the {priority.word} inbox is slow") from error

    def _part(self, priority: Priority, tenant: str, member_id: str) -> _Part:
        return priority, self.part_of(priority, tenant, member_id)

    async def _call(self, part: _Part, batch: _Batch) -> list[Page]:
        priority = part[0]
        async with self._calls[part]:
            if self._open.get(part) is batch:
                del self._open[part]
            try:
                async with asyncio.timeout(self._timeout_s):
                    pages = await self._inbox.read(priority, batch.slices, time.time_ns() // 10**6)
            except (TimeoutError, Unavailable) as error:
                metrics.inbox_read_failures.add(1, {"priority": priority.word})
                self._failed_s[part] = asyncio.get_running_loop().time()
                if isinstance(error, Unavailable):
                    raise
                raise Unavailable(Reason.NOT_READY, f"the {priority.word} inbox is slow") from error
            self._failed_s.pop(part, None)
            return pages
