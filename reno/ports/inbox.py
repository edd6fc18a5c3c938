"""The inbox: rows and journal for processors, pages for gateways."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from reno.domain.priority import Priority
from reno.ports.shard import Shard

MAX_SLICES = 1000
"""Of one read, and marks of one keep_acknowledged."""


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """What is remembered of one envelope: see reno.v1.JournalEntry."""

    generation: int
    sequence: int
    log_time_ms: int
    envelope_id: bytes
    verdicts: bytes
    identities: bytes
    repeated_envelope: bool = False
    window_ms: int = 0


class RowWrite(NamedTuple):
    """One row to keep; `row` is a serialised reno.v1.Row. A tuple: there is one for every event."""

    member_key: bytes
    position: int
    expires_at_ms: int
    row: bytes


@dataclass(frozen=True, slots=True)
class EnvelopeWrite:
    """An envelope's rows and its journal entry, written together or not at all."""

    entry: JournalEntry
    rows: Sequence[RowWrite]


@dataclass(frozen=True, slots=True)
class Slice:
    """What one device wants to see of one lane: rows after a position, oldest first."""

    tenant: str
    member_id: str
    device_id: str
    after: int
    max_rows: int
    max_bytes: int


@dataclass(frozen=True, slots=True)
class StoredRow:
    """A row at its position."""

    position: int
    row: bytes


@dataclass(frozen=True, slots=True)
class Page:
    """Answer to a slice; see reno.v1.Page for what through, mark and acknowledged promise."""

    rows: Sequence[StoredRow]
    more: bool
    through: int
    mark: int
    acknowledged: int
    left_out_through: int = 0


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """How far one device has handled one lane."""

    tenant: str
    member_id: str
    device_id: str
    position: int


class InboxReader(Protocol):
    """What gateways need of the inbox."""

    async def read(self, priority: Priority, slices: Sequence[Slice], now_ms: int) -> list[Page]:
        """One page a slice, in order; at most MAX_SLICES. Of a member with more rows than a read shows only the newest are. Raises errors.Unavailable when the lane's inbox does not answer."""
        ...

    async def keep_acknowledged(self, priority: Priority, marks: Sequence[Acknowledged]) -> None:
        """Keeps each device's highest position; one above the shard's mark is ignored. At most MAX_SLICES marks. Raises errors.Unavailable."""
        ...


class Inbox(InboxReader, Protocol):
    """What processors need of the inbox: rows and journal."""

    async def append(self, shard: Shard, writes: Sequence[EnvelopeWrite]) -> None:
        """Durable when it returns. A row becomes readable only when every earlier one of its member and lane is. Repeats change nothing."""
        ...

    async def last_entry(self, shard: Shard) -> JournalEntry | None:
        """The journal's newest entry: the shard's mark."""
        ...

    def journal(self, shard: Shard, since_ms: int) -> AsyncIterator[JournalEntry]:
        """Entries with log time >= since_ms, oldest first."""
        ...

    async def trim_journal(self, shard: Shard, before_ms: int) -> None:
        """Forgets entries with log time < before_ms; the newest entry is always kept."""
        ...

    async def close(self) -> None:
        """Flushes and releases the directory or the connections."""
        ...
