"""Requests as they arrive: parsed at once where that works, event by event where one of them is broken. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet

from reno.domain.reason import Reason
from reno.errors import CallerFault
from reno.v1.event_pb2 import Event
from reno.v1.ingestion_service_pb2 import PublishBatchRequest, PublishStreamRequest

_VARINT, _LENGTH_DELIMITED = 0, 2
_ID_FIELD = PublishStreamRequest.BATCH_ID_FIELD_NUMBER
_NOTHING: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Batch:
    """Events to publish; at the indexes in `malformed` there are empty ones, their bytes were no Event."""

    events: Sequence[Event]
    malformed: frozenset[int] = _NOTHING
    size_bytes: int = 0


def read_batch(request: bytes) -> Batch:
    """Of a PublishBatchRequest. Raises CallerFault MALFORMED where not even the events can be told apart."""
    try:
        # A list: each look at a repeated field would make its events' wrappers anew.
        events = list(PublishBatchRequest.FromString(request).events)
    except DecodeError:
        return _event_by_event(_fields(request), PublishBatchRequest.EVENTS_FIELD_NUMBER, request)
    return Batch(events, _NOTHING, len(request))


def read_stream_batch(request: bytes) -> tuple[int, Batch]:
    """(batch_id, batch) of a PublishStreamRequest. Raises CallerFault MALFORMED."""
    try:
        message = PublishStreamRequest.FromString(request)
    except DecodeError:
        fields = _fields(request)
        batch_id = 0
        for number, wire_type, value in fields:
            if number == _ID_FIELD and wire_type == _VARINT and isinstance(value, int):
                batch_id = value - (1 << 64) if value >> 63 else value
        batch = _event_by_event(fields, PublishStreamRequest.EVENTS_FIELD_NUMBER, request)
        return batch_id, batch
    return message.batch_id, Batch(list(message.events), _NOTHING, len(request))


def _fields(request: bytes) -> list[tuple[int, int, object]]:
    """(number, wire type, value) of the outermost message: to a message without fields every field is an unknown one."""
    try:
        unknown = UnknownFieldSet(Empty.FromString(request))
    except DecodeError as error:
        raise CallerFault(Reason.MALFORMED, "the bytes are not a message of this method") from error
    return [
        (each.field_number, each.wire_type, each.data)
        for each in map(unknown.__getitem__, range(len(unknown)))
    ]


def _event_by_event(
    fields: Sequence[tuple[int, int, object]], events_field: int, request: bytes
) -> Batch:
    events: list[Event] = []
    malformed: set[int] = set()
    for number, wire_type, value in fields:
        if number != events_field or wire_type != _LENGTH_DELIMITED:
            continue
        assert isinstance(value, bytes)
        try:
            events.append(Event.FromString(value))
        except DecodeError:
            malformed.add(len(events))
            events.append(Event())
    if not malformed:
        # Whatever was wrong, it was not in an event.
        raise CallerFault(Reason.MALFORMED, "the bytes are not a message of this method")
    return Batch(events, frozenset(malformed), len(request))
