from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.ingestion.admission import Admission, Gatekeeper
from gateway.ingestion.columns import columns_of
from gateway.ingestion.refusal import Refusal
from gateway.ingestion.requests import batch_of
from gateway.ingestion.resolving import policies_of
from reno.config.settings import IngestionSettings
from reno.domain.member import event_identity, member_key, shard_of
from reno.domain.priority import Priority
from reno.domain.reason import Reason
from reno.v1.envelope_pb2 import Row
from reno.v1.event_pb2 import Event
from tests.gateway.ingestion.examples import BACKEND, CATALOGUE, NOW_MS, event

SHARDS = {Priority.HIGH: 1, Priority.MEDIUM: 4, Priority.LOW: 7}
FULL = Refusal(Reason.FULL, "")
LIMITS = IngestionSettings(max_payload_bytes=10)


def admit(
    events: list[Event],
    *,
    malformed: frozenset[int] = frozenset(),
    limits: IngestionSettings = LIMITS,
    shut: frozenset[tuple[Priority, int]] = frozenset(),
) -> Admission:
    keeper = Gatekeeper(policies_of(CATALOGUE), limits)

    def full(lane: Priority, number: int) -> Refusal | None:
        return FULL if (lane, number) in shut else None

    batch = batch_of(events, malformed)
    return keeper.admit(batch, columns_of(events), BACKEND, SHARDS, full, NOW_MS, "")


_events = st.builds(
    event,
    st.integers(0, 20),
    type=st.sampled_from(["plain", "merging", "echoing", "unheard-of"]),
    member_id=st.sampled_from(["anna", "ben", "cleo", ""]),
    merge_key=st.sampled_from(["", "p1"]),
    payload=st.binary(max_size=12),
)


@given(st.lists(_events, min_size=1, max_size=30))
@settings(max_examples=60)
def test_every_event_is_refused_or_in_one_shard_in_order(events: list[Event]) -> None:
    admission = admit(events)
    places = list(admission.refusals)
    for lane, parts in admission.parts.items():
        for number, part in parts.items():
            assert part.indexes == sorted(part.indexes)
            places += part.indexes
            for index, row in zip(part.indexes, part.rows, strict=True):
                given_event = events[index]
                assert row.member_key == member_key("", given_event.member_id)
                assert Row.FromString(row.row).event == given_event
                assert row.identity == event_identity(
                    "", "billing", given_event.member_id, given_event.id
                )
                assert CATALOGUE[given_event.type].priority is lane
                assert admission.priorities[index] is lane
                assert number == shard_of(member_key("", given_event.member_id), SHARDS[lane])
    assert sorted(places) == list(range(len(events)))


@given(
    # A repeat in another lane is taken where its first one found no room.
    st.lists(_events, min_size=1, max_size=20, unique_by=lambda each: each.id),
    st.frozensets(st.integers(0, 3), min_size=1),
)
@settings(max_examples=60)
def test_isolated_a_shard_that_is_shut_refuses_its_own_events_and_no_other(
    events: list[Event], numbers: frozenset[int]
) -> None:
    shut = frozenset((Priority.MEDIUM, number) for number in numbers)
    before, after = admit(events), admit(events, shut=shut)
    for lane, parts in before.parts.items():
        for number, part in parts.items():
            if (lane, number) in shut:
                assert {after.refusals[index] for index in part.indexes} <= {FULL}
                assert after.parts[lane][number].rows == []
            else:
                assert after.parts[lane][number] == part


def test_one_bad_event_never_fails_its_neighbours() -> None:
    events = [
        event(0),
        event(1, type="unheard-of"),
        event(2, payload=b"x" * 11),
        event(3, payload=b"x" * 10),
        Event(),
        event(0),
        event(0, member_id="ben"),
    ]
    admission = admit(events, malformed=frozenset({4}))
    assert {index: refusal.reason for index, refusal in admission.refusals.items()} == {
        1: Reason.UNKNOWN_TYPE,
        2: Reason.TOO_LARGE,
        4: Reason.MALFORMED,
        5: Reason.DUPLICATE,
    }


def test_a_repeat_counts_only_after_a_first_that_was_taken() -> None:
    admission = admit([event(0, payload=b"x" * 11), event(0)])
    assert {index: refusal.reason for index, refusal in admission.refusals.items()} == {
        0: Reason.TOO_LARGE
    }


def test_a_row_that_fits_into_no_envelope_is_refused() -> None:
    limits = IngestionSettings(max_envelope_bytes=200)
    admission = admit([event(0), event(1, payload=b"x" * 200)], limits=limits)
    assert {index: refusal.reason for index, refusal in admission.refusals.items()} == {
        1: Reason.TOO_LARGE
    }
