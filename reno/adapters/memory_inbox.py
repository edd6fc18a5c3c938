"""An inbox in memory, for tests and simulations: the same answers as the durable ones, kept until the process ends."""

from bisect import bisect_right, insort
from collections.abc import AsyncIterator, Iterator, Sequence

from reno.adapters.paging import fill_page
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

    def after(self, position: int, mark: int) -> Iterator[tuple[int, int, bytes]]:
        for index in range(bisect_right(self._positions, position), len(self._positions)):
            at = self._positions[index]
            if at > mark:
                return
            yield (at, *self._rows[at])


class MemoryInbox:
    """Serves every lane. `shards` is the count of each lane."""

    def __init__(self, shards: int) -> None:
        self._shards = shards
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
            if mark.position <= self._mark(Shard(priority, shard_of(owner, self._shards))):
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

    async def close(self) -> None:
        """Nothing to release; what was kept can still be read."""

    def _page(self, priority: Priority, wanted: Slice, now_ms: int) -> Page:
        key = member_key(wanted.tenant, wanted.member_id)
        mark = self._mark(Shard(priority, shard_of(key, self._shards)))
        rows = self._rows.get((priority, key), _MemberRows())
        kept = self._acknowledged.get((priority, key, wanted.device_id), 0)
        return fill_page(
            wanted,
            rows.after(wanted.after, mark),
            mark=mark,
            acknowledged=kept if wanted.device_id else 0,
            now_ms=now_ms,
        )

    def _mark(self, shard: Shard) -> int:
        journal = self._journals.get(shard)
        return mark_of(*max(journal)) if journal else 0
