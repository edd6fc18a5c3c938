"""Admission: sorts one batch into rows for the shards and refusals for the caller. Pure."""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.ingestion.columns import Columns
from gateway.ingestion.committing import longest_row_bytes
from gateway.ingestion.refusal import Refusal
from gateway.ingestion.requests import Batch
from gateway.ingestion.resolving import Policies, Resolver
from gateway.ingestion.validation import faults_of
from reno.config.settings import IngestionSettings
from reno.domain.identity import Backend
from reno.domain.member import event_identities, member_keys, shards_of
from reno.domain.priority import Priority
from reno.domain.reason import Reason
from reno.wire.logged_row import LoggedRow

MALFORMED = Refusal(Reason.MALFORMED, "the bytes are not an Event (wrong wire format or UTF-8)", "")
REPEATED = Refusal(Reason.DUPLICATE, "the same member and id stand earlier in the batch", "id")
TOO_LONG = Refusal(Reason.TOO_LARGE, "larger than an envelope may be", "")


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
        self._longest_row_bytes = longest_row_bytes(settings.max_envelope_bytes)

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
        refusals = faults_of(batch.events, columns)
        refusals.update(dict.fromkeys(batch.malformed, MALFORMED))
        keys = member_keys(backend.tenant, columns.member_ids)
        identities = event_identities(
            backend.tenant, backend.source, columns.member_ids, columns.ids
        )
        admission = Admission([None] * len(keys), refusals, {})
        resolved: dict[int, LoggedRow | Refusal] = {}
        part_of: dict[int, Part] = {}
        # A type at a time: what is the same for all of it is asked once.
        for event_type, indexes in _by_type(columns.types, refusals).items():
            policy = self._policies.get(event_type)
            if policy is None:
                why = Refusal(Reason.UNKNOWN_TYPE, f"the catalogue has no {event_type}", "type")
                refusals.update(dict.fromkeys(indexes, why))
                continue
            lane = policy.entry.priority
            for index in indexes:
                admission.priorities[index] = lane
            small = self._small(batch, indexes, refusals)
            parts = admission.parts.setdefault(lane, {})
            numbers = shards_of([keys[index] for index in small], shards[lane])
            for number in set(numbers).difference(parts):
                parts[number] = Part(shut(lane, number))
            its_parts = [parts[number] for number in numbers]
            part_of.update(zip(small, its_parts, strict=True))
            welcome = [n for n, part in zip(small, its_parts, strict=True) if part.shut is None]
            resolver = Resolver(policy, backend, now_ms, call_traceparent)
            resolved.update(resolver.resolve(welcome, batch, columns, keys, identities))
        self._share_out(resolved, part_of, refusals)
        return admission

    def _share_out(
        self,
        resolved: Mapping[int, LoggedRow | Refusal],
        part_of: Mapping[int, Part],
        refusals: dict[int, Refusal],
    ) -> None:
        """In the order of the batch."""
        seen: set[bytes] = set()
        for index in sorted(part_of):
            part = part_of[index]
            row = resolved[index] if part.shut is None else part.shut
            if isinstance(row, Refusal):
                refusals[index] = row
            elif row.identity in seen:
                refusals[index] = REPEATED
            elif row.size_bytes > self._longest_row_bytes:
                seen.add(row.identity)
                refusals[index] = TOO_LONG
            else:
                seen.add(row.identity)
                part.indexes.append(index)
                part.rows.append(row)

    def _small(
        self, batch: Batch, indexes: Sequence[int], refusals: dict[int, Refusal]
    ) -> Sequence[int]:
        """Without those whose payload is too long, which are refused."""
        longest = self._settings.max_payload_bytes
        # What is short as a whole has no long payload.
        for index in [index for index in indexes if len(batch.serialised[index]) > longest]:
            size = len(batch.events[index].payload)
            if size > longest:
                refusals[index] = Refusal(
                    Reason.TOO_LARGE,
                    f"the payload has {size} bytes, {longest} are allowed",
                    "payload",
                )
        return [index for index in indexes if index not in refusals] if refusals else indexes


def _by_type(types: Sequence[str], refused: Container[int]) -> dict[str, list[int]]:
    """The indexes of those that are not refused."""
    found: dict[str, list[int]] = {}
    for index, event_type in enumerate(types):
        if index in refused:
            continue
        if event_type in found:
            found[event_type].append(index)
        else:
            found[event_type] = [index]
    return found
