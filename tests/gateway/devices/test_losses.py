"""Resumable: a device whose cursor is older than the loss of a log is told, once for each cursor that crosses it, and nothing of it stops what follows."""

from collections.abc import Collection

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.devices.gaps import crosses_loss, lane_gap, lane_names
from gateway.devices.untold import UntoldGaps
from reno.domain.position import generation_of, mark_of, position_of
from reno.domain.priority import Priority
from reno.v1.notification_pb2 import Gap
from reno.v1.notification_service_pb2 import (
    START_AT_LATEST,
    START_AT_START,
    AcknowledgeRequest,
    SubscribeResponse,
)
from tests.gateway.devices.rows import TV, a_row
from tests.gateway.devices.surroundings import a_gateway, who
from tests.gateway.devices.test_pull import pull, pull_all

pytestmark = pytest.mark.usefixtures("each_transport")


HIGH, MEDIUM = Priority.HIGH, Priority.MEDIUM


def says(answer: SubscribeResponse, lanes: Collection[Priority]) -> bool:
    return answer.gap == lane_gap(Gap.REASON_LOG_LOST, lanes)


@given(st.integers(0, 3), st.integers(0, 3), st.integers(1, 9), st.integers(1, 9))
def test_only_who_counted_on_something_crosses_a_loss(
    before: int, after: int, one: int, other: int
) -> None:
    assert crosses_loss(position_of(before, one, 0), position_of(after, other, 0)) == (
        after > before
    )
    assert not crosses_loss(0, position_of(after, other, 0))


def test_a_cursor_stays_before_a_gap_until_it_is_said() -> None:
    gaps = UntoldGaps([Gap(reason=Gap.REASON_EXPIRED)])
    gaps.owe(Gap.REASON_OVERFLOW, HIGH, 70)
    gaps.owe(Gap.REASON_LOG_LOST, HIGH, 50)
    gaps.owe(Gap.REASON_LOG_LOST, HIGH, 60)
    gaps.owe(Gap.REASON_LOG_LOST, MEDIUM, 5)
    said = []
    held = []
    while gaps:
        gap = gaps.next()
        assert gap is not None
        said.append((gap.reason, list(gap.priorities)))
        held.append((gaps.hold(HIGH, 90), gaps.hold(MEDIUM, 90)))
    assert gaps.next() is None
    assert said == [
        (Gap.REASON_EXPIRED, []),
        (Gap.REASON_LOG_LOST, lane_names([HIGH, MEDIUM])),
        (Gap.REASON_OVERFLOW, lane_names([HIGH])),
    ]
    assert held == [(50, 5), (70, 90), (90, 90)]


async def test_a_pull_from_before_the_loss_is_told_and_gets_old_and_new() -> None:
    async with a_gateway() as around:
        await around.store(a_row())
        _, cursor = await pull_all(around)
        (old,) = await around.store(a_row())
        await around.lose(MEDIUM)
        (new,) = await around.store(a_row())
        page = await pull(around, cursor=cursor)
        assert page.gap == lane_gap(Gap.REASON_LOG_LOST, [MEDIUM])
        assert [each.position for each in page.notifications] == [old.position, new.position]
        assert generation_of(new.position) == 1
        assert not (await pull(around, cursor=page.cursor)).HasField("gap")


async def test_the_page_that_crosses_the_loss_says_so() -> None:
    async with a_gateway() as around:
        await around.store(a_row())
        _, cursor = await pull_all(around)
        await around.store(a_row(), a_row())
        await around.lose(MEDIUM)
        await around.store(a_row())
        said = []
        for _ in range(3):
            page = await pull(around, cursor=cursor, page_size=1)
            said.append(page.HasField("gap"))
            cursor = page.cursor
        assert said == [False, False, True]


async def test_nobody_is_told_who_counted_on_nothing() -> None:
    async with a_gateway() as around:
        await around.store(a_row())
        await around.lose(MEDIUM)
        assert not (await pull(around, start_at=START_AT_START)).HasField("gap")
        assert not (await pull(around, start_at=START_AT_LATEST)).HasField("gap")
        client = around.subscribe(TV, start_at=START_AT_START)
        assert not (await client.caught_up()).HasField("gap")


