import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reno.cli.event_lines import (
    MAX_BATCH_BYTES,
    MAX_BATCH_EVENTS,
    NotAnEvent,
    batches,
    event_of,
    new_id,
    result_json,
    result_text,
    worst,
)
from reno.v1.event_pb2 import PRIORITY_HIGH, Event
from reno.v1.ingestion_service_pb2 import PublishResult, Refusal
from reno.v1.reason_pb2 import REASON_INVALID, REASON_STALE

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)
statuses = st.sampled_from(
    [PublishResult.STATUS_ACCEPTED, PublishResult.STATUS_REFUSED, PublishResult.STATUS_UNCERTAIN]
)


@given(values)
def test_any_json_payload_arrives_as_it_was(payload: object) -> None:
    event = event_of(json.dumps({"type": "t", "member_id": "anna", "payload": payload}))
    assert json.loads(event.payload) == payload
    assert event.content_type == "application/json"
    assert event.id.startswith("e-")


@given(st.binary(max_size=50))
def test_bytes_go_as_base64(payload: bytes) -> None:
    line = {"type": "t", "memberId": "anna", "payload_base64": base64.b64encode(payload).decode()}
    event = event_of(json.dumps(line))
    assert event.payload == payload
    assert event.content_type == ""


def test_a_line_has_the_names_of_the_contract() -> None:
    event = event_of(
        json.dumps(
            {
                "id": "e-1",
                "type": "plan.changed",
                "memberId": "anna",
                "occurredAt": "2026-11-23T01:02:03Z",
                "ttl": "60s",
                "targets": {"deviceClasses": ["tv"]},
                "payload": "text",
                "content_type": "text/json",
            }
        )
    )
    assert (event.id, event.member_id, event.ttl.seconds) == ("e-1", "anna", 60)
    assert list(event.targets.device_classes) == ["tv"]
    assert (event.payload, event.content_type) == (b'"text"', "text/json")


@pytest.mark.parametrize(
    "line",
    [
        "",
        "[]",
        "{",
        '{"typ": "t"}',
        '{"payload": 1, "payload_base64": ""}',
        '{"payload_base64": "*"}',
        '{"payload_base64": 1}',
        '{"occurred_at": "yesterday"}',
    ],
)
def test_what_is_no_event_is_said(line: str) -> None:
    with pytest.raises(NotAnEvent):
        event_of(line)


@given(st.lists(st.integers(0, 400_000), max_size=30))
def test_batches_keep_order_and_limits(sizes: list[int]) -> None:
    events = [Event(id=str(at), payload=bytes(size)) for at, size in enumerate(sizes)]
    cut = list(batches(events))
    assert [event for batch in cut for event in batch] == events
    assert all(sum(event.ByteSize() + 8 for event in batch) <= MAX_BATCH_BYTES for batch in cut)


def test_many_small_events_go_in_batches_of_the_limit() -> None:
    sizes = [len(batch) for batch in batches(Event(id=str(at)) for at in range(1234))]
    assert sizes == [MAX_BATCH_EVENTS, MAX_BATCH_EVENTS, 234]


def test_ids_are_unique_and_in_order() -> None:
    ids = [new_id() for _ in range(100)]
    assert sorted(set(ids)) == ids


@given(st.lists(statuses))
def test_the_worst_decides_the_exit_code(found: list[int]) -> None:
    uncertain = PublishResult.STATUS_UNCERTAIN in found
    refused = PublishResult.STATUS_REFUSED in found
    assert worst(found) == (75 if uncertain else 1 if refused else 0)


def test_results_as_lines() -> None:
    event = Event(id="e-1", type="plan.changed", member_id="anna")
    accepted = PublishResult(
        status=PublishResult.STATUS_ACCEPTED, priority=PRIORITY_HIGH, position=40960
    )
    assert result_text(event, accepted, "") == "accepted e-1 high position 40960"
    assert result_json(event, accepted)["position"] == 40960
    refused = PublishResult(
        status=PublishResult.STATUS_REFUSED, refusal=Refusal(reason=REASON_STALE, message="old")
    )
    assert result_text(event, refused, "") == "refused e-1: STALE old"
    assert result_json(event, refused)["reason"] == "STALE"
    refused.refusal.MergeFrom(Refusal(reason=REASON_INVALID, field="events[3].targets"))
    assert result_text(event, refused, "") == "refused e-1: INVALID targets: old"
    uncertain = PublishResult(status=PublishResult.STATUS_UNCERTAIN)
    assert result_text(event, uncertain, "repeat with --id e-1").endswith("repeat with --id e-1")
