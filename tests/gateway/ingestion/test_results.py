from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ingestion.refusal import Refusal, batch_refusal, error_of
from gateway.ingestion.results import Results, batch_response, stream_response
from reno.domain.position import MAX_POSITION, UNPLACED
from reno.domain.priority import LANES, Priority
from reno.domain.reason import Reason
from reno.errors import CallerFault, RenoError, TryLater, Unavailable, WrongState
from reno.v1.ingestion_service_pb2 import (
    PublishBatchResponse,
    PublishResult,
    PublishStreamResponse,
)
from reno.v1.reason_pb2 import Reason as ReasonProto

RESULTS = Results(
    [Priority.HIGH, None, Priority.LOW, Priority.LOW],
    [
        4096,
        Refusal(Reason.INVALID, "empty", "member_id"),
        Refusal(Reason.UNCERTAIN, "again", retry_after_s=1.5),
        8192,
    ],
    [1, 2],
)


def answers(results: Results) -> list[Sequence[PublishResult]]:
    streamed = PublishStreamResponse.FromString(stream_response(7, results))
    assert streamed.batch_id == 7
    return [
        PublishBatchResponse.FromString(batch_response(results)).results,
        streamed.results,
    ]


def test_each_event_has_its_result() -> None:
    for first, second, third, fourth in answers(RESULTS):
        assert (first.status, first.priority, first.position) == (
            PublishResult.STATUS_ACCEPTED,
            1,
            4096,
        )
        assert not first.HasField("refusal")
        assert (second.status, second.priority) == (PublishResult.STATUS_REFUSED, 0)
        assert (second.refusal.reason, second.refusal.field) == (
            ReasonProto.REASON_INVALID,
            "events[1].member_id",
        )
        assert not second.refusal.HasField("retry_after")
        assert (third.status, third.refusal.field) == (PublishResult.STATUS_UNCERTAIN, "")
        assert third.refusal.retry_after.ToMilliseconds() == 1500
        assert (fourth.priority, fourth.position) == (3, 8192)


@given(st.lists(st.tuples(st.sampled_from(LANES), st.integers(UNPLACED, MAX_POSITION))))
def test_every_place_is_told_as_it_is(accepted: list[tuple[Priority, int]]) -> None:
    results = Results([lane for lane, _ in accepted], [place for _, place in accepted], [])
    for told in answers(results):
        assert [(int(each.priority), each.position) for each in told] == accepted
        assert {each.status for each in told} <= {PublishResult.STATUS_ACCEPTED}


@pytest.mark.parametrize(
    ("refusal", "error", "field"),
    [
        (Refusal(Reason.MALFORMED, "", ""), CallerFault, "event"),
        (Refusal(Reason.INVALID, "", "id"), CallerFault, "event.id"),
        (Refusal(Reason.STALE, "", "occurred_at"), WrongState, "event.occurred_at"),
        (Refusal(Reason.FULL, "", retry_after_s=1.0), TryLater, ""),
        (Refusal(Reason.UNCERTAIN, ""), Unavailable, ""),
        (Refusal(Reason.NOT_READY, ""), Unavailable, ""),
    ],
)
def test_refusals_as_errors(refusal: Refusal, error: type[RenoError], field: str) -> None:
    got = error_of(refusal, "event")
    assert (type(got), got.reason, got.field) == (error, refusal.reason, field)


def test_a_batch_is_worth_a_repeat_only_where_the_door_was_the_cause() -> None:
    assert batch_refusal(Unavailable(Reason.DRAINING, ""), 2.0).retry_after.seconds == 2
    refusal = batch_refusal(CallerFault(Reason.TOO_LARGE, "", field="events"), 2.0)
    assert refusal.field == "events"
    assert not refusal.HasField("retry_after")
