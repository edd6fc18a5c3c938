"""The log between the doors and the processors: what its two ends need."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from reno.domain.priority import Priority
from reno.ports.shard import Shard


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One message of a shard's log."""

    sequence: int
    timestamp_ms: int
    payload: bytes
    reading: int = 0
    """Which uninterrupted reading of the log it came with: see LogReader.purge."""


@dataclass(frozen=True, slots=True)
class LaneInfo:
    """What the lane's stream says about itself."""

    generation: int
    shards: int


class LogFull(Exception):
    """The lane's stream holds as much unprocessed as it may; nothing was stored."""


class LogAbsent(Exception):
    """The lane's stream does not exist or no server answers for it; nothing was stored by this attempt."""


class LogShorter(LogAbsent):
    """The log ends before what was read from it: it was restored or made anew."""


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

    async def raise_generation(self, priority: Priority, to: int) -> None:
        """Done when the lane has this generation or a later one. May be repeated, by several at once. Raises LogAbsent."""
        ...

    async def last_sequence(self, priority: Priority) -> int:
        """Of the whole stream; survives purges."""
        ...

    def read(self, shard: Shard, from_sequence: int) -> AsyncIterator[list[LogRecord]]:
        """What is there, in log order and in batches, then what comes; ends never. After a break the log may be another one: it is read again from `from_sequence`,
        as another reading, and whoever knows what it held compares. Raises LogShorter."""
        ...

    async def purge(self, shard: Shard, through_sequence: int, reading: int) -> None:
        """Drops the shard's messages up to and including the sequence, all of which came, or were gone, with this reading. Raises LogUnconfirmed where it was interrupted
        since, so that nothing is dropped unread, and LogAbsent."""
        ...

    async def lag(self, shard: Shard) -> int:
        """Messages of the shard that are not purged yet."""
        ...

    async def bury(
        self, shard: Shard, record: LogRecord, why: str, rows: Sequence[int] = ()
    ) -> None:
        """Keeps what cannot be processed in the dead-letter stream; on disk when it returns. `rows`: those of the envelope that it is about; none: all of the message. Raises LogAbsent, LogFull, LogUnconfirmed."""
        ...
