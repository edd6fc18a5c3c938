"""Notifications and what comes with them, as lines: for a person, or as JSON for a program."""

import base64
import json
from collections.abc import Iterable
from typing import Any

from reno.domain.priority import Priority
from reno.v1.notification_pb2 import Gap, Notification, Via

_JSON_TYPE = "application/json"
_MAX_SHOWN_PAYLOAD = 200


def as_json(notification: Notification, received_at_ms: int) -> dict[str, Any]:
    """The names of reno.v1.Notification's JSON; positions are numbers, priority and via lose their prefix. A JSON payload is the value itself, any other stands base64 under payloadBase64."""
    line: dict[str, Any] = {
        "eventId": notification.event_id,
        "type": notification.type,
        "action": notification.action,
        "priority": notification_priority(notification),
        "position": notification.position,
        "via": via_word(notification),
        "occurredAt": notification.occurred_at.ToJsonString(),
        "source": notification.source,
        "mergeKey": notification.merge_key,
        "merged": notification.merged,
        "traceparent": notification.traceparent,
        "contentType": notification.content_type,
        "receivedAtMs": received_at_ms,
    }
    return line | _payload(notification)


def via_word(notification: Notification) -> str:
    """PUSH, CATCH_UP, PULL; the number of a way that this version does not know."""
    try:
        return Via.Name(notification.via).removeprefix("VIA_")
    except ValueError:
        return str(notification.via)


def notification_priority(notification: Notification) -> str:
    """HIGH, MEDIUM, LOW."""
    return word_of(notification.priority).upper()


def _payload(notification: Notification) -> dict[str, Any]:
    if not notification.payload:
        return {}
    if notification.content_type == _JSON_TYPE:
        try:
            return {"payload": json.loads(notification.payload)}
        except ValueError:  # the backend called it JSON; bytes it stays
            pass
    return {"payloadBase64": base64.b64encode(notification.payload).decode("ascii")}


def as_text(notification: Notification) -> str:
    """One line, with the payload cut where it is long."""
    parts = [
        notification.occurred_at.ToJsonString(),
        f"{via_word(notification).lower():8}",
        f"{word_of(notification.priority):6}",
        notification.type,
        notification.action or "-",
        notification.event_id,
    ]
    if notification.merged:
        parts.append(f"(+{notification.merged} merged)")
    if notification.payload:
        parts.append(_shown(notification.payload))
    return " ".join(parts)


def _shown(payload: bytes) -> str:
    text = payload.decode("utf-8", "backslashreplace")
    # A payload comes from elsewhere: no control character of it reaches the terminal.
    plain = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
    cut = len(plain) > _MAX_SHOWN_PAYLOAD
    return plain[:_MAX_SHOWN_PAYLOAD] + "…" if cut else plain


def gap_json(gap: Gap) -> dict[str, Any]:
    """What may be missing, and why; completeSince is null when it is not known."""
    since = gap.complete_since.ToJsonString() if gap.HasField("complete_since") else None
    return {
        "kind": "gap",
        "reason": _gap_reason(gap),
        "priorities": words_of(gap.priorities),
        "completeSince": since,
    }


def gap_text(gap: Gap) -> str:
    """For a person."""
    lanes = ", ".join(words_of(gap.priorities))
    return f"gap {_gap_reason(gap)} ({lanes}): something may be missing before what follows; load the state afresh"


def _gap_reason(gap: Gap) -> str:
    try:
        return Gap.Reason.Name(gap.reason).removeprefix("REASON_")
    except ValueError:  # of a newer server
        return str(gap.reason)


def word_of(priority: int) -> str:
    """high, medium, low; the number of a lane that this version does not know."""
    return Priority(priority).word if priority in set(Priority) else str(priority)


def words_of(priorities: Iterable[int]) -> list[str]:
    """See word_of."""
    return [word_of(priority) for priority in priorities]
