"""Events, callers and a catalogue to test with."""

import asyncio
from collections.abc import Callable

from google.protobuf.timestamp_pb2 import Timestamp

from gateway.ingestion.door import IngestionDoor
from gateway.ingestion.requests import batch_of
from gateway.ingestion.results import Results
from reno.catalogue.catalogue import parse
from reno.domain.identity import Backend
from reno.v1.event_pb2 import Event

MakeDoor = Callable[..., IngestionDoor]

NOW_MS = 1_790_000_000_123
BACKEND = Backend("", "billing")
TRACED = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
UNSAMPLED = TRACED[:-2] + "00"

CATALOGUE = parse(
    """
["plain"]
priority = "high"
max_age = "10s"
ttl = "1m"
window = "30s"
action = "look"

["merging"]
priority = "medium"
max_age = "10s"
ttl = "1m"
merge = "latest"
merge_key = "required"
action = { default = "look", tv = "stare" }

["echoing"]
priority = "low"
max_age = "1m"
ttl = "1m"
merge = "latest"
echo = true
delivery = "store_only"
device_classes = ["tv", "phone"]
action = "listen"
"""
)


def event(number: int = 0, **fields: object) -> Event:
    """A plain event of member anna."""
    values: dict[str, object] = {"id": f"e-{number}", "type": "plain", "member_id": "anna"}
    return Event(**{**values, **fields})  # type: ignore[arg-type]


def at(ms: int) -> Timestamp:
    return Timestamp(seconds=ms // 1000, nanos=ms % 1000 * 1_000_000)


async def publish(door: IngestionDoor, *events: Event) -> Results:
    return await asyncio.wait_for(door.take(BACKEND, batch_of(events)).results(), 10)
