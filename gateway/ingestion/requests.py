"""Requests as they arrive: parsed at once where that works, event by event where one of them is broken. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from google.protobuf.message import DecodeError

from reno.domain.reason import Reason
from reno.errors import CallerFault
from reno.v1.envelope_pb2 import EventBatch, EventStreamBatch
from reno.v1.event_pb2 import Event
from reno.v1.ingestion_service_pb2 import PublishBatchRequest, PublishStreamRequest

_NOTHING: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Batch:
    """Events to publish, and each as it came; at the indexes in `malformed` there are empty ones, their bytes were no Event."""

    events: Sequence[Event]
    serialised: Sequence[bytes]
    malformed: frozenset[int] = _NOTHING
    size_bytes: int = 0


def batch_of(events: Sequence[Event], malformed: frozenset[int] = _NOTHING) -> Batch:
    """Of events that did not come as bytes."""
    return Batch(events, [event.SerializeToString() for event in events], malformed)


def read_batch(request: bytes) -> Batch:
    """Of a PublishBatchRequest. Raises CallerFault MALFORMED where not even the events can be told apart."""
    try:
        unparsed = EventBatch.FromString(request)
    except DecodeError as error:
        raise _malformed() from error
    return _parsed(PublishBatchRequest, request, list(unparsed.events))


def read_stream_batch(request: bytes) -> tuple[int, Batch]:
    """(batch_id, batch) of a PublishStreamRequest. Raises CallerFault MALFORMED."""
    try:
        unparsed = EventStreamBatch.FromString(request)
    except DecodeError as error:
        raise _malformed() from error
    return unparsed.batch_id, _parsed(PublishStreamRequest, request, list(unparsed.events))


def _parsed(
    message: type[PublishBatchRequest] | type[PublishStreamRequest],
    request: bytes,
    serialised: Sequence[bytes],
) -> Batch:
    try:
        # A list: each look at a repeated field would make its events' wrappers anew.
        events = list(message.FromString(request).events)
    except DecodeError:
        return _event_by_event(serialised, len(request))
    return Batch(events, serialised, _NOTHING, len(request))


def _event_by_event(serialised: Sequence[bytes], size_bytes: int) -> Batch:
    events: list[Event] = []
    malformed: set[int] = set()
    for index, raw in enumerate(serialised):
        try:
            events.append(Event.FromString(raw))
        except DecodeError:
            malformed.add(index)
            events.append(Event())
    if not malformed:
        # Whatever was wrong, it was not in an event.
        raise _malformed()
    return Batch(events, serialised, frozenset(malformed), size_bytes)


def _malformed() -> CallerFault:
    return CallerFault(Reason.MALFORMED, "the bytes are not a message of this method")
