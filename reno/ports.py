"""What the rooms need from the outside, as protocols. Adapters implement them; one contract suite runs on all adapters of a port."""

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from reno.domain.priority import Priority


@dataclass(frozen=True, slots=True)
class Shard:
    """One part of a lane, read and written by one owner."""

    priority: Priority
    number: int


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One message of a shard's log."""

    sequence: int
    timestamp_ms: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class LaneInfo:
    """What the lane's stream says about itself."""

    generation: int
    shards: int


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


@dataclass(frozen=True, slots=True)
class RowWrite:
    """One row to keep; `row` is a serialised reno.v1.Row."""

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
        """One page a slice, in order. Raises errors.Unavailable when the lane's inbox does not answer."""
        ...

    async def keep_acknowledged(self, priority: Priority, marks: Sequence[Acknowledged]) -> None:
        """Keeps each device's highest position. Raises errors.Unavailable."""
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


class LogFull(Exception):
    """The lane's stream holds as much unprocessed as it may; nothing was stored."""


class LogAbsent(Exception):
    """The lane's stream does not exist or no server answers for it; nothing was stored by this attempt."""


class LogUnconfirmed(Exception):
    """The log did not confirm: the message may or may not be stored."""


class LogWriter(Protocol):
    """What the ingestion door needs of the log."""

    async def lane(self, priority: Priority) -> LaneInfo:
        """Raises LogAbsent."""
        ...

    async def append(self, shard: Shard, payload: bytes, envelope_id: str, timeout_s: float) -> int:
        """Sequence of the message, on disk. The same id again within the stream's window gives the first one's sequence. Raises LogFull, LogAbsent, LogUnconfirmed."""
        ...


class LogReader(Protocol):
    """What a shard's owner needs of the log."""

    async def open_lane(self, priority: Priority) -> LaneInfo:
        """Creates the lane's stream where it is missing."""
        ...

    async def last_sequence(self, priority: Priority) -> int:
        """Of the whole stream; survives purges."""
        ...

    def read(self, shard: Shard, from_sequence: int) -> AsyncIterator[list[LogRecord]]:
        """What is there, in log order and in batches, then what comes; ends never. Survives reconnects of the server."""
        ...

    async def purge(self, shard: Shard, through_sequence: int) -> None:
        """Drops the shard's messages up to and including the sequence."""
        ...

    async def lag(self, shard: Shard) -> int:
        """Messages of the shard that are not purged yet."""
        ...

    async def bury(self, shard: Shard, record: LogRecord, why: str) -> None:
        """Keeps what cannot be processed in the dead-letter stream; on disk when it returns. Raises LogAbsent, LogFull, LogUnconfirmed."""
        ...


@dataclass(frozen=True, slots=True)
class GatewayAddress:
    """A gateway as presence knows it."""

    gateway_id: str
    epoch: int
    address: str


@dataclass(frozen=True, slots=True)
class Located:
    """For each gateway the members (by id) that it holds sessions of."""

    by_gateway: dict[GatewayAddress, set[str]] = field(default_factory=dict)


class PresenceLookup(Protocol):
    """What processors need of presence."""

    async def lookup(self, tenant: str, member_ids: Sequence[str], timeout_s: float) -> Located:
        """Raises errors.Unavailable when no replica answers in time."""
        ...


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """A stored row on its way to a gateway; previous None: the owner does not know."""

    position: int
    previous: int | None
    row: bytes


class Deliverer(Protocol):
    """How processors reach gateways."""

    async def deliver(
        self,
        gateway: GatewayAddress,
        shard: Shard,
        shards: int,
        rows: Sequence[DeliveryRow],
        *,
        resync: bool,
        timeout_s: float,
    ) -> None:
        """Raises errors.Unavailable (no answer in time), errors.WrongState (another epoch)."""
        ...


@dataclass(frozen=True, slots=True)
class SessionPlace:
    """A device's stream at a gateway, as presence is told of it; `number` is unique within the gateway's epoch."""

    number: int
    tenant: str
    member_id: str
    device_id: str
    device_class: str


class PresenceAnnouncer(Protocol):
    """Keeps a gateway attached to every presence replica, through breaks."""

    def start(
        self,
        gateway: GatewayAddress,
        held: Callable[[], Iterable[SessionPlace]],
        on_known: Callable[[Collection[int], bool], None],
    ) -> None:
        """`held` lists the sessions for a new attachment. `on_known(numbers, again)` is called when a replica has confirmed sessions; again: it had to be told of them anew after a break."""
        ...

    def began(self, place: SessionPlace) -> None:
        """Never waits."""
        ...

    def ended(self, number: int) -> None:
        """Never waits."""
        ...

    async def wait(self) -> None:
        """Returns after stop. Raises what went wrong for good: errors.WrongState (FENCED) when a newer epoch of this gateway is attached, so that this one must not serve."""
        ...

    async def stop(self) -> None:
        """Says goodbye to every replica that is attached, within a second."""
        ...
