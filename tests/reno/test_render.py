from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given, settings
from hypothesis import strategies as st

from reno.domain.position import MAX_POSITION
from reno.render import (
    CURSOR_FIELD_NUMBER,
    NOTIFICATIONS_FIELD_NUMBER,
    common_of,
    render_answer,
    render_notification,
)
from reno.v1.envelope_pb2 import Row
from reno.v1.event_pb2 import PRIORITY_LOW, Event
from reno.v1.notification_pb2 import VIA_PULL, VIA_PUSH, Notification
from reno.v1.notification_service_pb2 import PullResponse, SubscribeResponse


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=20), st.integers(0, MAX_POSITION), st.integers(0, 1 << 30), st.binary())
def test_what_the_gateway_appends_is_what_the_device_reads(
    action: str, position: int, merged: int, payload: bytes
) -> None:
    common = Notification(event_id="e-1", action="stale", position=7, payload=payload)
    rendered = render_notification(
        common.SerializeToString(), action=action, position=position, via=VIA_PUSH, merged=merged
    )
    expected = Notification(
        event_id="e-1",
        payload=payload,
        action=action,
        position=position,
        via=VIA_PUSH,
        merged=merged,
    )
    assert Notification.FromString(rendered) == expected


def test_what_all_devices_get_is_what_the_backend_sent() -> None:
    event = Event(
        id="e-1",
        type="list.changed",
        member_id="anna",
        occurred_at=Timestamp(seconds=5, nanos=7),
        payload=b"{}",
        content_type="application/json",
        merge_key="list-1",
        origin_device_id="tv-1",
    )
    row = Row(event=event, source="lists", priority=PRIORITY_LOW, traceparent="t")
    expected = Notification(
        event_id="e-1",
        type="list.changed",
        occurred_at=event.occurred_at,
        payload=b"{}",
        content_type="application/json",
        merge_key="list-1",
        source="lists",
        priority=PRIORITY_LOW,
        traceparent="t",
    )
    assert Notification.FromString(common_of(row)) == expected


def test_without_occurred_at_it_happened_when_the_door_took_it() -> None:
    common = Notification.FromString(common_of(Row(event=Event(id="e-1"), accepted_at_ms=1_234)))
    assert common.occurred_at == Timestamp(seconds=1, nanos=234_000_000)


def test_answers_are_joined_from_parts() -> None:
    parts = [
        render_notification(b"", action="a", position=n, via=VIA_PULL, merged=0) for n in (1, 2)
    ]
    frame = SubscribeResponse.FromString(render_answer(parts, "c", None))
    page = PullResponse.FromString(render_answer(parts, "c", PullResponse(more=True)))
    for answer in (frame, page):
        assert [n.position for n in answer.notifications] == [1, 2]
        assert answer.cursor == "c"
    assert page.more


def test_both_answers_have_notifications_and_cursor_in_the_same_fields() -> None:
    for message in (SubscribeResponse, PullResponse):
        fields = message.DESCRIPTOR.fields_by_name
        assert fields["notifications"].number == NOTIFICATIONS_FIELD_NUMBER
        assert fields["cursor"].number == CURSOR_FIELD_NUMBER
