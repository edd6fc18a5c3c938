from hypothesis import given, settings
from hypothesis import strategies as st

from reno.domain.position import MAX_POSITION
from reno.render import NOTIFICATIONS_FIELD_NUMBER, render_answer, render_notification
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


def test_answers_are_joined_from_parts() -> None:
    parts = [
        render_notification(b"", action="a", position=n, via=VIA_PULL, merged=0) for n in (1, 2)
    ]
    frame = SubscribeResponse.FromString(render_answer(parts, SubscribeResponse(cursor="c")))
    page = PullResponse.FromString(render_answer(parts, PullResponse(cursor="c", more=True)))
    for answer in (frame, page):
        assert [n.position for n in answer.notifications] == [1, 2]
        assert answer.cursor == "c"
    assert page.more


def test_both_answers_have_their_notifications_in_the_same_field() -> None:
    for message in (SubscribeResponse, PullResponse):
        field = message.DESCRIPTOR.fields_by_name["notifications"]
        assert field.number == NOTIFICATIONS_FIELD_NUMBER
