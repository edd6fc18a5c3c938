"""A lane's inbox in Cassandra while the number of its shards changes. Rows stay where they are: they are found by member."""

from collections.abc import AsyncIterator, Sequence

from reno.adapters import cassandra_layout as layout
from reno.adapters.cassandra_journal import CassandraJournal
from reno.adapters.cassandra_session import CassandraSession
from reno.adapters.inbox_keys import entry_value
from reno.adapters.together import together
from reno.domain.priority import Priority
from reno.domain.reason import Reason
from reno.errors import WrongState
from reno.ports import JournalEntry, Shard, shards_of_lane


class CassandraReshardedInbox:
    """Implements reno.ports.ReshardedInbox. The journals and marks of each number of shards lie apart, so that who believes in another number meets none of them."""

    def __init__(self, session: CassandraSession) -> None:
        """`session` knows cassandra_statements.RESHARDING."""
        self._session = session
        self._journal = CassandraJournal(session)

    async def shards(self, priority: Priority) -> int:
        """See ReshardedInbox."""
        return (await self._stored(priority))[0]

    async def last_entry(self, shard: Shard) -> JournalEntry | None:
        """See ReshardedInbox."""
        return (await self._journal.newest(shard))[0]

    def journal(self, shard: Shard, since_ms: int) -> AsyncIterator[JournalEntry]:
        """See ReshardedInbox."""
        return self._journal.entries(shard, since_ms)

    async def remember(self, shard: Shard, entries: Sequence[JournalEntry]) -> None:
        """See ReshardedInbox."""
        await self._journal.write(shard, entries)

    async def begin(self, shard: Shard, first: JournalEntry) -> None:
        """See ReshardedInbox."""
        mark = layout.mark_at(first)
        key = layout.key_of(shard)
        await self._session.write("begin", [*key, mark, entry_value(first), mark])

    async def go_over(self, priority: Priority, shards: int, mark: int) -> None:
        """See ReshardedInbox. The shards that were are left last: a reader looks for the number when it finds its mark left."""
        stored, before = await self._stored(priority)
        if stored != shards:
            before = stored
            await self._session.read("reshard", [shards, before, int(priority), before])
        await together(
            self._session.write("leave", [*layout.key_of(shard), mark])
            for shard in shards_of_lane(priority, before)
        )

    async def close(self) -> None:
        """Waits for what is in flight."""
        await self._session.close()

    async def _stored(self, priority: Priority) -> tuple[int, int]:
        """Shards, and how many there were before; 0 where they never changed."""
        found = await self._session.read("stored", [int(priority)])
        if not found:
            raise WrongState(
                Reason.NOT_READY,
                f"Cassandra has nothing of lane {priority.word}: only a lane that is stored there can get another number of shards",
            )
        return int(found[0][0]), int(found[0][1] or 0)
