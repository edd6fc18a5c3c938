"""Limits and refusals of the inbox's internal door."""

from typing import Any, cast

import pytest

from processor.inbox_service import InboxServicer, wall_clock_ms
from reno.adapters.memory_inbox import MemoryInbox
from reno.domain.priority import Priority
from reno.domain.reason import Reason
from reno.errors import CallerFault, WrongState
from reno.v1 import inbox_service_pb2 as pb
from reno.v1.event_pb2 import PRIORITY_HIGH, PRIORITY_LOW

NO_CONTEXT = cast(Any, None)


@pytest.fixture
def servicer() -> InboxServicer:
    return InboxServicer(MemoryInbox(1), Priority.HIGH)


def slices(count: int, max_bytes: int = 10) -> list[pb.Slice]:
    return [pb.Slice(member_id="anna", max_rows=1, max_bytes=max_bytes)] * count


async def test_a_thousand_slices_are_answered_and_one_more_is_too_large(
    servicer: InboxServicer,
) -> None:
    most = pb.ReadRequest(priority=PRIORITY_HIGH, slices=slices(1000))
    assert len((await servicer.Read(most, NO_CONTEXT)).pages) == 1000
    with pytest.raises(CallerFault) as refused:
        await servicer.Read(pb.ReadRequest(priority=PRIORITY_HIGH, slices=slices(1001)), NO_CONTEXT)
    assert (refused.value.reason, refused.value.field) == (Reason.TOO_LARGE, "slices")


async def test_slices_that_ask_for_too_much_in_sum_are_too_large(servicer: InboxServicer) -> None:
    request = pb.ReadRequest(priority=PRIORITY_HIGH, slices=slices(65, 1 << 20))
    with pytest.raises(CallerFault) as refused:
        await servicer.Read(request, NO_CONTEXT)
    assert (refused.value.reason, refused.value.field) == (Reason.TOO_LARGE, "slices")


async def test_too_many_marks_are_too_large(servicer: InboxServicer) -> None:
    marks = [pb.Acknowledged(member_id="anna", device_id="tv", position=1)] * 1001
    with pytest.raises(CallerFault) as refused:
        await servicer.KeepAcknowledged(
            pb.KeepAcknowledgedRequest(priority=PRIORITY_HIGH, acknowledged=marks), NO_CONTEXT
        )
    assert (refused.value.reason, refused.value.field) == (Reason.TOO_LARGE, "acknowledged")


async def test_another_lane_is_not_served_here(servicer: InboxServicer) -> None:
    for call in (
        servicer.Read(pb.ReadRequest(priority=PRIORITY_LOW), NO_CONTEXT),
        servicer.Read(pb.ReadRequest(), NO_CONTEXT),
        servicer.KeepAcknowledged(pb.KeepAcknowledgedRequest(priority=PRIORITY_LOW), NO_CONTEXT),
    ):
        with pytest.raises(WrongState) as refused:
            await call
        assert refused.value.reason is Reason.NOT_READY


async def test_a_position_that_cannot_be_is_invalid(servicer: InboxServicer) -> None:
    with pytest.raises(CallerFault) as refused:
        await servicer.Read(
            pb.ReadRequest(priority=PRIORITY_HIGH, slices=[pb.Slice(member_id="a", after=-1)]),
            NO_CONTEXT,
        )
    assert (refused.value.reason, refused.value.field) == (Reason.INVALID, "slices.after")
    mark = pb.Acknowledged(member_id="a", device_id="tv", position=-1)
    with pytest.raises(CallerFault):
        await servicer.KeepAcknowledged(
            pb.KeepAcknowledgedRequest(priority=PRIORITY_HIGH, acknowledged=[mark]), NO_CONTEXT
        )


def test_the_clock_is_in_unix_milliseconds() -> None:
    assert 1_700_000_000_000 < wall_clock_ms() < 5_000_000_000_000
