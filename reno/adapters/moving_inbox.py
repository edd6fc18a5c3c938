"""The inbox while a lane moves: what is stored is stored in Cassandra too, what is read is read from the embedded one."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from reno.adapters.cassandra_inbox import CassandraInbox
from reno.domain.priority import Priority
from reno.ports import Acknowledged, EnvelopeWrite, Inbox, JournalEntry, Page, Shard, Slice


class MovingInbox:
    """Implements reno.ports.Inbox. The embedded inbox says what is stored, and how far.

    Cassandra is written first, so that it has whatever the embedded one got since the move began. What it got before is `reno inbox copy`'s. After a
    crash between the two writes the owner reads that part of the log again, and both write what they have.
    """

    def __init__(self, embedded: Inbox, cassandra: CassandraInbox, shards: Sequence[Shard]) -> None:
        """`shards`: that are kept here."""
        self._embedded = embedded
        self._cassandra = cassandra
        self._shards = shards
        self._beginning = asyncio.Lock()
        self._has_begun = False

    async def read(self, priority: Priority, slices: Sequence[Slice], now_ms: int) -> list[Page]:
        """See reno.ports.InboxReader."""
        return await self._embedded.read(priority, slices, now_ms)

    async def keep_acknowledged(self, priority: Priority, marks: Sequence[Acknowledged]) -> None:
        """See reno.ports.InboxReader."""
        await self._begun()
        await self._cassandra.keep_acknowledged(priority, marks)
        await self._embedded.keep_acknowledged(priority, marks)

    async def append(self, shard: Shard, writes: Sequence[EnvelopeWrite]) -> None:
        """See reno.ports.Inbox. Raises errors.Unavailable when either does not confirm."""
        await self._begun()
        await self._cassandra.append(shard, writes)
        await self._embedded.append(shard, writes)

    async def last_entry(self, shard: Shard) -> JournalEntry | None:
        """See reno.ports.Inbox. An owner asks first: without Cassandra it waits."""
        await self._begun()
        return await self._embedded.last_entry(shard)

    def journal(self, shard: Shard, since_ms: int) -> AsyncIterator[JournalEntry]:
        """See reno.ports.Inbox."""
        return self._embedded.journal(shard, since_ms)

    async def trim_journal(self, shard: Shard, before_ms: int) -> None:
        """See reno.ports.Inbox."""
        await self._cassandra.trim_journal(shard, before_ms)
        await self._embedded.trim_journal(shard, before_ms)

    async def close(self) -> None:
        """See reno.ports.Inbox."""
        try:
            await self._cassandra.close()
        finally:
            await self._embedded.close()

    async def _begun(self) -> None:
        """Before anything counts as stored in Cassandra the shards are hidden there."""
        if self._has_begun:
            return
        async with self._beginning:
            for shard in self._shards:
                await self._cassandra.begin_move(shard, await self._embedded.last_entry(shard))
            self._has_begun = True
