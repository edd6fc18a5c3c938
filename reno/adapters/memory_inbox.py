"""An inbox in memory, for tests and simulations: the same answers as the durable ones, kept until the process ends."""

from bisect import bisect_right, insort
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace

from reno.adapters.paging import MAX_MEMBER_ROWS, fill_page
from reno.domain.member import member_key, shard_of
from reno.domain.position import mark_of
from reno.domain.priority import Priority
from reno.ports import (
    Acknowledged,
    EnvelopeWrite,
    JournalEntry,
    Page,
    Shard,
    Slice,
)

_Place = tuple[int, int]


class _MemberRows:
    """A member's rows of one lane."""

    def __init__(self) -> None:
        self._positions: list[int] = []
        self._rows: dict[int, tuple[int, bytes]] = {}

    def put(self, position: int, expires_at_ms: int, row: bytes) -> None:
        if position not in self._rows:
            insort(self._positions, position)
        self._rows[position] = (expires_at_ms, row)

    def left_out(self, after: int, mark: int, limit: int) -> int:
        """The newest position that is not among the newest `limit` up to the mark; 0 where all after `after` are."""
        index = bisect_right(self._positions, mark) - limit - 1
        return self._positions[index] if index >= 0 and self._positions[index] > after else 0

    def after(self, position: int, mark: int) -> Iterator[tuple[int, int, bytes]]:
        for index in range(bisect_right(self._positions, position), len(self._positions)):
            at = self._positions[index]
            if at > mark:
                return
            yield (at, *self._rows[at])


class MemoryInbox:
    """Serves every lane. Implements reno.ports.Inbox and ReshardedInbox. `shards` is the count of each lane at first."""

    def __init__(self, shards: int, max_member_rows: int = MAX_MEMBER_ROWS) -> None:
        self._shards = dict.fromkeys(Priority, shards)
        self._max_member_rows = max_member_rows
        self._rows: dict[tuple[Priority, bytes], _MemberRows] = {}
        self._journals: dict[Shard, dict[_Place, JournalEntry]] = {}
        self._acknowledged: dict[tuple[Priority, bytes, str], int] = {}

    async def read(self, priority: Priority, slices: Sequence[Slice], now_ms: int) -> list[Page]:
        """See reno.ports.InboxReader."""
        return [self._page(priority, wanted, now_ms) for wanted in slices]

    async def keep_acknowledged(self, priority: Priority, marks: Sequence[Acknowledged]) -> None:
        """See reno.ports.InboxReader."""
        for mark in marks:
            owner = member_key(mark.tenant, mark.member_id)
            if mark.position <= self._mark(priority, owner):
                key = (priority, owner, mark.device_id)
                self._acknowledged[key] = max(mark.position, self._acknowledged.get(key, 0))

    async def append(self, shard: Shard, writes: Sequence[EnvelopeWrite]) -> None:
        """See reno.ports.Inbox."""
        journal = self._journals.setdefault(shard, {})
        for write in writes:
            for row in write.rows:
                rows = self._rows.setdefault((shard.priority, row.member_key), _MemberRows())
                rows.put(row.position, row.expires_at_ms, row.row)
            journal[write.entry.generation, write.entry.sequence] = write.entry

    async def last_entry(self, shard: Shard) -> JournalEntry | None:
        """See reno.ports.Inbox."""
        journal = self._journals.get(shard)
        return journal[max(journal)] if journal else None

    async def journal(self, shard: Shard, since_ms: int) -> AsyncIterator[JournalEntry]:
        """See reno.ports.Inbox."""
        journal = self._journals.get(shard, {})
        for place in sorted(journal):
            if journal[place].log_time_ms >= since_ms:
                yield journal[place]

    async def trim_journal(self, shard: Shard, before_ms: int) -> None:
        """See reno.ports.Inbox."""
        journal = self._journals.get(shard, {})
        for place in sorted(journal)[:-1]:
            if journal[place].log_time_ms < before_ms:
                del journal[place]

    async def shards(self, priority: Priority) -> int:
        """See reno.ports.ReshardedInbox."""
        return self._shards[priority]

    async def remember(self, shard: Shard, entries: Sequence[JournalEntry]) -> None:
        """See reno.ports.ReshardedInbox."""
        await self.append(shard, [EnvelopeWrite(entry, ()) for entry in entries])

    async def begin(self, shard: Shard, first: JournalEntry) -> None:
        """See reno.ports.ReshardedInbox."""
        await self.append(shard, [EnvelopeWrite(first, ())])

    async def go_over(self, priority: Priority, shards: int, mark: int) -> None:
        """See reno.ports.ReshardedInbox."""
        self._shards[priority] = shards

    async def close(self) -> None:
        """Nothing to release; what was kept can still be read."""

    def _page(self, priority: Priority, wanted: Slice, now_ms: int) -> Page:
        key = member_key(wanted.tenant, wanted.member_id)
        mark = self._mark(priority, key)
        rows = self._rows.get((priority, key), _MemberRows())
        kept = self._acknowledged.get((priority, key, wanted.device_id), 0)
        acknowledged = kept if wanted.device_id else 0

        def page(after: int) -> Page:
            return fill_page(
                replace(wanted, after=after),
                rows.after(after, mark),
                mark=mark,
                acknowledged=acknowledged,
                now_ms=now_ms,
            )

        whole = page(wanted.after)
        left_out = rows.left_out(wanted.after, mark, self._max_member_rows) if whole.more else 0
        return replace(page(left_out), left_out_through=left_out) if left_out else whole

    def _mark(self, priority: Priority, owner: bytes) -> int:
        shards = self._shards[priority]
        journal = self._journals.get(Shard(priority, shard_of(owner, shards), shards))
        return mark_of(*max(journal)) if journal else 0
