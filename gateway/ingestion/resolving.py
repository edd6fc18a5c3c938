"""Resolving: what the catalogue says is written into each event once, so that nobody after the door needs the catalogue or a clock. Pure."""

from collections.abc import Mapping, Sequence

from gateway.ingestion.refusal import Refusal
from reno import gates
from reno.catalogue.catalogue import Catalogue
from reno.catalogue.entry import Entry
from reno.domain.identity import Backend
from reno.domain.reason import Reason
from reno.telemetry.traces import is_sampled
from reno.v1.envelope_pb2 import Actions, Row
from reno.v1.event_pb2 import Event, Targets
from reno.v1.notification_pb2 import Notification
from reno.wire.clock import to_ms

_SECOND_NANOS = 1_000_000_000


class Policy:
    """An entry of the catalogue, ready to be written into rows."""

    __slots__ = ("actions", "entry", "targets", "type")

    def __init__(self, event_type: str, entry: Entry) -> None:
        self.type = event_type
        self.entry = entry
        self.actions = Actions(
            default_action=entry.action["default"],
            by_class={name: action for name, action in entry.action.items() if name != "default"},
        ).SerializeToString(deterministic=True)
        self.targets = Targets(device_classes=entry.device_classes).SerializeToString()


Policies = Mapping[str, Policy]


def policies_of(catalogue: Catalogue) -> Policies:
    """Every event type's policy."""
    return {event_type: Policy(event_type, entry) for event_type, entry in catalogue.items()}


class Resolver:
    """Writes the rows of one type, caller and moment. Not to be shared: it fills the same messages anew for each event."""

    __slots__ = (
        "_entry",
        "_max_age_ms",
        "_merges",
        "_needs_merge_key",
        "_notification",
        "_now_ms",
        "_policy",
        "_row",
        "_scope_start",
        "_ttl_ms",
    )

    def __init__(
        self, policy: Policy, backend: Backend, now_ms: int, call_traceparent: str
    ) -> None:
        entry = policy.entry
        self._policy = policy
        self._entry = entry
        self._now_ms = now_ms
        self._max_age_ms = entry.max_age_ms
        self._ttl_ms = entry.ttl_ms
        self._needs_merge_key = entry.merge_key == "required"
        self._merges = entry.merge == "latest"
        self._scope_start = f"{policy.type} "
        # Building a message costs several times what filling one does.
        self._notification = Notification(
            type=policy.type,
            priority=int(entry.priority),  # type: ignore[arg-type]  # same numbers
            source=backend.source,
            traceparent=call_traceparent,
        )
        self._row = Row(
            tenant=backend.tenant,
            window_ms=entry.duplicate_window_ms,
            accepted_at_ms=now_ms,
            store_only=entry.delivery == "store_only",
            targets=policy.targets,
            actions=policy.actions,
            traceparent=call_traceparent if is_sampled(call_traceparent) else "",
        )

    def row_of(self, event: Event, identity: bytes) -> bytes | Refusal:
        """The serialised Row, or why there is none. The event must keep the contract's rules."""
        merge_key = event.merge_key
        if self._needs_merge_key and not merge_key:
            return Refusal(
                Reason.MERGE_KEY_REQUIRED, f"{self._policy.type} needs a merge_key", "merge_key"
            )
        now_ms, ttl_ms = self._now_ms, self._ttl_ms
        if event.HasField("ttl"):
            ttl_ms = min(ttl_ms, to_ms(event.ttl))
        fresh_ms = min(self._max_age_ms, ttl_ms)
        row, notification = self._row, self._notification
        if (
            ttl_ms < self._ttl_ms
            or event.origin_device_id
            or event.traceparent
            or event.HasField("targets")
        ):
            special = self._special(event, ttl_ms)
            if isinstance(special, Refusal):
                return special
            row, notification = special
        if event.HasField("occurred_at"):
            given = event.occurred_at
            seconds, nanos = given.seconds, given.nanos
            if not 0 <= nanos < _SECOND_NANOS:
                return Refusal(Reason.INVALID, "nanos must be 0 to 999,999,999", "occurred_at")
            since_ms = seconds * 1000 + nanos // 1_000_000
            # Nearly all pass here, and a gate is a call; the gates decide wherever one of them could say no.
            if not since_ms <= now_ms <= since_ms + fresh_ms:
                refusal = time_refusal(since_ms, self._max_age_ms, ttl_ms, now_ms)
                if refusal is not None:
                    return refusal
                since_ms = min(since_ms, now_ms)
        else:
            seconds, nanos = now_ms // 1000, now_ms % 1000 * 1_000_000
            since_ms = now_ms
        notification.event_id = event.id
        notification.payload = event.payload
        notification.content_type = event.content_type
        notification.merge_key = merge_key
        occurred_at = notification.occurred_at
        occurred_at.seconds = seconds
        occurred_at.nanos = nanos
        row.member_id = event.member_id
        row.identity = identity
        # Both count from when it happened: where the ttl is the max_age, late news is shown to nobody.
        row.push_until_ms = since_ms + fresh_ms
        row.expires_at_ms = since_ms + ttl_ms
        if self._merges:
            row.merge_scope = self._scope_start + merge_key
        row.notification = notification.SerializeToString()
        return row.SerializeToString()

    def _special(self, event: Event, ttl_ms: int) -> tuple[Row, Notification] | Refusal:
        """Messages of its own for an event that says what most leave to the catalogue."""
        row, notification = Row(), Notification()
        row.CopyFrom(self._row)
        notification.CopyFrom(self._notification)
        row.window_ms = min(row.window_ms, ttl_ms)
        if not self._entry.echo:
            row.origin_device_id = event.origin_device_id
        if event.traceparent:
            notification.traceparent = event.traceparent
            row.traceparent = event.traceparent if is_sampled(event.traceparent) else ""
        if event.HasField("targets"):
            narrowed = narrowed_targets(self._entry.device_classes, event.targets)
            if narrowed is None:
                classes = ", ".join(self._entry.device_classes)
                return Refusal(
                    Reason.INVALID,
                    f"no device could see it: {self._policy.type} is for {classes} only",
                    "targets.device_classes",
                )
            row.targets = narrowed
        return row, notification


def time_refusal(occurred_at_ms: int, max_age_ms: int, ttl_ms: int, now_ms: int) -> Refusal | None:
    """The gates of an event that says when it happened."""
    age_ms = now_ms - occurred_at_ms
    if gates.is_from_the_future(occurred_at_ms, now_ms):
        message = f"occurred_at is {-age_ms} ms ahead of the door's clock"
        return Refusal(Reason.FUTURE_TIME, message, "occurred_at")
    if gates.is_stale(occurred_at_ms, max_age_ms, now_ms):
        message = f"{age_ms} ms old, max_age is {max_age_ms} ms"
        return Refusal(Reason.STALE, message, "occurred_at")
    if gates.is_expired(min(occurred_at_ms, now_ms) + ttl_ms, now_ms):
        return Refusal(Reason.STALE, f"{age_ms} ms old, its ttl is {ttl_ms} ms", "ttl")
    return None


def narrowed_targets(classes: Sequence[str], given: Targets) -> bytes | None:
    """Serialised targets that meet the catalogue's classes and the event's own lists; None where no class is left."""
    narrowed = list(dict.fromkeys(given.device_classes)) or list(classes)
    if classes:
        narrowed = [name for name in narrowed if name in classes]
        if not narrowed:
            return None
    device_ids = list(dict.fromkeys(given.device_ids))
    return Targets(device_classes=narrowed, device_ids=device_ids).SerializeToString()
