import asyncio
from collections.abc import Sequence
from typing import Any

import grpc
import pytest

from gateway.devices import door, pulling
from gateway.devices.cursor import Cursor
from gateway.devices.gaps import lane_names
from reno.domain.identity import Device
from reno.domain.priority import LANES, Priority
from reno.ports import Acknowledged, Page, Slice
from reno.v1.notification_pb2 import VIA_PULL
from reno.v1.notification_service_pb2 import (
    START_AT_LATEST,
    START_AT_START,
    AcknowledgeRequest,
    PullRequest,
    PullResponse,
)
from tests.gateway.devices.rows import PHONE, TV, a_row
from tests.gateway.devices.surroundings import Surroundings, a_gateway, eventually, who

pytestmark = pytest.mark.usefixtures("each_transport")


async def pull(around: Surroundings, device: Device = TV, **request: Any) -> PullResponse:
    answer = await around.door().Pull(PullRequest(**request), metadata=who(device))
    assert isinstance(answer, PullResponse)
    return answer


async def pull_all(around: Surroundings, **request: Any) -> tuple[list[int], str]:
    positions: list[int] = []
    while True:
        page = await pull(around, **request)
        positions += [notification.position for notification in page.notifications]
        request["cursor"] = page.cursor
        if not page.more:
            return positions, page.cursor


def reason(error: pytest.ExceptionInfo[grpc.aio.AioRpcError]) -> tuple[grpc.StatusCode, str]:
    return error.value.code(), (error.value.details() or "").partition(":")[0]


async def test_pages_go_through_every_lane_high_first() -> None:
    """Resumable, Ordered."""
    async with a_gateway() as around:
        stored = {}
        for lane in reversed(LANES):
            rows = await around.store(*(a_row() for _ in range(30)), priority=lane)
            stored[lane] = [row.position for row in rows]
        positions, cursor = await pull_all(around, page_size=7)
        assert positions == [
            *stored[Priority.HIGH],
            *stored[Priority.MEDIUM],
            *stored[Priority.LOW],
        ]
        assert (await pull_all(around, cursor=cursor))[0] == []
        page = await pull(around, start_at=START_AT_START)
        assert {n.via for n in page.notifications} == {VIA_PULL}
        assert page.notifications[0].action == "refresh_row"


async def test_a_cursor_goes_from_push_to_pull_and_back() -> None:
    """Resumable, Once."""
    async with a_gateway() as around:
        client = around.subscribe(TV)
        await client.caught_up()
        first = await around.push(a_row())
        await client.notified()
        client.call.cancel()
        second = [row.position for row in await around.store(a_row(), a_row())]
        positions, cursor = await pull_all(around, cursor=client.cursor, page_size=1)
        assert client.positions + positions == first + second
        again = around.subscribe(TV, cursor=cursor)
        await again.caught_up()
        third = await around.push(a_row())
        await again.notified()
        assert again.positions == third


async def test_giving_a_cursor_back_acknowledges_before_it_is_written() -> None:
    async with a_gateway(acknowledge_interval_s=3600) as around:
        await around.store(a_row())
        seen, cursor = await pull_all(around)
        assert len(seen) == 1
        assert (await pull_all(around))[0] == seen
        await pull(around, cursor=cursor)
        assert (await pull_all(around))[0] == []
        assert (await pull_all(around, device=PHONE))[0] == seen


async def test_an_acknowledgement_is_written_and_tried_again() -> None:
    async with a_gateway() as around:
        (row,) = await around.store(a_row())
        _seen, cursor = await pull_all(around)
        around.inbox.silent = {Priority.MEDIUM}
        await around.door().Acknowledge(AcknowledgeRequest(cursor=cursor), metadata=who(TV))
        around.inbox.silent = set()
        kept = around.inbox._acknowledged
        await eventually(lambda: max(kept.values(), default=0) >= row.position)
        assert (await pull_all(around))[0] == []


