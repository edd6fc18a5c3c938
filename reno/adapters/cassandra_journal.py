"""Shards' journals in Cassandra."""

from collections.abc import AsyncIterator, Sequence

from reno.adapters import cassandra_layout as layout
from reno.adapters.cassandra_reader import not_copied
from reno.adapters.cassandra_session import CassandraSession
from reno.adapters.inbox_keys import KEEP_S, entry_value
from reno.adapters.together import together
from reno.ports import JournalEntry, Shard

MAX_ENTRIES = 64
"""In one read."""


class CassandraJournal:
    """Raises errors.Unavailable where Cassandra does not answer, and while a shard is hidden."""

    def __init__(self, session: CassandraSession, move: str = "") -> None:
        """`session` knows cassandra_statements.STORING. `move`: the one that this belongs to."""
        self._session = session
        self._move = move

    async def newest(self, shard: Shard) -> tuple[JournalEntry | None, int]:
        """The newest entry, and the log time before which the journal is trimmed."""
        found = await self._session.read("newest", layout.key_of(shard))
        if not found:
            return None, 0
        mark, entry, trimmed_before_ms, moving, moved = found[0]
        if layout.is_hidden(moving, moved, self._move):
            raise not_copied(shard.priority, shard.number)
        return None if mark is None else layout.entry_at(mark, entry), trimmed_before_ms or 0

    async def entries(self, shard: Shard, since_ms: int) -> AsyncIterator[JournalEntry]:
        """Up to the newest, with log time >= since_ms, oldest first. As far back as KEEP_S."""
        newest, trimmed_before_ms = await self.newest(shard)
        if newest is None or newest.log_time_ms < since_ms:
            return
        mark = layout.mark_at(newest)
        since_ms = max(since_ms, trimmed_before_ms)
        for bucket in layout.buckets(since_ms, newest.log_time_ms):
            async for entry in self._in_bucket(shard, bucket, mark):
                if entry.log_time_ms >= since_ms:
                    yield entry
        # From its shard's mark: in the journal a quiet shard's newest entry ends with its TTL.
        yield newest

    async def write(self, shard: Shard, entries: Sequence[JournalEntry]) -> None:
        """Seen when the shard's mark has come as far."""
        await together(
            self._session.write(
                "journal",
                [
                    *layout.key_of(shard),
                    layout.bucket_of(entry.log_time_ms),
                    layout.mark_at(entry),
                    entry_value(entry),
                    KEEP_S,
                ],
            )
            for entry in entries
        )

    async def _in_bucket(self, shard: Shard, bucket: int, mark: int) -> AsyncIterator[JournalEntry]:
        """Before the mark's, oldest first."""
        after = -1
        while True:
            key = [*layout.key_of(shard), bucket]
            found = await self._session.read("entries", [*key, after, mark - 1, MAX_ENTRIES])
            for after, entry in found:
                yield layout.entry_at(after, entry)
            if len(found) < MAX_ENTRIES:
                return
