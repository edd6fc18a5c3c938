"""One lane's reads: while a call is in flight, further slices gather and go in the next one."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import grpc

from reno.domain.priority import Priority
from reno.domain.reason import Reason
from reno.errors import TryLater, Unavailable
from reno.ports import Page, Slice, StoredRow
from reno.v1 import inbox_service_pb2 as pb
from reno.v1.event_pb2 import Priority as WirePriority


@dataclass(frozen=True, slots=True)
class LaneLimits:
    """Of one lane's reads. A slice counts with its max_bytes, or max_row_bytes where that is more: at least one row comes."""

    max_slices: int = 1000
    max_bytes: int = 48 << 20
    max_row_bytes: int = 64 << 10
    max_in_flight: int = 4
    max_waiting: int = 50_000
    retry_after_s: float = 0.5


def chunk_length(slices: Iterable[Slice], limits: LaneLimits) -> tuple[int, bool]:
    """(how many of the first slices one call takes, whether it is full). At least one, if there is any."""
    count = size = 0
    for wanted in slices:
        size += max(wanted.max_bytes, limits.max_row_bytes)
        if count == limits.max_slices or (count and size > limits.max_bytes):
            return count, True
        count += 1
    return count, count == limits.max_slices


class ReadCall(Protocol):
    """The generated stub's Read."""

    def __call__(
        self, request: pb.ReadRequest, /, *, timeout: float | None = None
    ) -> Awaitable[pb.ReadResponse]:
        """Raises grpc.aio.AioRpcError."""
        ...


class _Asked:
    """One caller's slices and the pages that came for them."""

    def __init__(self, count: int) -> None:
        self.answer: asyncio.Future[list[Page]] = asyncio.get_running_loop().create_future()
        self._pages: dict[int, Page] = {}
        self._count = count

    def take(self, index: int, page: Page) -> None:
        self._pages[index] = page
        if len(self._pages) == self._count and not self.answer.done():
            self.answer.set_result([self._pages[number] for number in range(self._count)])

    def fail(self, message: str, cause: BaseException | None = None) -> None:
        if not self.answer.done():
            error = Unavailable(Reason.NOT_READY, message)
            error.__cause__ = cause
            self.answer.set_exception(error)


@dataclass(frozen=True, slots=True)
class _Waiting:
    asked: _Asked
    index: int
    wanted: Slice


class InboxLane:
    """A second call starts beside one in flight only when it is full."""

    def __init__(
        self, priority: Priority, call: ReadCall, timeout_s: float, limits: LaneLimits
    ) -> None:
        self._priority = priority
        self._call = call
        self._timeout_s = timeout_s
        self._limits = limits
        self._waiting: deque[_Waiting] = deque()
        self._in_flight: dict[asyncio.Task[None], list[_Waiting]] = {}
        self._is_woken = False
        self._is_closed = False

    async def read(self, slices: Sequence[Slice]) -> list[Page]:
        """Pages in the order of the slices, read after this call began. Raises errors.Unavailable, errors.TryLater."""
        if self._is_closed:
            raise Unavailable(Reason.NOT_READY, "the inbox client is closed")
        if not slices:
            return []
        if len(self._waiting) + len(slices) > self._limits.max_waiting:
            raise TryLater(
                Reason.FULL,
                f"too many reads wait for lane {self._priority.word}",
                retry_after_s=self._limits.retry_after_s,
            )
        asked = _Asked(len(slices))
        self._waiting.extend(_Waiting(asked, index, wanted) for index, wanted in enumerate(slices))
        if not self._is_woken:
            # What asks in the same turn of the loop goes in the same call.
            self._is_woken = True
            asyncio.get_running_loop().call_soon(self._wake)
        return await asked.answer

    async def close(self) -> None:
        """Ends the calls in flight; whoever waits gets errors.Unavailable."""
        self._is_closed = True
        tasks = list(self._in_flight)
        self._fail_waiting("the inbox client is closed")
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _wake(self) -> None:
        self._is_woken = False
        self._go_on()

    def _go_on(self) -> None:
        while self._waiting and len(self._in_flight) < self._limits.max_in_flight:
            chunk = self._next_chunk()
            if not chunk:
                return
            task = asyncio.get_running_loop().create_task(self._read_chunk(chunk))
            self._in_flight[task] = chunk
            task.add_done_callback(self._finished)

    def _next_chunk(self) -> list[_Waiting]:
        while self._waiting and self._waiting[0].asked.answer.done():
            self._waiting.popleft()  # the caller has gone
        count, is_full = chunk_length((waiting.wanted for waiting in self._waiting), self._limits)
        if self._in_flight and not is_full:
            return []
        chunk = [self._waiting.popleft() for _ in range(count)]
        return [waiting for waiting in chunk if not waiting.asked.answer.done()]

    async def _read_chunk(self, chunk: Sequence[_Waiting]) -> None:
        request = pb.ReadRequest(
            priority=WirePriority.ValueType(self._priority),
            slices=[_slice(waiting.wanted) for waiting in chunk],
        )
        response = await self._call(request, timeout=self._timeout_s)
        if len(response.pages) != len(chunk):
            raise Unavailable(
                Reason.NOT_READY, f"{len(response.pages)} pages for {len(chunk)} slices"
            )
        for waiting, page in zip(chunk, response.pages, strict=True):
            waiting.asked.take(waiting.index, _page(page))

    def _finished(self, task: asyncio.Task[None]) -> None:
        chunk = self._in_flight.pop(task)
        error = None if task.cancelled() else task.exception()
        if task.cancelled() or error is not None:
            message = f"lane {self._priority.word}: {_said(error)}"
            for waiting in chunk:
                waiting.asked.fail(message, error)
            self._fail_waiting(message, error)
        self._go_on()

    def _fail_waiting(self, message: str, cause: BaseException | None = None) -> None:
        while self._waiting:
            self._waiting.popleft().asked.fail(message, cause)


def _said(error: BaseException | None) -> str:
    if error is None:
        return "the read was ended"
    if isinstance(error, grpc.aio.AioRpcError):
        return f"{error.code().name} {error.details()}"
    return str(error) or type(error).__name__


def _slice(wanted: Slice) -> pb.Slice:
    return pb.Slice(
        tenant=wanted.tenant,
        member_id=wanted.member_id,
        device_id=wanted.device_id,
        after=wanted.after,
        max_rows=wanted.max_rows,
        max_bytes=wanted.max_bytes,
    )


def _page(page: pb.Page) -> Page:
    rows = [StoredRow(row.position, row.row) for row in page.rows]
    return Page(rows, page.more, page.through, page.mark, page.acknowledged)