@pytest.mark.parametrize("comes_back", ["pulls", "subscribes"])
async def test_once_an_acknowledgement_that_is_written_during_a_read_counts(
    comes_back: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page was read before it, and is answered when it no longer waits."""
    async with a_gateway() as around:
        await around.store(a_row())
        _seen, cursor = await pull_all(around)
        inbox, was_read = around.inbox, asyncio.Event()
        read, keep = inbox.read, inbox.keep_acknowledged
        waiting = around.role._door.acknowledging._waiting

        async def keep_after_read(priority: Priority, marks: Sequence[Acknowledged]) -> None:
            await was_read.wait()
            await keep(priority, marks)

        async def read_before_kept(
            priority: Priority, slices: Sequence[Slice], now_ms: int
        ) -> list[Page]:
            pages = await read(priority, slices, now_ms)
            if priority is Priority.MEDIUM:
                was_read.set()
                await eventually(lambda: not waiting[Priority.MEDIUM])
            return pages

        monkeypatch.setattr(inbox, "keep_acknowledged", keep_after_read)
        monkeypatch.setattr(inbox, "read", read_before_kept)
        await around.door().Acknowledge(AcknowledgeRequest(cursor=cursor), metadata=who(TV))
        if comes_back == "pulls":
            assert not (await pull(around)).notifications
        else:
            client = around.subscribe(TV)
            await client.caught_up()
            assert client.positions == []


async def test_acknowledgements_are_bounded() -> None:
    """Bounded."""
    async with a_gateway(max_acknowledged_waiting=1, acknowledge_interval_s=3600) as around:
        await around.store(a_row())
        door = around.door()
        for device in (TV, PHONE):
            _seen, cursor = await pull_all(around, device=device)
            if device == TV:
                await door.Acknowledge(AcknowledgeRequest(cursor=cursor), metadata=who(TV))
        with pytest.raises(grpc.aio.AioRpcError) as full:
            await door.Acknowledge(AcknowledgeRequest(cursor=cursor), metadata=who(PHONE))
        assert reason(full) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "FULL")


async def test_a_silent_lane_is_said_and_comes_later() -> None:
    """Isolated."""
    async with a_gateway() as around:
        (high,) = await around.store(a_row(), priority=Priority.HIGH)
        (low,) = await around.store(a_row(), priority=Priority.LOW)
        around.inbox.silent = {Priority.HIGH}
        page = await pull(around)
        assert [n.position for n in page.notifications] == [low.position]
        assert page.more
        assert list(page.missing) == lane_names([Priority.HIGH])
        around.inbox.silent = set()
        page = await pull(around, cursor=page.cursor)
        assert [n.position for n in page.notifications] == [high.position]
        assert not page.more
        around.inbox.silent = set(LANES)
        with pytest.raises(grpc.aio.AioRpcError) as absent:
            await pull(around)
        assert reason(absent) == (grpc.StatusCode.UNAVAILABLE, "NOT_READY")


async def test_pages_with_nothing_for_the_device_are_stepped_over() -> None:
    """Private."""
    async with a_gateway(max_page_rows=5) as around:
        rows = [a_row(classes=["phone"]) for _ in range(100)]
        *_, mine = await around.store(*rows, a_row())
        assert (await pull_all(around))[0] == [mine.position]


async def test_latest_begins_with_what_comes() -> None:
    async with a_gateway() as around:
        await around.store(a_row())
        page = await pull(around, start_at=START_AT_LATEST)
        assert not page.notifications
        (new,) = await around.store(a_row())
        page = await pull(around, cursor=page.cursor)
        assert [n.position for n in page.notifications] == [new.position]


async def test_merging_in_pages_loses_no_newest() -> None:
    async with a_gateway() as around:
        rows = await around.store(*(a_row(scope=f"s-{n % 10}") for n in range(50)))
        positions, _cursor = await pull_all(around, page_size=3)
        assert positions == [row.position for row in rows[-10:]]
        page = await pull(around, start_at=START_AT_START)
        assert [n.merged for n in page.notifications] == [4] * 10


async def test_garbage_is_refused() -> None:
    async with a_gateway() as around:
        send: Any = around.devices.unary_unary("/reno.v1.NotificationService/Pull")
        with pytest.raises(grpc.aio.AioRpcError) as malformed:
            await send(b"\xff\xff\xff", metadata=who(TV))
        assert reason(malformed) == (grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED")
        with pytest.raises(grpc.aio.AioRpcError) as nobody:
            await around.door().Pull(PullRequest())
        assert reason(nobody) == (grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED")
        with pytest.raises(grpc.aio.AioRpcError) as invalid:
            await around.door().Acknowledge(AcknowledgeRequest(), metadata=who(TV))
        assert reason(invalid) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID")


async def test_fresh_a_clock_that_jumps_back_while_it_reads_dates_no_page_ahead(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_ms, hour_ms = door.now_ms(), 3_600_000
    clock = iter([now_ms + hour_ms])
    monkeypatch.setattr(pulling, "now_ms", lambda: next(clock, now_ms))
    async with a_gateway() as around:
        await around.store(a_row(expires_at_ms=now_ms + hour_ms // 2))
        page = await pull(around, start_at=START_AT_START)
    assert len(page.notifications) == 1
    assert Cursor.parse(page.cursor).issued_at_ms == now_ms
