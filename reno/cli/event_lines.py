"""Events as people and files write them, and results as lines."""

import base64
import binascii
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from google.protobuf import json_format
from uuid_utils import uuid7

from reno.cli.notification_lines import word_of
from reno.v1.event_pb2 import Event
from reno.v1.ingestion_service_pb2 import PublishResult
from reno.v1.reason_pb2 import REASON_INVALID, Reason

MAX_BATCH_EVENTS = 500
MAX_BATCH_BYTES = 900 * 1024
"""Below the door's 1 MiB, with room for the fields' frames."""

_EVENTS = re.compile(r"^events\[\d+]\.?")
_JSON_TYPE = "application/json"
_WORDS = {
    PublishResult.STATUS_ACCEPTED: "accepted",
    PublishResult.STATUS_REFUSED: "refused",
    PublishResult.STATUS_UNCERTAIN: "uncertain",
}


class NotAnEvent(Exception):
    """The line says what no event can."""


def new_id() -> str:
    """Unique, and in the order of time."""
    return f"e-{uuid7()}"


def event_of(line: str) -> Event:
    """One JSON object with the names of reno.v1.Event (member_id or memberId). `payload` is any JSON value and travels as JSON text, as
    application/json unless content_type says otherwise; `payload_base64` is bytes as they are. An id is made where there is none. Raises NotAnEvent."""
    try:
        fields = json.loads(line)
    except ValueError as error:
        raise NotAnEvent(f"not JSON: {error}") from error
    if not isinstance(fields, dict):
        raise NotAnEvent("an event is a JSON object")
    payload, content_type = _payload(fields)
    try:
        event = json_format.ParseDict(fields, Event())
    except json_format.ParseError as error:
        raise NotAnEvent(" ".join(str(error).split())) from error
    event.payload = payload
    event.content_type = event.content_type or content_type
    event.id = event.id or new_id()
    return event


def _payload(fields: dict[str, Any]) -> tuple[bytes, str]:
    """Takes both payload keys out of the fields."""
    if "payload" in fields and "payload_base64" in fields:
        raise NotAnEvent("payload and payload_base64: one of them")
    if "payload" in fields:
        return json_bytes(fields.pop("payload")), _JSON_TYPE
    encoded = fields.pop("payload_base64", "")
    try:
        return base64.b64decode(encoded, validate=True), ""
    except (binascii.Error, TypeError, ValueError) as error:
        raise NotAnEvent(f"payload_base64: {error}") from error


def json_bytes(value: Any) -> bytes:
    """Compact JSON text."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def batches(events: Iterable[Event]) -> Iterator[list[Event]]:
    """In order; none over the limits, but an event that is too large by itself goes alone, for the door to refuse."""
    batch: list[Event] = []
    size = 0
    for event in events:
        event_bytes = event.ByteSize() + 8
        if batch and (len(batch) == MAX_BATCH_EVENTS or size + event_bytes > MAX_BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(event)
        size += event_bytes
    if batch:
        yield batch


def result_json(event: Event, result: PublishResult) -> dict[str, Any]:
    """One line a result."""
    line: dict[str, Any] = {
        "status": _WORDS.get(result.status, "unknown"),
        "id": event.id,
        "memberId": event.member_id,
        "type": event.type,
    }
    if result.priority:
        line["priority"] = word_of(result.priority).upper()
    if result.position:
        line["position"] = result.position
    if result.HasField("refusal"):
        refusal = result.refusal
        line |= {
            "reason": reason_word(refusal.reason),
            "field": refusal.field,
            "message": refusal.message,
        }
        if refusal.HasField("retry_after"):
            line["retryAfterS"] = refusal.retry_after.ToTimedelta().total_seconds()
    return line


def result_text(event: Event, result: PublishResult, repeat: str) -> str:
    """For a person; `repeat` says how an uncertain event is repeated."""
    if result.status == PublishResult.STATUS_ACCEPTED:
        place = f"position {result.position}" if result.position else "at an unsure position"
        return f"accepted {event.id} {word_of(result.priority)} {place}"
    reason, field = result.refusal.reason, _EVENTS.sub("", result.refusal.field)
    where = f"{field}: " if field and reason == REASON_INVALID else ""
    why = f"{reason_word(reason)} {where}{result.refusal.message}".strip()
    if result.status == PublishResult.STATUS_UNCERTAIN:
        return f"uncertain {event.id}: {why}; {repeat}"
    return f"refused {event.id}: {why}"


def reason_word(reason: int) -> str:
    """Without the prefix; the number of one that this version does not know."""
    try:
        return Reason.Name(reason).removeprefix("REASON_")  # type: ignore[arg-type]
    except ValueError:
        return str(reason)


def worst(statuses: Sequence[int]) -> int:
    """The exit code: 75 where one is uncertain, else 1 where one is refused, else 0."""
    if PublishResult.STATUS_UNCERTAIN in statuses:
        return 75
    return 0 if all(status == PublishResult.STATUS_ACCEPTED for status in statuses) else 1
