"""The fields of a batch's events, each read once: to look at a message's field costs ten times what a look at a list's element does. Pure."""

from collections.abc import Sequence, Set
from dataclasses import dataclass
from itertools import compress

from reno.v1.event_pb2 import Event

_SECOND_NANOS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Columns:
    """In the order of the batch."""

    ids: Sequence[str]
    types: Sequence[str]
    member_ids: Sequence[str]
    merge_keys: Sequence[str]
    content_types: Sequence[str]
    origin_device_ids: Sequence[str]
    traceparents: Sequence[str]
    occurred_at_ms: Sequence[int | None]
    """None where the event does not say it."""
    bounded: Set[int]
    """Indexes of the events that have targets or a ttl."""
    special: Set[int]
    """Of those that say something that most leave to the catalogue or the call: targets, ttl, origin or trace context; or a time that is none."""


def columns_of(events: Sequence[Event]) -> Columns:
    """Takes the events as they are."""
    origins = [event.origin_device_id for event in events]
    traceparents = [event.traceparent for event in events]
    indexes = range(len(events))
    bounded = {
        *compress(indexes, [event.HasField("targets") for event in events]),
        *compress(indexes, [event.HasField("ttl") for event in events]),
    }
    times = [event.occurred_at for event in events]
    nanos = [time.nanos for time in times]
    odd = [] if are_nanos(nanos) else [n for n in indexes if not are_nanos(nanos[n : n + 1])]
    at_ms: list[int | None] = [
        time.seconds * 1000 + nano // 1_000_000 for time, nano in zip(times, nanos, strict=True)
    ]
    if 0 in at_ms:
        # What is not there reads as 1970.
        at_ms = [
            ms if event.HasField("occurred_at") else None
            for ms, event in zip(at_ms, events, strict=True)
        ]
    return Columns(
        [event.id for event in events],
        [event.type for event in events],
        [event.member_id for event in events],
        [event.merge_key for event in events],
        [event.content_type for event in events],
        origins,
        traceparents,
        at_ms,
        bounded,
        bounded.union(compress(indexes, origins), compress(indexes, traceparents), odd),
    )


def are_nanos(nanos: Sequence[int]) -> bool:
    """Each is less than a second and not negative."""
    return not nanos or (min(nanos) >= 0 and max(nanos) < _SECOND_NANOS)
