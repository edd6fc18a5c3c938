from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from protovalidate import Validator

from gateway.ingestion.columns import columns_of
from gateway.ingestion.validation import are_plain, clean_traceparent, fault_of, faults_of
from reno.domain.reason import Reason
from reno.v1.event_pb2 import Event
from tests.gateway.ingestion.examples import TRACED, event

_texts = st.one_of(
    st.sampled_from(
        ["", "a", "~" * 128, "x" * 129, " ", "a b", "a\n", "\x7f", "é", "\u2028", TRACED]
    ),
    st.text("ab !~\n\x7fé\u2028", max_size=6),
)


@st.composite
def _events(draw: st.DrawFn) -> Event:
    fields = {
        name: draw(_texts)
        for name in draw(
            st.sets(
                st.sampled_from(
                    [
                        "id",
                        "type",
                        "member_id",
                        "content_type",
                        "merge_key",
                        "origin_device_id",
                        "traceparent",
                    ]
                ),
                max_size=2,
            )
        )
    }
    given: dict[str, Any] = {"id": "e", "type": "plain", "member_id": "anna", **fields}
    return Event(**given)


@given(st.lists(_events(), min_size=1, max_size=4))
@settings(max_examples=300)
def test_columns_say_plain_exactly_where_no_text_breaks_a_rule(events: list[Event]) -> None:
    validator = Validator()
    assert are_plain(columns_of(events)) is not any(
        validator.collect_violations(each) for each in events
    )


@given(st.lists(_events(), max_size=4))
def test_each_fault_belongs_to_its_own_event(events: list[Event]) -> None:
    faults = faults_of(events, columns_of(events))
    assert faults == {
        index: fault for index, each in enumerate(events) if (fault := fault_of(each)) is not None
    }
    assert all(fault.reason is Reason.INVALID and fault.field for fault in faults.values())


def test_fields_of_targets_are_named_to_the_element() -> None:
    bad = event()
    bad.targets.device_classes.extend(["tv", ""])
    events = [event(), bad]
    fault = faults_of(events, columns_of(events))[1]
    assert fault.field == "targets.device_classes[1]"


def test_a_ttl_is_checked_though_the_texts_are_plain() -> None:
    bad = event()
    bad.ttl.seconds = -1
    assert faults_of([bad], columns_of([bad]))[0].field == "ttl"


def test_an_empty_and_a_huge_id() -> None:
    events = [event(id=""), event(), event(member_id="m" * 100_000)]
    faults = faults_of(events, columns_of(events))
    assert {index: fault.field for index, fault in faults.items()} == {0: "id", 2: "member_id"}


def test_a_calls_broken_trace_context_starts_no_trace() -> None:
    assert clean_traceparent(TRACED) == TRACED
    assert clean_traceparent("x" * 55) == ""
    assert clean_traceparent(TRACED + "\n") == ""
