import pytest

from gateway.devices.cursor import Cursor
from gateway.devices.gaps import lane_names
from gateway.devices.outbox import Budget, Outbox
from gateway.devices.session import FrameLimits, Session
from reno.domain.priority import LANES, Priority
from reno.ports import Page
from reno.v1.notification_pb2 import VIA_CATCH_UP, VIA_PUSH, Gap
from reno.v1.notification_service_pb2 import (
    START_AT_LATEST,
    START_AT_START,
    SubscribeResponse,
)
from tests.gateway.devices.rows import PHONE, TV, a_row
from tests.gateway.devices.surroundings import a_gateway

pytestmark = pytest.mark.usefixtures("each_transport")


async def test_the_first_frame_comes_at_once_and_then_it_is_current() -> None:
    async with a_gateway() as around:
        client = around.subscribe(TV)
        first = await client.frame()
        assert first.session.id
        assert first.session.checkpoint_interval.seconds == 15
        assert not first.cursor
        assert (await client.caught_up()).cursor


async def test_a_live_session_is_pushed_to() -> None:
    async with a_gateway() as around:
        client = around.subscribe(PHONE)
        await client.caught_up()
        pushed = await around.push(a_row("e-1"), a_row("e-2"))
        while len(client.positions) < 2:
            frame = await client.notified()
            assert {n.via for n in frame.notifications} == {VIA_PUSH}
            assert {n.action for n in frame.notifications} == {"sync_list"}
        assert client.positions == pushed


async def test_what_was_stored_before_is_caught_up_and_resumed_by_cursor() -> None:
    """Resumable, Ordered."""
    async with a_gateway() as around:
        stored = [row.position for row in await around.store(*(a_row() for _ in range(450)))]
        client = around.subscribe(TV, max_batch=100)
        while len(client.positions) < 200:
            await client.frame()
        client.call.cancel()
        again = around.subscribe(TV, cursor=client.cursor)
        assert (await again.frame()).cursor
        await again.caught_up()
        assert client.positions + again.positions == stored


async def test_after_push_until_it_is_no_push() -> None:
    """Fresh."""
    async with a_gateway() as around:
        client = around.subscribe(TV)
        await client.caught_up()
        await around.push(a_row(push_until_ms=1))
        frame = await client.notified()
        assert [n.via for n in frame.notifications] == [VIA_CATCH_UP]


async def test_an_expired_row_is_never_shown() -> None:
    async with a_gateway() as around:
        client = around.subscribe(TV)
        await client.caught_up()
        _expired, shown = await around.push(a_row(expires_at_ms=1), a_row())
        await client.notified()
        assert client.positions == [shown]


async def test_no_device_sees_what_is_not_for_it_and_it_costs_no_read() -> None:
    """Private."""
    async with a_gateway() as around:
        tv, phone = around.subscribe(TV), around.subscribe(PHONE)
        await tv.caught_up()
        await phone.caught_up()
        reads = around.inbox.reads
        first, second, third = await around.push(
            a_row(classes=["phone"]), a_row(origin="phone-1"), a_row()
        )
        while len(tv.positions) < 2:
            await tv.notified()
        while len(phone.positions) < 2:
            await phone.notified()
        assert tv.positions == [second, third]
        assert phone.positions == [first, third]
        assert around.inbox.reads == reads


async def test_a_lost_deliver_is_healed_by_the_next() -> None:
    async with a_gateway() as around:
        client = around.subscribe(TV)
        await client.caught_up()
        (lost,) = await around.store(a_row())
        (seen,) = await around.push(a_row())
        while len(client.positions) < 2:
            await client.notified()
        assert client.positions == [lost.position, seen]
        await client.caught_up()


async def test_a_lost_deliver_is_healed_by_the_look() -> None:
    async with a_gateway(look_interval_s=0.3) as around:
        client = around.subscribe(TV)
        await client.caught_up()
        (lost,) = await around.store(a_row())
        await client.notified()
        assert client.positions == [lost.position]
        await client.caught_up()


async def test_a_lost_deliver_is_healed_by_resync_and_by_a_new_attachment() -> None:
    async with a_gateway() as around:
        client = around.subscribe(TV)
        await client.caught_up()
        (lost,) = await around.store(a_row())
        await around.deliver([], resync=True)
        await client.notified()
        await client.caught_up()
        (other,) = await around.store(a_row(), priority=Priority.LOW)
        around.announcer.know([around.announcer.began_places[0].number], again=True)
        await client.notified()
        assert client.positions == [lost.position, other.position]


