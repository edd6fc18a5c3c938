"""Resolving: what the catalogue says is written into each event once, so that nobody after the door needs the catalogue or a clock. Pure."""

from collections.abc import Mapping, Sequence

from gateway.ingestion.columns import Columns, are_nanos
from gateway.ingestion.refusal import Refusal
from gateway.ingestion.requests import Batch
from reno import gates
from reno.catalogue.catalogue import Catalogue
from reno.catalogue.entry import Entry
from reno.domain.identity import Backend
from reno.domain.reason import Reason
from reno.telemetry.traces import is_sampled
from reno.v1.envelope_pb2 import Actions, Row
from reno.v1.event_pb2 import Event, Targets
from reno.wire.clock import to_ms
from reno.wire.logged_row import LoggedRow, log_row, log_rows


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
    """Writes the rows of one type, caller and moment."""

    __slots__ = (
        "_call_traceparent",
        "_earliest_ms",
        "_entry",
        "_latest_ms",
        "_max_age_ms",
        "_needs_merge_key",
        "_now_ms",
        "_plain",
        "_resolved",
        "_store_only",
        "_traced",
        "_ttl_ms",
        "_type",
        "_window_ms",
    )

    def __init__(
        self, policy: Policy, backend: Backend, now_ms: int, call_traceparent: str
    ) -> None:
        entry = policy.entry
        self._type = policy.type
        self._entry = entry
        self._now_ms = now_ms
        self._max_age_ms = entry.max_age_ms
        self._ttl_ms = entry.ttl_ms
        self._window_ms = entry.duplicate_window_ms
        self._needs_merge_key = entry.merge_key == "required"
        self._store_only = entry.delivery == "store_only"
        self._call_traceparent = call_traceparent
        self._plain = Row(
            tenant=backend.tenant,
            source=backend.source,
            priority=int(entry.priority),  # type: ignore[arg-type]  # same numbers
            accepted_at_ms=now_ms,
            store_only=self._store_only,
            merges=entry.merge == "latest",
            targets=policy.targets,
            actions=policy.actions,
            traceparent=call_traceparent,
        )
        # The same for nearly all events: serialised once.
        self._resolved = self._plain.SerializeToString()
        self._earliest_ms = now_ms - min(entry.max_age_ms, entry.ttl_ms)
        self._latest_ms = now_ms + gates.MAX_AHEAD_MS
        self._traced = _if_sampled(call_traceparent)

    def resolve(
        self,
        indexes: Sequence[int],
        batch: Batch,
        columns: Columns,
        keys: Sequence[bytes],
        identities: Sequence[bytes],
    ) -> dict[int, LoggedRow | Refusal]:
        """The rows for the log of these events of the batch, all of this type, or why there is none. `keys`: the members'. They must keep the contract's rules."""
        fitting = self._fitting(columns, indexes)
        rows = self._rows_of(
            [columns.occurred_at_ms[index] for index in fitting],
            [keys[index] for index in fitting],
            [identities[index] for index in fitting],
            [batch.serialised[index] for index in fitting],
        )
        resolved: dict[int, LoggedRow | Refusal] = dict(zip(fitting, rows, strict=True))
        if len(fitting) < len(indexes):
            for index in set(indexes).difference(fitting):
                resolved[index] = self.row_of(
                    batch.events[index],
                    batch.serialised[index],
                    keys[index],
                    identities[index],
                    is_special=index in columns.special,
                )
        return resolved

    def row_of(
        self, event: Event, serialised: bytes, key: bytes, identity: bytes, *, is_special: bool
    ) -> LoggedRow | Refusal:
        """What `resolve` says of one event. `is_special`: see Columns."""
        if self._needs_merge_key and not event.merge_key:
            return Refusal(
                Reason.MERGE_KEY_REQUIRED, f"{self._type} needs a merge_key", "merge_key"
            )
        now_ms, ttl_ms = self._now_ms, self._ttl_ms
        window_ms, resolved, traced = self._window_ms, self._resolved, self._traced
        if is_special:
            special = self._special(event)
            if isinstance(special, Refusal):
                return special
            resolved, traced = special
            if event.HasField("ttl"):
                ttl_ms = min(ttl_ms, to_ms(event.ttl))
                window_ms = min(window_ms, ttl_ms)
        since_ms = now_ms
        if event.HasField("occurred_at"):
            if not are_nanos([event.occurred_at.nanos]):
                return Refusal(Reason.INVALID, "nanos must be 0 to 999,999,999", "occurred_at")
            since_ms = to_ms(event.occurred_at)
            refusal = time_refusal(since_ms, self._max_age_ms, ttl_ms, now_ms)
            if refusal is not None:
                return refusal
            since_ms = min(since_ms, now_ms)
        return log_row(
            key,
            identity,
            window_ms,
            since_ms + min(self._max_age_ms, ttl_ms),
            since_ms + ttl_ms,
            self._store_only,
            traced,
            resolved,
            serialised,
        )

    def _fitting(self, columns: Columns, indexes: Sequence[int]) -> list[int]:
        """Which of the events, nearly always all, say nothing special (see Columns), all that they must, and when they happened so that no gate can refuse it."""
        at_ms, earliest_ms, latest_ms = columns.occurred_at_ms, self._earliest_ms, self._latest_ms
        fitting = [
            index
            for index in indexes
            if (ms := at_ms[index]) is None or earliest_ms <= ms <= latest_ms
        ]
        if columns.special:
            fitting = [index for index in fitting if index not in columns.special]
        if self._needs_merge_key:
            fitting = [index for index in fitting if columns.merge_keys[index]]
        return fitting

    def _rows_of(
        self,
        occurred_at_ms: Sequence[int | None],
        keys: Sequence[bytes],
        identities: Sequence[bytes],
        serialised: Sequence[bytes],
    ) -> list[LoggedRow]:
        """Of events that fit."""
        now_ms, ttl_ms = self._now_ms, self._ttl_ms
        # Both count from when it happened: where the ttl is the max_age, late news is shown to nobody.
        fresh_ms = min(self._max_age_ms, ttl_ms)
        since_ms = [now_ms if ms is None or ms > now_ms else ms for ms in occurred_at_ms]
        return log_rows(
            keys,
            identities,
            self._window_ms,
            [since + fresh_ms for since in since_ms],
            [since + ttl_ms for since in since_ms],
            self._store_only,
            self._traced,
            self._resolved,
            serialised,
        )

    def _special(self, event: Event) -> tuple[bytes, str] | Refusal:
        """What is resolved for an event that says what most leave to the catalogue, and its trace context where it is sampled."""
        row = Row()
        row.CopyFrom(self._plain)
        if not self._entry.echo:
            row.origin_device_id = event.origin_device_id
        row.traceparent = event.traceparent or self._call_traceparent
        if event.HasField("targets"):
            narrowed = narrowed_targets(self._entry.device_classes, event.targets)
            if narrowed is None:
                classes = ", ".join(self._entry.device_classes)
                return Refusal(
                    Reason.INVALID,
                    f"no device could see it: {self._type} is for {classes} only",
                    "targets.device_classes",
                )
            row.targets = narrowed
        return row.SerializeToString(), _if_sampled(row.traceparent)


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


def _if_sampled(traceparent: str) -> str:
    return traceparent if is_sampled(traceparent) else ""
