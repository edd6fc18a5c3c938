"""What survives every process: the log, and the inbox with its two ways of being written. Plain state; ports.py reaches it."""

from bisect import bisect_right, insort
from collections.abc import Callable, Iterator

from reno.adapters.paging import fill_page
from reno.domain.member import member_key, shard_of
from reno.domain.position import mark_of
from reno.domain.priority import Priority
from reno.ports import (
    Acknowledged,
    EnvelopeWrite,
    JournalEntry,
    LogFull,
    LogRecord,
    Page,
    RowWrite,
    Shard,
    Slice,
)


class KeptLog:
    """Every lane's stream. `history` forgets nothing: it is what the checks judge by."""

    def __init__(self, max_bytes: int, forgets: Callable[[], bool]) -> None:
        """`forgets`: whether it takes a message that it knows for a new one, as after its window."""
        self.forgets = forgets
        self.history: dict[Shard, list[LogRecord]] = {}
        self.dead: set[tuple[Shard, int]] = set()
        self._held: dict[Shard, dict[int, LogRecord]] = {}
        self._sequences: dict[tuple[Priority, str], int] = {}
        self._last: dict[Priority, int] = {}
        self._held_bytes: dict[Priority, int] = {}
        self._max_bytes = max_bytes

    def append(self, shard: Shard, payload: bytes, envelope_id: str, now_ms: int) -> int:
        lane = shard.priority
        if (known := self._sequences.get((lane, envelope_id))) and not self.forgets():
            return known
        if self._held_bytes.get(lane, 0) + len(payload) > self._max_bytes:
            raise LogFull(lane.word)
        sequence = self._last[lane] = self._last.get(lane, 0) + 1
        record = LogRecord(sequence, now_ms, payload)
        self.history.setdefault(shard, []).append(record)
        self._held.setdefault(shard, {})[sequence] = record
        self._sequences[lane, envelope_id] = sequence
        self._held_bytes[lane] = self._held_bytes.get(lane, 0) + len(payload)
        return sequence

    def last_sequence(self, priority: Priority) -> int:
        return self._last.get(priority, 0)

    def has_from(self, shard: Shard, sequence: int) -> bool:
        held = self._held.get(shard, {})
        return bool(held) and next(reversed(held)) >= sequence

    def from_sequence(self, shard: Shard, sequence: int, most: int) -> list[LogRecord]:
        held = self._held.get(shard, {})
        return [record for at, record in held.items() if at >= sequence][:most]

    def purge(self, shard: Shard, through_sequence: int) -> None:
        held = self._held.get(shard, {})
        for sequence in [each for each in held if each <= through_sequence]:
            self._held_bytes[shard.priority] -= len(held.pop(sequence).payload)

    def lag(self, shard: Shard) -> int:
        return len(self._held.get(shard, {}))


class _MemberRows:
    def __init__(self) -> None:
        self.positions: list[int] = []
        self.rows: dict[int, RowWrite] = {}


class KeptInbox:
    """Rows, journal and mark are written in steps; nothing above a shard's mark is read. What is written again must be the same: two owners agree."""

    def __init__(self, shards: int) -> None:
        self.shards = shards
        self.marks: dict[Shard, JournalEntry] = {}
        self._rows: dict[tuple[Priority, bytes], _MemberRows] = {}
        self._journals: dict[Shard, dict[int, JournalEntry]] = {}
        self._acknowledged: dict[tuple[Priority, bytes, str], int] = {}

    def put_rows(self, lane: Priority, rows: list[RowWrite]) -> None:
        """Of one member, in order."""
        kept = self._rows.setdefault((lane, rows[0].member_key), _MemberRows())
        for row in rows:
            before = kept.rows.get(row.position)
            assert before is None or before == row, "Once: a position was written with another row"
            if before is None:
                kept.rows[row.position] = row
                insort(kept.positions, row.position)

    def put_entry(self, shard: Shard, entry: JournalEntry) -> None:
        journal = self._journals.setdefault(shard, {})
        before = journal.setdefault(entry.sequence, entry)
        assert before == entry, f"Once: {shard} {entry.sequence} was judged otherwise before"

    def raise_mark(self, shard: Shard, entry: JournalEntry) -> None:
        before = self.marks.get(shard)
        if before is None or entry.sequence > before.sequence:
            self.marks[shard] = entry

    def append(self, shard: Shard, writes: list[EnvelopeWrite]) -> None:
        """All at once."""
        for rows in by_member(writes):
            self.put_rows(shard.priority, rows)
        for write in writes:
            self.put_entry(shard, write.entry)
        self.raise_mark(shard, writes[-1].entry)

    def journal(self, shard: Shard, since_ms: int) -> list[JournalEntry]:
        newest = self.marks.get(shard)
        if newest is None:
            return []
        kept = self._journals[shard]
        return [
            kept[at]
            for at in sorted(kept)
            if at <= newest.sequence and kept[at].log_time_ms >= since_ms
        ]

    def mark(self, shard: Shard) -> int:
        newest = self.marks.get(shard)
        return 0 if newest is None else mark_of(newest.generation, newest.sequence)

    def page(self, lane: Priority, wanted: Slice, now_ms: int) -> Page:
        key = member_key(wanted.tenant, wanted.member_id)
        mark = self.mark(Shard(lane, shard_of(key, self.shards), self.shards))
        acknowledged = self._acknowledged.get((lane, key, wanted.device_id), 0)
        return fill_page(
            wanted,
            self._after(lane, key, wanted.after, mark),
            mark=mark,
            acknowledged=acknowledged if wanted.device_id else 0,
            now_ms=now_ms,
        )

    def keep_acknowledged(self, lane: Priority, marks: list[Acknowledged]) -> None:
        for given in marks:
            owner = member_key(given.tenant, given.member_id)
            if given.position <= self.mark(Shard(lane, shard_of(owner, self.shards), self.shards)):
                key = lane, owner, given.device_id
                self._acknowledged[key] = max(given.position, self._acknowledged.get(key, 0))

    def rows(self, lane: Priority, key: bytes) -> dict[int, RowWrite]:
        """Every one that was ever written."""
        kept = self._rows.get((lane, key))
        return kept.rows if kept else {}

    def members(self) -> list[tuple[Priority, bytes]]:
        return list(self._rows)

    def _after(
        self, lane: Priority, key: bytes, after: int, mark: int
    ) -> Iterator[tuple[int, int, bytes]]:
        kept = self._rows.get((lane, key))
        if kept is None:
            return
        for index in range(bisect_right(kept.positions, after), len(kept.positions)):
            position = kept.positions[index]
            if position > mark:
                return
            row = kept.rows[position]
            yield position, row.expires_at_ms, row.row


def by_member(writes: list[EnvelopeWrite]) -> list[list[RowWrite]]:
    """Each member's rows, in order."""
    found: dict[bytes, list[RowWrite]] = {}
    for write in writes:
        for row in write.rows:
            found.setdefault(row.member_key, []).append(row)
    return list(found.values())
