"""Admission: sorts one batch into rows for the shards and refusals for the caller. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from gateway.ingestion.columns import Columns
from gateway.ingestion.committing import longest_row_bytes
from gateway.ingestion.refusal import Refusal
from gateway.ingestion.requests import Batch
from gateway.ingestion.resolving import Policies, Resolver
from gateway.ingestion.validation import faults_of
from reno.config.settings import IngestionSettings
from reno.domain.identity import Backend
from reno.domain.member import event_identities, member_keys, shard_of
from reno.domain.priority import Priority
from reno.domain.reason import Reason
from reno.wire.logged_row import LoggedRow

MALFORMED = Refusal(Reason.MALFORMED, "the bytes are not an Event (wrong wire format or UTF-8)", "")
REPEATED = Refusal(Reason.DUPLICATE, "the same member and id stand earlier in the batch", "id")


@dataclass(slots=True)
class Part:
    """What one shard gets of a batch: rows, and each row's index in the batch. `shut`: why it gets none."""

    shut: Refusal | None = None
    indexes: list[int] = field(default_factory=list)
    rows: list[LoggedRow] = field(default_factory=list)


@dataclass(slots=True)
class Admission:
    """A batch after the gates: every event is either refused or in one part."""

    priorities: list[Priority | None]
    refusals: dict[int, Refusal]
    parts: dict[Priority, dict[int, Part]]


class Gatekeeper:
    """The rules of the door for whole batches."""

    def __init__(self, policies: Policies, settings: IngestionSettings) -> None:
        self._policies = policies
        self._settings = settings

    def admit(
        self,
        batch: Batch,
        columns: Columns,
        backend: Backend,
        shards: Mapping[Priority, int],
        shut: Callable[[Priority, int], Refusal | None],
        now_ms: int,
        call_traceparent: str,
    ) -> Admission:
        """Gates and resolves each event by itself; only a repeat inside the batch looks at its neighbours. `shut`: why a shard of a lane takes nothing now; its events cost no more than that."""
        events = batch.events
        refusals = faults_of(events, columns)
        refusals.update(dict.fromkeys(batch.malformed, MALFORMED))
        priorities: list[Priority | None] = [None] * len(events)
        parts: dict[Priority, dict[int, Part]] = {}
        resolvers: dict[str, tuple[Resolver, Priority, int, dict[int, Part]]] = {}
        seen: set[bytes] = set()
        special = columns.special
        longest_payload = self._settings.max_payload_bytes
        longest_row = longest_row_bytes(self._settings.max_envelope_bytes)
        keys = member_keys(backend.tenant, columns.member_ids)
        identities = event_identities(
            backend.tenant, backend.source, columns.member_ids, columns.ids
        )
        for index, (event_type, key, identity, serialised) in enumerate(
            zip(columns.types, keys, identities, batch.serialised, strict=True)
        ):
            if index in refusals:
                continue
            resolving = resolvers.get(event_type)
            if resolving is None:
                policy = self._policies.get(event_type)
                if policy is None:
                    refusals[index] = Refusal(
                        Reason.UNKNOWN_TYPE, f"the catalogue has no {event_type}", "type"
                    )
                    continue
                lane = policy.entry.priority
                resolver = Resolver(policy, backend, now_ms, call_traceparent)
                lane_parts = parts.setdefault(lane, {})
                resolving = resolvers[event_type] = (resolver, lane, shards[lane], lane_parts)
            resolver, lane, lane_shards, lane_parts = resolving
            priorities[index] = lane
            # What is short as a whole has no long payload.
            if len(serialised) > longest_payload and (
                (size := len(events[index].payload)) > longest_payload
            ):
                refusals[index] = Refusal(
                    Reason.TOO_LARGE,
                    f"the payload has {size} bytes, {longest_payload} are allowed",
                    "payload",
                )
                continue
            number = shard_of(key, lane_shards)
            part = lane_parts.get(number)
            if part is None:
                part = lane_parts[number] = Part(shut(lane, number))
            if part.shut is not None:
                refusals[index] = part.shut
                continue
            row = resolver.row_of(
                events[index], serialised, key, identity, is_special=index in special
            )
            if isinstance(row, Refusal):
                refusals[index] = row
                continue
            if identity in seen:
                refusals[index] = REPEATED
                continue
            seen.add(identity)
            if row.size_bytes > longest_row:
                refusals[index] = Refusal(Reason.TOO_LARGE, "larger than an envelope may be", "")
                continue
            part.indexes.append(index)
            part.rows.append(row)
        return Admission(priorities, refusals, parts)