async def test_a_session_that_presence_confirms_late_reads_again() -> None:
    async with a_gateway(register_wait_s=0.02) as around:
        around.announcer.knows_at_once = False
        client = around.subscribe(TV)
        await client.caught_up()
        (lost,) = await around.store(a_row())
        around.announcer.know([around.announcer.began_places[0].number])
        await client.notified()
        assert client.positions == [lost.position]


async def test_a_lane_that_does_not_answer_holds_up_no_other() -> None:
    """Isolated, Truthful."""
    async with a_gateway() as around:
        around.inbox.silent = {Priority.HIGH}
        (high,) = await around.store(a_row(), priority=Priority.HIGH)
        (medium,) = await around.store(a_row())
        client = around.subscribe(TV, start_at=START_AT_START)
        while not client.positions:
            frame = await client.frame()
            assert not frame.caught_up
        said = await client.until(lambda frame: True) if not frame.missing else frame
        assert list(said.missing) == lane_names([Priority.HIGH])
        around.inbox.silent = set()
        frame = await client.caught_up()
        assert not frame.missing
        assert client.positions == [medium.position, high.position]


async def test_a_cursor_from_before_a_lane_answered_still_begins_where_it_should() -> None:
    async with a_gateway() as around:
        (old,) = await around.store(a_row(), priority=Priority.HIGH)
        around.inbox.silent = {Priority.HIGH}
        client = around.subscribe(TV, start_at=START_AT_LATEST)
        await client.until(lambda frame: len(frame.missing) > 0)
        around.inbox.silent = set()
        again = around.subscribe(TV, cursor=client.cursor)
        await again.caught_up()
        (new,) = await around.push(a_row(), priority=Priority.HIGH)
        await again.notified()
        assert again.positions == [new]
        assert new > old.position


async def test_a_checkpoint_comes_at_least_every_interval() -> None:
    async with a_gateway(checkpoint_interval_s=0.1) as around:
        client = around.subscribe(TV)
        await client.caught_up()
        for _ in range(3):
            frame = await client.frame()
            assert frame.cursor
            assert not frame.notifications


async def test_a_cursor_from_the_future_is_said_and_all_that_is_kept_comes_again() -> None:
    async with a_gateway() as elsewhere:
        for _ in range(5):
            await elsewhere.store(a_row())
        ahead = elsewhere.subscribe(TV)
        await ahead.caught_up()
    async with a_gateway() as around:
        (kept,) = await around.store(a_row())
        client = around.subscribe(TV, cursor=ahead.cursor)
        frame = await client.until(lambda frame: frame.HasField("gap"))
        assert frame.gap.reason == Gap.REASON_FUTURE
        assert list(frame.gap.priorities) == lane_names([Priority.MEDIUM])
        await client.caught_up()
        assert client.positions == [kept.position]


async def test_resumable_a_break_between_two_gaps_hides_none() -> None:
    """Whatever frame is the last one that the device got: its cursor says again what was not said yet."""
    ahead = dict.fromkeys(LANES, 100)
    session = Session(TV, ahead, Outbox(9, 1 << 20, Budget(1 << 30)), FrameLimits(3, 1 << 20))
    for lane in LANES:
        session.begin_lane(lane, Page([], False, 100, 5, 0), 0)
    said: set[int] = set()
    while (handed := session.next_frame(0, checkpoint=False)) is not None:
        frame = SubscribeResponse.FromString(handed.frame)
        said.update(frame.gap.priorities)
        positions = Cursor.open(frame.cursor, TV).positions
        assert said == {lane for lane in LANES if positions[lane] == 0}
    assert said == set(LANES)


async def test_merging_spares_a_slow_device() -> None:
    async with a_gateway() as around:
        rows = await around.store(*(a_row(scope=f"s-{n % 3}") for n in range(100)))
        client = around.subscribe(TV)
        await client.caught_up()
        assert client.positions == [row.position for row in rows[-3:]]


async def test_a_store_only_row_wakes_nobody_and_is_not_lost() -> None:
    async with a_gateway() as around:
        client = around.subscribe(TV)
        await client.caught_up()
        await around.push(a_row("quiet", store_only=True))
        await around.push(a_row("loud"))
        while len(client.positions) < 2:
            frame = await client.notified()
        assert [n.via for n in frame.notifications] == [VIA_CATCH_UP, VIA_PUSH]
