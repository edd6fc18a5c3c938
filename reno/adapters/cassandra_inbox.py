"""The inbox in Cassandra: rows, journal and marks of one lane, for its processors."""

import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence

from reno.adapters import cassandra_layout as layout
from reno.adapters.cassandra_journal import CassandraJournal
from reno.adapters.cassandra_reader import CassandraReader
from reno.adapters.cassandra_session import CassandraSession
from reno.adapters.inbox_keys import entry_value
from reno.adapters.paging import MAX_MEMBER_ROWS
from reno.adapters.rocks_directory import InboxMismatch
from reno.adapters.together import together
from reno.domain.priority import Priority
from reno.domain.reason import Reason
from reno.errors import Unavailable, WrongState
from reno.ports import Acknowledged, EnvelopeWrite, JournalEntry, Page, RowWrite, Shard, Slice

Chain = Sequence[Sequence[RowWrite]]


def _clock_ms() -> int:
    return time.time_ns() // 1_000_000


class CassandraInbox:
    """Implements reno.ports.Inbox for one lane; any number of processes may hold the same one.

    An append is three steps, each confirmed before the next: the rows, the journal, the shard's mark. They are not one atomic write, and
    need not be. Rows and entries are immutable and their keys come from the log, so a step that is repeated, by this process or by the
    next owner, writes what is already there. What lies above the mark is hidden from readers and from `journal`: the mark, one
    cell, is what makes an append count, and since it carries itself as its timestamp the highest one stands whoever writes last. So after a
    crash between two steps the owner finds the old mark, reads the log from there and does the steps again; nobody saw the half. What an
    owner wrote of a message that the log then lost, before its mark, stays: if a later envelope's mark passes it, its members see an
    event that was published all the same, and entries never stand without their rows.

    Of one member the rows of an envelope are one batch in one partition, seen whole or not at all, and the next envelope's follow its
    confirmation: also a reader that ignores marks sees no later row without the earlier ones.
    """

    def __init__(
        self,
        session: CassandraSession,
        priority: Priority,
        shards: int,
        *,
        read_timeout_s: float,
        max_member_rows: int = MAX_MEMBER_ROWS,
        move: str = "",
        now_ms: Callable[[], int] = _clock_ms,
    ) -> None:
        """`session` knows cassandra_statements.STORING. `move`: the one that this belongs to; see `begin_move`. The first request raises InboxMismatch where the lane is stored with another shard count."""
        self._session = session
        self._priority = priority
        self._shards = shards
        self._move = move
        self._now_ms = now_ms
        self._journal = CassandraJournal(session, move)
        self._reader = CassandraReader(session, read_timeout_s, max_member_rows, move)
        self._is_claimed = False
        self._appends = 0
        """That write rows now."""

    async def read(self, priority: Priority, slices: Sequence[Slice], now_ms: int) -> list[Page]:
        """See reno.ports.InboxReader."""
        await self._claim(priority)
        return await self._reader.read(priority, slices, now_ms)

    async def keep_acknowledged(self, priority: Priority, marks: Sequence[Acknowledged]) -> None:
        """See reno.ports.InboxReader."""
        await self._claim(priority)
        await self._reader.keep_acknowledged(priority, marks)

    async def append(self, shard: Shard, writes: Sequence[EnvelopeWrite]) -> None:
        """See reno.ports.Inbox. Raises errors.Unavailable when Cassandra does not confirm: what was written of it is hidden. A shard's next append follows when this one returned."""
        await self._claim(shard.priority)
        if shard.shards != self._shards or not 0 <= shard.number < self._shards:
            raise ValueError(f"no {shard} of {self._shards}")
        if not writes:
            return
        self._appends += 1
        try:
            await self._write_rows(writes)
        finally:
            self._appends -= 1
        await self._journal.write(shard, [write.entry for write in writes])
        await self._raise(shard, max((write.entry for write in writes), key=layout.mark_at))

    async def begin_move(self, shard: Shard, newest: JournalEntry | None) -> None:
        """What comes after `newest` is stored here from now on; what came before is copied beside. Until that is complete the shard is hidden from all who do not belong to the move."""
        await self._session.write("move", [*layout.key_of(shard), self._move])
        await self._claim(shard.priority)
        if newest is not None:
            await self._raise(shard, newest)

    async def last_entry(self, shard: Shard) -> JournalEntry | None:
        """See reno.ports.Inbox. Raises errors.Unavailable, too, while the shard is hidden."""
        await self._claim(shard.priority)
        newest, _ = await self._journal.newest(shard)
        return newest

    async def journal(self, shard: Shard, since_ms: int) -> AsyncIterator[JournalEntry]:
        """See reno.ports.Inbox. As far back as KEEP_S."""
        await self._claim(shard.priority)
        async for entry in self._journal.entries(shard, since_ms):
            yield entry

    async def trim_journal(self, shard: Shard, before_ms: int) -> None:
        """See reno.ports.Inbox. Older entries are no longer read; Cassandra drops them by their TTL, since deletes would cost more."""
        await self._claim(shard.priority)
        if before_ms > 0:
            await self._session.write("trim", [*layout.key_of(shard), before_ms, before_ms])

    async def close(self) -> None:
        """See reno.ports.Inbox. Waits for what is in flight."""
        await self._session.close()

    async def _claim(self, priority: Priority) -> None:
        if priority is not self._priority:
            raise WrongState(
                Reason.NOT_READY, f"lane {priority.word} is not here: {self._priority.word} is"
            )
        if self._is_claimed:
            return
        # Decided and told in one go, so that nobody who claims at the same time is missed: (True,), or (False, lane, shards, shards_before).
        ((is_first, *stored),) = await self._session.read("claim", [int(priority), self._shards])
        if not is_first and stored[-2] != self._shards:
            message = (
                f"lane {priority.word} is stored in {stored[-2]} shards, the log has {self._shards}"
            )
            if stored[-1] == self._shards:
                raise Unavailable(Reason.NOT_READY, f"{message}: see reno lane reshard")
            raise InboxMismatch(message)
        self._is_claimed = True

    async def _raise(self, shard: Shard, newest: JournalEntry) -> None:
        mark = layout.mark_at(newest)
        key = layout.key_of(shard)
        await self._session.write("raise", [*key, mark, entry_value(newest), mark])

    async def _write_rows(self, writes: Sequence[EnvelopeWrite]) -> None:
        """Members at once, each member's batches one after the other."""
        chains = layout.chains(writes)
        waiting = iter(chains)
        now_ms = self._now_ms()
        askers = min(self._share(), len(chains))
        await together(self._write_chains(waiting, number, now_ms) for number in range(askers))

    def _share(self) -> int:
        """Of the places in flight, each append's: to queue for one costs as much as the request."""
        return max(1, self._session.max_in_flight // max(1, self._appends))

    async def _write_chains(self, waiting: Iterator[Chain], number: int, now_ms: int) -> None:
        """As the append's asker of that number; it leaves when other appends have come for its place."""
        lane, write, together_ = (
            int(self._priority),
            self._session.write,
            self._session.write_together,
        )
        for chain in waiting:
            for batch in chain:
                many = [
                    [
                        row.member_key,
                        lane,
                        row.position,
                        row.expires_at_ms,
                        layout.stored_row(row.row),
                        layout.ttl_s(row.expires_at_ms, now_ms),
                    ]
                    for row in batch
                ]
                if len(many) == 1:
                    await write("keep", many[0])
                else:
                    await together_("keep", many)
            if number >= self._share():
                return
