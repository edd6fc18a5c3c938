import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from gateway.ingestion.columns import columns_of
from gateway.ingestion.refusal import Refusal
from gateway.ingestion.requests import batch_of
from gateway.ingestion.resolving import Resolver, narrowed_targets, policies_of
from reno.domain.priority import Priority
from reno.domain.reason import Reason
from reno.gates import MAX_AHEAD_MS
from reno.v1.envelope_pb2 import Actions, Row
from reno.v1.event_pb2 import PRIORITY_MEDIUM, Event, Targets
from reno.wire.clock import to_ms
from reno.wire.logged_row import LoggedRow
from tests.gateway.ingestion.examples import (
    BACKEND,
    CATALOGUE,
    NOW_MS,
    TRACED,
    UNSAMPLED,
    at,
    event,
)

IDENTITY = b"twelve bytes"
KEY = b"\0anna"
POLICIES = policies_of(CATALOGUE)


def resolve_with(resolver: Resolver, given_event: Event) -> LoggedRow | Refusal:
    events = [given_event]
    return resolver.resolve([0], batch_of(events), columns_of(events), [KEY], [IDENTITY])[0]


_times = st.none() | st.builds(
    Timestamp,
    seconds=st.integers(-1, 1) | st.integers(NOW_MS // 1000 - 70, NOW_MS // 1000 + 70),
    nanos=st.integers(-1, 1_000_000_000),
)
_events = st.builds(
    event,
    st.integers(0, 9),
    type=st.just("merging"),
    merge_key=st.sampled_from(["", "p1"]),
    occurred_at=_times,
    ttl=st.sampled_from([None, Duration(seconds=1)]),
    targets=st.sampled_from([None, Targets(device_classes=["tv"])]),
    origin_device_id=st.sampled_from(["", "tv-1"]),
    traceparent=st.sampled_from(["", TRACED]),
)


@given(st.lists(_events), st.sets(st.integers(0, 9)))
def test_an_event_comes_to_the_same_alone_and_among_others(
    events: list[Event], wanted: set[int]
) -> None:
    resolver = Resolver(POLICIES["merging"], BACKEND, NOW_MS, "")
    columns, batch = columns_of(events), batch_of(events)
    keys = [b"\0%d" % index for index in range(len(events))]
    identities = [b"%012d" % index for index in range(len(events))]
    indexes = [index for index in range(len(events)) if index in wanted]
    assert resolver.resolve(indexes, batch, columns, keys, identities) == {
        index: resolver.row_of(
            events[index],
            batch.serialised[index],
            keys[index],
            identities[index],
            is_special=index in columns.special,
        )
        for index in indexes
    }


def resolve(given_event: Event, *, call_traceparent: str = "") -> LoggedRow | Refusal:
    resolver = Resolver(POLICIES[given_event.type], BACKEND, NOW_MS, call_traceparent)
    return resolve_with(resolver, given_event)


def logged(given_event: Event, *, call_traceparent: str = "") -> LoggedRow:
    row = resolve(given_event, call_traceparent=call_traceparent)
    assert isinstance(row, LoggedRow)
    return row


def resolved(given_event: Event) -> Row:
    return Row.FromString(logged(given_event).row)


def refused(given_event: Event) -> Refusal:
    row = resolve(given_event)
    assert isinstance(row, Refusal)
    return row


def test_a_row_carries_everything_that_was_decided() -> None:
    given_event = event(
        type="merging",
        merge_key="p1",
        payload=b"{}",
        content_type="application/json",
        occurred_at=at(NOW_MS - 4_000),
        origin_device_id="tv-1",
    )
    row = logged(given_event)
    assert row[1:-1] == (KEY, IDENTITY, 60_000, NOW_MS + 56_000, False, "")
    assert Row.FromString(row.row) == Row(
        source="billing",
        priority=PRIORITY_MEDIUM,
        accepted_at_ms=NOW_MS,
        push_until_ms=NOW_MS + 6_000,
        expires_at_ms=NOW_MS + 56_000,
        merges=True,
        event=given_event,
        actions=Actions(default_action="look", by_class={"tv": "stare"}).SerializeToString(),
        origin_device_id="tv-1",
    )


def test_without_occurred_at_it_counts_from_the_door() -> None:
    row = resolved(event())
    assert row.accepted_at_ms == NOW_MS
    assert row.push_until_ms == NOW_MS + 10_000


def test_the_epoch_is_a_time_like_any_other() -> None:
    assert refused(event(occurred_at=at(0))).reason is Reason.STALE


def test_the_event_stays_as_it_was_sent() -> None:
    given_event = event(occurred_at=at(NOW_MS - 1_000))
    given_event.occurred_at.nanos += 789
    assert resolved(given_event).event == given_event


@pytest.mark.parametrize(
    ("age_ms", "reason"),
    [
        (-MAX_AHEAD_MS - 1, Reason.FUTURE_TIME),
        (-MAX_AHEAD_MS, None),
        (-1, None),
        (0, None),
        (10_000, None),
        (10_001, Reason.STALE),
    ],
)
def test_the_gates_at_their_boundaries(age_ms: int, reason: Reason | None) -> None:
    row = resolve(event(occurred_at=at(NOW_MS - age_ms)))
    assert (row.reason if isinstance(row, Refusal) else None) is reason


@pytest.mark.parametrize(
    ("seconds", "reason"),
    [(-(1 << 63), Reason.STALE), ((1 << 63) - 1, Reason.FUTURE_TIME), (0, Reason.STALE)],
)
def test_absurd_times_are_refused(seconds: int, reason: Reason) -> None:
    given_event = event()
    given_event.occurred_at.seconds = seconds
    assert refused(given_event).reason is reason


@pytest.mark.parametrize("nanos", [-1, 1_000_000_000, -(1 << 31)])
def test_nanos_out_of_range_are_invalid(nanos: int) -> None:
    given_event = event(occurred_at=at(NOW_MS))
    given_event.occurred_at.nanos = nanos
    assert refused(given_event) == Refusal(
        Reason.INVALID, "nanos must be 0 to 999,999,999", "occurred_at"
    )


def test_an_event_whose_own_ttl_has_passed_is_stale() -> None:
    given_event = event(occurred_at=at(NOW_MS - 5_000))
    given_event.ttl.seconds = 5
    assert resolved(given_event).expires_at_ms == NOW_MS
    given_event.ttl.seconds = 4
    assert (refused(given_event).reason, refused(given_event).field) == (Reason.STALE, "ttl")


@given(
    event_type=st.sampled_from(sorted(CATALOGUE)),
    age_ms=st.none() | st.integers(-MAX_AHEAD_MS, 11_000),
    ttl_ms=st.none() | st.integers(1, 100_000),
)
def test_deadlines_hold_together(event_type: str, age_ms: int | None, ttl_ms: int | None) -> None:
    entry = CATALOGUE[event_type]
    given_event = event(type=event_type, merge_key="p")
    if age_ms is not None:
        given_event.occurred_at.CopyFrom(at(NOW_MS - age_ms))
    if ttl_ms is not None:
        given_event.ttl.FromMilliseconds(ttl_ms)
    found = resolve(given_event)
    effective = min(entry.ttl_ms, entry.ttl_ms if ttl_ms is None else ttl_ms)
    since = NOW_MS - max(age_ms or 0, 0)
    if isinstance(found, Refusal):
        assert found.reason is Reason.STALE
        assert NOW_MS - since > min(entry.max_age_ms, effective)
        return
    row = Row.FromString(found.row)
    # Fresh: never pushed after max_age, and never after it expired.
    assert row.push_until_ms == since + min(entry.max_age_ms, effective)
    assert NOW_MS <= row.push_until_ms <= row.expires_at_ms == since + effective
    assert found.window_ms == min(entry.duplicate_window_ms, effective)
    assert found.expires_at_ms == row.expires_at_ms
    assert row.accepted_at_ms == NOW_MS


def test_a_merge_key_that_is_required() -> None:
    refusal = refused(event(type="merging"))
    assert (refusal.reason, refusal.field) == (Reason.MERGE_KEY_REQUIRED, "merge_key")


def test_what_merges() -> None:
    assert not resolved(event(type="plain", merge_key="p")).merges
    assert resolved(event(type="echoing")).merges


def test_the_origin_sees_what_echoes() -> None:
    assert resolved(event(origin_device_id="tv-1")).origin_device_id == "tv-1"
    row = resolved(event(type="echoing", origin_device_id="tv-1"))
    assert row.origin_device_id == ""
    assert row.store_only
    assert logged(event(type="echoing")).store_only


def test_one_events_extras_do_not_stick_to_the_next() -> None:
    resolver = Resolver(POLICIES["plain"], BACKEND, NOW_MS, "")
    plain = resolve_with(resolver, event())
    extra = event(origin_device_id="tv-1", traceparent=TRACED, targets={"device_ids": ["tv-2"]})
    extra.ttl.seconds = 1
    assert resolve_with(resolver, extra) != plain
    assert resolve_with(resolver, event()) == plain


@pytest.mark.parametrize(
    ("own", "calls", "handed_on", "sampled"),
    [
        ("", "", "", ""),
        ("", TRACED, TRACED, TRACED),
        ("", UNSAMPLED, UNSAMPLED, ""),
        (TRACED, UNSAMPLED, TRACED, TRACED),
        (UNSAMPLED, TRACED, UNSAMPLED, ""),
    ],
)
def test_trace_contexts(own: str, calls: str, handed_on: str, sampled: str) -> None:
    row = logged(event(traceparent=own), call_traceparent=calls)
    assert row.traceparent == sampled
    assert Row.FromString(row.row).traceparent == handed_on


_names = st.lists(st.sampled_from(["tv", "phone", "browser"]), max_size=4)


@given(_names, _names, st.lists(st.sampled_from(["d1", "d2"]), max_size=3))
def test_private_targets_only_ever_narrow(
    catalogues: list[str], own: list[str], device_ids: list[str]
) -> None:
    narrowed = narrowed_targets(catalogues, Targets(device_classes=own, device_ids=device_ids))
    both = set(catalogues or own or ()) & set(own or catalogues or ())
    if catalogues and own and not both:
        assert narrowed is None
        return
    assert narrowed is not None
    targets = Targets.FromString(narrowed)
    assert set(targets.device_classes) == both
    assert set(targets.device_ids) == set(device_ids)


def test_targets_that_nobody_meets_are_refused() -> None:
    refusal = refused(event(type="echoing", targets={"device_classes": ["browser"]}))
    assert (refusal.reason, refusal.field) == (Reason.INVALID, "targets.device_classes")


def test_every_entry_of_the_catalogue_names_its_lane() -> None:
    assert {each.entry.priority for each in POLICIES.values()} == set(Priority)
    assert to_ms(at(NOW_MS)) == NOW_MS
