"""What it takes to change the number of a lane's shards: of its log, and of its inbox."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from reno.domain.priority import Priority
from reno.ports.inbox import JournalEntry
from reno.ports.log import LaneInfo
from reno.ports.shard import Shard


@dataclass(frozen=True, slots=True)
class LaneStanding:
    """A lane as its stream has it; `to_shards`: it is closed, and is to have so many; None: it is open."""

    lane: LaneInfo
    to_shards: int | None
    last_sequence: int


class CannotReshard(Exception):
    """Why not; the lane is open with the shards that it had, unless the words say otherwise."""


class ReshardedLog(Protocol):
    """Every method may be repeated, and raises LogAbsent where the log does not answer."""

    async def standing(self, priority: Priority) -> LaneStanding:
        """Asks the server each time."""
        ...

    async def close(self, priority: Priority, to_shards: int) -> int:
        """From now on appends raise LogAbsent. A sequence above everything that was appended, and below whatever will be. Raises LogUnconfirmed."""
        ...

    async def waiting(self, priority: Priority) -> int:
        """Messages of the lane's shards that are not purged yet."""
        ...

    async def open(self, priority: Priority, shards: int) -> None:
        """From now on the lane has so many, and appends to these succeed."""
        ...


class ReshardedInbox(Protocol):
    """Every method may be repeated, and raises errors.Unavailable where the inbox does not answer."""

    async def shards(self, priority: Priority) -> int:
        """That its readers know. Raises WrongState where the lane is not stored here."""
        ...

    async def last_entry(self, shard: Shard) -> JournalEntry | None:
        """See Inbox; of any number of shards."""
        ...

    def journal(self, shard: Shard, since_ms: int) -> AsyncIterator[JournalEntry]:
        """See Inbox; of any number of shards."""
        ...

    async def remember(self, shard: Shard, entries: Sequence[JournalEntry]) -> None:
        """Puts entries of other shards into the journal of one that has not begun. They count when it has."""
        ...

    async def begin(self, shard: Shard, first: JournalEntry) -> None:
        """The shard's newest entry is this one, above all that it has."""
        ...

    async def go_over(self, priority: Priority, shards: int, mark: int) -> None:
        """Readers find members by this number from now on; those who knew the one before see so with their next read. All new shards have begun at the mark."""
        ...
