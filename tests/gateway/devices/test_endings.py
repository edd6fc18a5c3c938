import asyncio

import grpc
import pytest

from gateway.devices.merging import Shown
from gateway.devices.outbox import Outbox
from gateway.devices.session import FrameLimits, Session
from gateway.devices.stream import Stream
from reno.domain.identity import Device
from reno.domain.priority import LANES
from reno.errors import WrongState
from reno.v1.notification_service_pb2 import (
    AcknowledgeRequest,
    SubscribeRequest,
)
from reno.v1.notification_service_pb2_grpc import NotificationServiceStub
from tests.gateway.devices.rows import PHONE, TV, a_row, a_view
from tests.gateway.devices.surroundings import Client, a_gateway, eventually, who

pytestmark = pytest.mark.usefixtures("each_transport")


async def test_the_same_device_replaces_its_session_and_another_does_not() -> None:
    async with a_gateway() as around:
        old = around.subscribe(TV)
        await old.caught_up()
        other = around.subscribe(PHONE)
        await other.caught_up()
        new = around.subscribe(TV)
        assert await old.end() == (grpc.StatusCode.ABORTED, "SESSION_REPLACED")
        await new.caught_up()
        (pushed,) = await around.push(a_row())
        await new.notified()
        await other.notified()
        assert new.positions == other.positions == [pushed]
        assert around.announcer.ended_numbers == [1]


async def test_too_many_sessions_of_a_member() -> None:
    """Bounded."""
    async with a_gateway(max_sessions_per_member=2) as around:
        for name in ("a", "b"):
            await around.subscribe(Device("", "anna", name, "tv")).frame()
        full = around.subscribe(TV)
        assert await full.end() == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_SESSIONS")
        client = around.subscribe(Device("", "bert", "tv-1", "tv"))
        await client.frame()
        again = around.subscribe(Device("", "anna", "a", "tv"))
        await again.frame()


async def test_a_device_that_goes_leaves_nothing_behind() -> None:
    async with a_gateway(max_sessions_per_member=1) as around:
        for number in range(1, 4):
            client = around.subscribe(TV)
            await client.frame()
            client.call.cancel()
            await eventually(lambda number=number: number in around.announcer.ended_numbers)  # type: ignore[misc]


async def test_a_device_that_does_not_read_is_ended_and_disturbs_nobody() -> None:
    """Isolated, Bounded, Resumable."""
    async with a_gateway(stalled_after_s=0.3) as around:
        big = b"x" * 30_000
        stalled = around.subscribe(TV)
        await stalled.caught_up()
        reader = around.subscribe(PHONE)
        await reader.caught_up()
        pushed: list[int] = []
        while 1 not in around.announcer.ended_numbers:
            pushed += await around.push(*(a_row(payload=big) for _ in range(10)))
            while len(reader.positions) < len(pushed):
                await reader.notified()
        assert reader.positions == pushed
        assert await stalled.end() == (grpc.StatusCode.RESOURCE_EXHAUSTED, "STALLED")
        again = around.subscribe(TV, cursor=stalled.cursor)
        await again.caught_up()
        assert stalled.positions + again.positions == pushed


async def test_bounded_a_device_that_takes_not_even_its_first_frame_is_let_go() -> None:
    async with a_gateway(stalled_after_s=0.3) as around:
        window = ("grpc.http2.lookahead_bytes", 5), ("grpc.http2.bdp_probe", 0)
        async with grpc.aio.insecure_channel(
            around.role.addresses["devices"], options=window
        ) as channel:
            call = NotificationServiceStub(channel).Subscribe(SubscribeRequest(), metadata=who(TV))
            await eventually(lambda: around.announcer.ended_numbers == [1])
            assert await Client(call).end() == (grpc.StatusCode.RESOURCE_EXHAUSTED, "STALLED")


async def test_bounded_a_call_that_is_cancelled_twice_gives_its_bytes_back() -> None:
    async with a_gateway() as around:
        door = around.role._door
        outbox = Outbox(9, 1 << 20, door.budget)
        session = Session(TV, dict.fromkeys(LANES, 0), outbox, FrameLimits(3, 1 << 20))
        is_writing, is_left, may_end = asyncio.Event(), asyncio.Event(), asyncio.Event()

        async def write(_frame: bytes) -> None:
            is_writing.set()
            try:
                await may_end.wait()
            finally:
                is_left.set()
                await may_end.wait()

        call = asyncio.create_task(Stream(door, session, 1, resumes=False).run(write))
        await is_writing.wait()
        outbox.add(LANES[0], Shown(a_view(1)))
        call.cancel()
        await is_left.wait()
        call.cancel()
        may_end.set()
        await asyncio.wait({call})
        assert door.budget.used_bytes == 0


async def test_a_draining_gateway_sends_its_devices_away_with_a_cursor() -> None:
    async with a_gateway() as around:
        client = around.subscribe(TV)
        await client.caught_up()
        await around.door().Acknowledge(AcknowledgeRequest(cursor=client.cursor), metadata=who(TV))
        draining = asyncio.create_task(around.role.drain())
        frame = await client.until(lambda frame: frame.HasField("reconnect"))
        assert frame.cursor
        assert await client.end() == (grpc.StatusCode.UNAVAILABLE, "DRAINING")
        await draining
        assert around.announcer.is_stopped
        assert around.announcer.ended_numbers == [1]


async def test_a_stream_ends_with_its_life() -> None:
    async with a_gateway(stream_life_s=0.2) as around:
        client = around.subscribe(TV)
        await client.until(lambda frame: frame.HasField("reconnect"))
        assert await client.end() == (grpc.StatusCode.UNAVAILABLE, "DRAINING")


async def test_broken_requests() -> None:
    async with a_gateway() as around:
        client = around.subscribe(TV, max_batch=-1)
        assert await client.end() == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID")
        client = around.subscribe(TV, cursor="no cursor of ours")
        assert await client.end() == (grpc.StatusCode.INVALID_ARGUMENT, "CURSOR_MALFORMED")
        mine = around.subscribe(TV)
        await mine.caught_up()
        client = around.subscribe(PHONE, cursor=mine.cursor)
        assert await client.end() == (grpc.StatusCode.PERMISSION_DENIED, "CURSOR_FOREIGN")
        call = around.door().Subscribe(SubscribeRequest())
        assert await call.code() == grpc.StatusCode.UNAUTHENTICATED


async def test_a_fenced_gateway_fails() -> None:
    async with a_gateway() as around:
        failing = asyncio.create_task(around.role.wait())
        around.announcer.fence()
        with pytest.raises(WrongState):
            await failing
