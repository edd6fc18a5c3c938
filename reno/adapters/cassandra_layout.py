"""How the inbox lies in Cassandra: which rows are written together, and for how long each is kept. Pure."""

from collections.abc import Iterator, Sequence

from reno.adapters.inbox_keys import KEEP_S, entry_of, place_of
from reno.domain.position import mark_of, parts_of
from reno.ports import EnvelopeWrite, JournalEntry, RowWrite, Shard
from reno.wire.envelope import ROW_VERSION, Unreadable

SLACK_S = 3600
"""A row stays this long after it expired: readers' clocks decide what they hide."""

BUCKET_MS = 600_000
"""Of log time, in one partition of the journal: some 100 MB where a shard takes 12,000 events/s, at 13 bytes each."""

MAX_BATCH_BYTES = 1 << 20
"""Of the rows in one batch; the server refuses a mutation of half a commit log segment (16 MiB by default)."""

MAX_BATCH_ROWS = 1000


def key_of(shard: Shard) -> list[int]:
    """What its mark and its journal are found by."""
    return [int(shard.priority), shard.shards, shard.number]


def ttl_s(expires_at_ms: int, now_ms: int) -> int:
    """How long from now Cassandra keeps a row; never none, never for ever."""
    left_s = -((now_ms - expires_at_ms) // 1000)
    return min(max(left_s, 0), KEEP_S) + SLACK_S


def bucket_of(log_time_ms: int) -> int:
    """The partition of a shard's journal that holds the log time."""
    return log_time_ms // BUCKET_MS


def buckets(since_ms: int, newest_ms: int) -> range:
    """Partitions that may still hold entries with log time since_ms..newest_ms, oldest first. They are kept for KEEP_S: a window is counted in log time, and the log may have waited."""
    oldest_ms = max(since_ms, newest_ms - KEEP_S * 1000, 0)
    return range(bucket_of(oldest_ms), bucket_of(newest_ms) + 1)


def chains(writes: Sequence[EnvelopeWrite]) -> list[list[Sequence[RowWrite]]]:
    """A list a member: its batches, each of one envelope, in the order in which they must be sent."""
    by_member: dict[bytes, list[Sequence[RowWrite]]] = {}
    for write in writes:
        mine: dict[bytes, list[RowWrite]] = {}
        for row in write.rows:
            found = mine.get(row.member_key)
            if found is None:
                mine[row.member_key] = [row]
            else:
                found.append(row)
        for member, rows in mine.items():
            chain = by_member.setdefault(member, [])
            if len(rows) == 1:
                chain.append(rows)
            else:
                chain.extend(_batches(rows))
    return list(by_member.values())


def _batches(rows: Sequence[RowWrite]) -> Iterator[Sequence[RowWrite]]:
    batch: list[RowWrite] = []
    batch_bytes = 0
    for row in rows:
        is_full = len(batch) == MAX_BATCH_ROWS or batch_bytes + len(row.row) > MAX_BATCH_BYTES
        if batch and is_full:
            yield batch
            batch, batch_bytes = [], 0
        batch.append(row)
        batch_bytes += len(row.row)
    yield batch


def is_hidden(moving: str | None, moved: str | None, mine: str) -> bool:
    """Whether a shard's copy from an embedded inbox is incomplete; whoever belongs to the move, `mine`, works on it all the same."""
    return moving is not None and moving not in {moved, mine}


def stored_row(row: bytes) -> bytes:
    """As the column `row` keeps it."""
    return ROW_VERSION + row


def row_of(stored: bytes) -> bytes:
    """Raises Unreadable for what another version wrote."""
    if stored[:1] != ROW_VERSION:
        raise Unreadable(f"stored row of version {stored[:1].hex() or 'none'}")
    return stored[1:]


def mark_at(entry: JournalEntry) -> int:
    """What the entry is stored with."""
    return mark_of(entry.generation, entry.sequence)


def entry_at(mark: int, stored: bytes) -> JournalEntry:
    """The entry that was stored with its mark. Raises Unreadable."""
    generation, sequence, _ = parts_of(mark)
    return entry_of(place_of(generation, sequence), stored)
