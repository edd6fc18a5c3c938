"""Reads of many devices gathered into few calls: what is asked while calls are under way goes with the next one."""

import asyncio
import time
from dataclasses import dataclass, field

from reno.domain.priority import LANES, Priority
from reno.domain.reason import Reason
from reno.errors import Unavailable
from reno.ports import MAX_SLICES, Acknowledged, InboxReader, Page, Slice
from reno.telemetry import metrics

CALLS_IN_FLIGHT = 4
"""Of one lane: a slow answer does not hold the others."""

MAX_CALL_BYTES = 16 * 1024 * 1024
"""Of the pages that one call asks for."""


@dataclass(slots=True, eq=False)
class _Batch:
    slices: list[Slice] = field(default_factory=list)
    bytes_asked: int = 0
    answer: "asyncio.Task[list[Page]] | None" = None


class Gathering:
    """The only one at a gateway that asks the inbox."""

    def __init__(self, inbox: InboxReader, timeout_s: float) -> None:
        self._inbox = inbox
        self._timeout_s = timeout_s
        self._calls = {lane: asyncio.Semaphore(CALLS_IN_FLIGHT) for lane in LANES}
        self._open: dict[Priority, _Batch] = {}

    async def read(self, priority: Priority, wanted: Slice) -> Page:
        """One slice's page. Raises errors.Unavailable when the lane's inbox does not answer in time."""
        batch = self._open.get(priority)
        if (
            batch is None
            or len(batch.slices) >= MAX_SLICES
            or batch.bytes_asked + wanted.max_bytes > MAX_CALL_BYTES
        ):
            batch = self._open[priority] = _Batch()
            batch.answer = asyncio.create_task(self._call(priority, batch))
            batch.answer.add_done_callback(_retrieve)
        index = len(batch.slices)
        batch.slices.append(wanted)
        batch.bytes_asked += wanted.max_bytes
        assert batch.answer is not None
        # One asker may go away; the others still want their answer.
        pages = await asyncio.shield(batch.answer)
        return pages[index]

    async def keep_acknowledged(self, priority: Priority, marks: list[Acknowledged]) -> None:
        """Raises errors.Unavailable, also when the lane's inbox does not answer in time."""
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._inbox.keep_acknowledged(priority, marks)
        except TimeoutError as error:
            raise Unavailable(Reason.NOT_READY, f"the {priority.word} inbox is slow") from error

    async def _call(self, priority: Priority, batch: _Batch) -> list[Page]:
        async with self._calls[priority]:
            if self._open.get(priority) is batch:
                del self._open[priority]
            try:
                async with asyncio.timeout(self._timeout_s):
                    return await self._inbox.read(priority, batch.slices, time.time_ns() // 10**6)
            except TimeoutError as error:
                metrics.inbox_read_failures.add(1, {"priority": priority.word})
                raise Unavailable(Reason.NOT_READY, f"the {priority.word} inbox is slow") from error
            except Unavailable:
                metrics.inbox_read_failures.add(1, {"priority": priority.word})
                raise


def _retrieve(answer: "asyncio.Task[list[Page]]") -> None:
    """Every asker may have gone away: a failure that nobody waits for is nobody's."""
    if not answer.cancelled():
        answer.exception()