async def test_what_was_acknowledged_before_the_loss_counts_as_a_cursor() -> None:
    async with a_gateway() as around:
        await around.store(a_row())
        _, cursor = await pull_all(around)
        await around.door().Acknowledge(AcknowledgeRequest(cursor=cursor), metadata=who(TV))
        await around.lose(MEDIUM)
        assert (await pull(around)).gap.reason == Gap.REASON_LOG_LOST


async def test_two_gaps_at_once_are_said_one_after_the_other() -> None:
    """A page has room for one: the other lane waits, and nothing of it is skipped."""
    async with a_gateway() as around:
        await around.store(a_row(), priority=HIGH)
        await around.store(a_row(), sequence=7)
        _, cursor = await pull_all(around)
        await around.lose(HIGH)
        around.inbox.forget(MEDIUM)
        await around.store(a_row(), priority=HIGH)
        (again,) = await around.store(a_row(), sequence=1)
        first = await pull(around, cursor=cursor)
        assert first.gap == lane_gap(Gap.REASON_FUTURE, [MEDIUM])
        assert [each.position for each in first.notifications] == [again.position]
        assert first.more
        second = await pull(around, cursor=first.cursor)
        assert second.gap == lane_gap(Gap.REASON_LOG_LOST, [HIGH])
        assert len(second.notifications) == 1


async def test_a_stream_is_told_of_a_loss_before_it_and_of_one_while_it_lasts() -> None:
    async with a_gateway(look_interval_s=0.2) as around:
        await around.store(a_row())
        _, cursor = await pull_all(around)
        await around.lose(MEDIUM)
        client = around.subscribe(TV, cursor=cursor)
        await client.until(lambda frame: says(frame, [MEDIUM]))
        await client.caught_up()
        await around.lose(MEDIUM)
        # Nothing comes; it looks by itself.
        await client.until(lambda frame: says(frame, [MEDIUM]))
        (new,) = await around.push(a_row())
        await client.notified()
        assert client.positions == [new]
        assert generation_of(new) == 2
        client.call.cancel()
        assert not (await pull(around, cursor=client.cursor)).HasField("gap")


async def test_a_push_across_the_loss_is_told_too() -> None:
    """A processor that remembers the row before it may deliver it as the next one."""
    async with a_gateway(look_interval_s=600) as around:
        client = around.subscribe(TV, start_at=START_AT_START)
        await client.caught_up()
        (old,) = await around.push(a_row())
        await client.notified()
        await around.lose(MEDIUM)
        (new,) = await around.push(a_row())
        frame = await client.notified()
        assert says(frame, [MEDIUM])
        assert client.positions == [old, new]


async def test_who_is_older_than_what_a_read_shows_is_told() -> None:
    """GAP OVERFLOW, in pull and push alike, and then the newest rows."""
    async with a_gateway(max_page_rows=2) as around:
        around.inbox.show_at_most(4)
        await around.store(a_row())
        _, cursor = await pull_all(around)
        rows = [row.position for row in await around.store(*(a_row() for _ in range(6)))]
        page = await pull(around, cursor=cursor)
        assert page.gap == lane_gap(Gap.REASON_OVERFLOW, [MEDIUM])
        assert [each.position for each in page.notifications] == rows[2:4]
        page = await pull(around, cursor=page.cursor)
        assert not page.HasField("gap")
        assert [each.position for each in page.notifications] == rows[4:]
        client = around.subscribe(TV, cursor=cursor)
        overflow = lane_gap(Gap.REASON_OVERFLOW, [MEDIUM])
        await client.until(lambda frame: frame.gap == overflow)
        await client.caught_up()
        assert client.positions == rows[2:]


async def test_a_lane_that_lost_nothing_is_not_named() -> None:
    async with a_gateway() as around:
        await around.store(a_row(), priority=HIGH)
        await around.store(a_row())
        _, cursor = await pull_all(around)
        await around.lose(HIGH)
        page = await pull(around, cursor=cursor)
        assert page.gap == lane_gap(Gap.REASON_LOG_LOST, [HIGH])
        await around.lose(MEDIUM)
        page = await pull(around, cursor=page.cursor)
        assert page.gap == lane_gap(Gap.REASON_LOG_LOST, [MEDIUM])
        assert mark_of(1, 0) > 0
