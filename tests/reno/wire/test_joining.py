"""Joined parts are what protobuf itself would have written."""

from hypothesis import given
from hypothesis import strategies as st

from reno.v1.envelope_pb2 import Envelope, EventBatch
from reno.v1.event_pb2 import Event
from reno.v1.inbox_service_pb2 import ReadRequest, Slice
from reno.v1.ingestion_service_pb2 import PublishBatchRequest
from reno.wire.joining import repeated, varint

PARTS = st.lists(st.binary(max_size=300), max_size=10)


@given(PARTS)
def test_joined_bytes_are_a_repeated_field(parts: list[bytes]) -> None:
    assert repeated(2, parts) == Envelope(rows=parts).SerializeToString()


@given(st.lists(st.text(max_size=200), max_size=10))
def test_joined_messages_are_a_repeated_field(ids: list[str]) -> None:
    events = [Event(id=event_id) for event_id in ids]
    joined = repeated(1, [event.SerializeToString() for event in events])
    assert joined == PublishBatchRequest(events=events).SerializeToString()
    assert list(EventBatch.FromString(joined).events) == [
        event.SerializeToString() for event in events
    ]


@given(st.integers(0, (1 << 63) - 1))
def test_a_varint_is_protobufs(value: int) -> None:
    assert b"\x20" + varint(value) == (Slice(after=value).SerializeToString() or b"\x20\x00")


def test_a_field_above_15_has_a_tag_of_two_bytes() -> None:
    assert repeated(16, [b"x"]) == b"\x82\x01\x01x"
    assert ReadRequest.FromString(repeated(16, [b"x"])).SerializeToString() == b"\x82\x01\x01x"
