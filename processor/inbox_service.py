"""Serves the processor's embedded inbox to gateways."""

import time
from collections.abc import Callable
from typing import Any

import grpc

from reno.domain.position import MAX_POSITION
from reno.domain.priority import Priority
from reno.domain.reason import Reason
from reno.errors import CallerFault, WrongState
from reno.ports import MAX_SLICES, Acknowledged, InboxReader, Page, Slice
from reno.v1 import inbox_service_pb2 as pb
from reno.v1.inbox_service_pb2_grpc import InboxServiceServicer

MAX_ASKED_BYTES = 64 << 20
"""What a call's slices may ask for in sum."""

Context = grpc.aio.ServicerContext[Any, Any]


def wall_clock_ms() -> int:
    """Unix milliseconds."""
    return time.time_ns() // 1_000_000


class InboxServicer(InboxServiceServicer):
    """reno.v1.InboxService for one lane. What is expired is judged by this clock, at arrival."""

    def __init__(
        self,
        inbox: InboxReader,
        priority: Priority,
        *,
        now_ms: Callable[[], int] = wall_clock_ms,
    ) -> None:
        self._inbox = inbox
        self._priority = priority
        self._now_ms = now_ms

    async def Read(self, request: pb.ReadRequest, context: Context) -> pb.ReadResponse:
        """Raises CallerFault (TOO_LARGE, INVALID), WrongState (another lane) and what the inbox raises."""
        self._expect(request.priority)
        _limit(len(request.slices), MAX_SLICES, "slices")
        if sum(wanted.max_bytes for wanted in request.slices) > MAX_ASKED_BYTES:
            raise CallerFault(
                Reason.TOO_LARGE,
                f"the slices ask for more than {MAX_ASKED_BYTES} bytes",
                field="slices",
            )
        slices = [_slice(wanted) for wanted in request.slices]
        pages = await self._inbox.read(self._priority, slices, self._now_ms())
        return pb.ReadResponse(pages=[_page(page) for page in pages])

    async def KeepAcknowledged(
        self, request: pb.KeepAcknowledgedRequest, context: Context
    ) -> pb.KeepAcknowledgedResponse:
        """Raises CallerFault (TOO_LARGE, INVALID), WrongState (another lane) and what the inbox raises."""
        self._expect(request.priority)
        _limit(len(request.acknowledged), MAX_SLICES, "acknowledged")
        marks = [
            Acknowledged(
                mark.tenant,
                mark.member_id,
                mark.device_id,
                _position(mark.position, "acknowledged.position"),
            )
            for mark in request.acknowledged
        ]
        await self._inbox.keep_acknowledged(self._priority, marks)
        return pb.KeepAcknowledgedResponse()

    def _expect(self, priority: int) -> None:
        if priority != self._priority:
            raise WrongState(
                Reason.NOT_READY,
                f"lane {priority} is not served here: {self._priority.word} is",
            )


def _limit(count: int, most: int, field: str) -> None:
    if count > most:
        raise CallerFault(Reason.TOO_LARGE, f"{count} {field}, {most} at most", field=field)


def _position(position: int, field: str) -> int:
    if not 0 <= position <= MAX_POSITION:
        raise CallerFault(Reason.INVALID, f"{position} is no position", field=field)
    return position


def _slice(wanted: pb.Slice) -> Slice:
    return Slice(
        wanted.tenant,
        wanted.member_id,
        wanted.device_id,
        _position(wanted.after, "slices.after"),
        wanted.max_rows,
        wanted.max_bytes,
    )


def _page(page: Page) -> pb.Page:
    return pb.Page(
        rows=[pb.StoredRow(position=row.position, row=row.row) for row in page.rows],
        more=page.more,
        through=page.through,
        mark=page.mark,
        acknowledged=page.acknowledged,
        left_out_through=page.left_out_through,
    )
