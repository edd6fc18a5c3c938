"""Puts into Cassandra what an embedded inbox has and it has not, and looks again whether it is there."""

import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeVar

from reno.adapters import cassandra_layout as layout
from reno.adapters import inbox_keys as keys
from reno.adapters.cassandra_session import CassandraSession
from reno.adapters.together import together
from reno.domain.priority import Priority
from reno.domain.reason import Reason
from reno.errors import Unavailable, WrongState
from reno.ports import JournalEntry, Shard

READ_ROWS = 256
"""At most, of one request."""

Key = TypeVar("Key")
Value = TypeVar("Value")
Chunk = Sequence[tuple[bytes, bytes]]


class CassandraCopy:
    """Of one lane. Takes keys and values as the embedded inbox has them; each method says how many it had to write. Everything may be done again."""

    def __init__(
        self,
        session: CassandraSession,
        priority: Priority,
        shards: int,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        """`session` knows cassandra_statements.COPYING."""
        self._session = session
        self._lane = int(priority)
        self._shards = shards
        self._now_ms = now_ms

    async def expect_move(self, shard: Shard, move: str) -> None:
        """Raises WrongState unless a processor stores the shard here as part of the move."""
        found = await self._session.read("moving", layout.key_of(shard))
        if not found or found[0][0] != move:
            raise WrongState(
                Reason.NOT_READY,
                f"the processor of shard {shard.number} of lane {shard.priority.word} has not begun this move here",
            )

    async def rows(self, chunk: Chunk) -> int:
        """Each with what is left of its time; those that are expired are left out."""
        now_ms = self._now_ms()
        members: dict[bytes, dict[int, tuple[int, bytes]]] = defaultdict(dict)
        for key, value in chunk:
            member, position = keys.row_key_parts(key)
            expires_at_ms, row = keys.row_of(value)
            if expires_at_ms >= now_ms:
                members[member][position] = expires_at_ms, layout.stored_row(row)
        return sum(
            await together(self._rows_of(member, rows, now_ms) for member, rows in members.items())
        )

    async def acknowledged(self, chunk: Chunk) -> int:
        """Each unless a higher one is there."""

        async def one(member: bytes, device: str, position: int) -> int:
            key = [member, self._lane, device]

            async def read() -> dict[str, int]:
                found = await self._session.read("acknowledged", key)
                return {device: position} if found and found[0][0] >= position else {}

            async def write(_device: str, position: int) -> None:
                await self._session.write("acknowledge", [*key, position, position, keys.KEEP_S])

            return await mended({device: position}, read, write)

        return sum(
            await together(
                one(*keys.acknowledged_key_parts(key), keys.acknowledged_of(value))
                for key, value in chunk
            )
        )

    async def journal(self, chunk: Chunk) -> int:
        """The entries of any shards."""
        buckets: dict[tuple[int, int], dict[int, bytes]] = defaultdict(dict)
        for key, value in chunk:
            shard, place = keys.journal_key_parts(key)
            entry = keys.entry_of(place, value)
            bucket = layout.bucket_of(entry.log_time_ms)
            buckets[shard, bucket][layout.mark_at(entry)] = keys.entry_value(entry)
        return sum(await together(self._entries_of(*at, found) for at, found in buckets.items()))

    async def seal(self, shard: Shard, newest: JournalEntry | None, move: str) -> None:
        """Shows the shard to all: everything up to `newest` is here, and what came later the processor stored."""
        if newest is not None:
            mark = layout.mark_at(newest)
            await self._session.write(
                "raise", [*layout.key_of(shard), mark, keys.entry_value(newest), mark]
            )
        await self._session.write("moved", [*layout.key_of(shard), move])

    async def _rows_of(
        self, member: bytes, rows: Mapping[int, tuple[int, bytes]], now_ms: int
    ) -> int:
        key = [member, self._lane]

        async def read() -> dict[int, tuple[int, bytes]]:
            found = await self._between("rows", key, min(rows), max(rows))
            return {position: (expires, row) for position, expires, row in found}

        async def write(position: int, kept: tuple[int, bytes]) -> None:
            ttl_s = layout.ttl_s(kept[0], now_ms)
            await self._session.write("keep", [*key, position, *kept, ttl_s])

        return await mended(rows, read, write)

    async def _entries_of(self, shard: int, bucket: int, entries: Mapping[int, bytes]) -> int:
        key = [self._lane, self._shards, shard, bucket]

        async def read() -> dict[int, bytes]:
            return dict(await self._between("entries", key, min(entries), max(entries)))

        async def write(mark: int, entry: bytes) -> None:
            await self._session.write("journal", [*key, mark, entry, keys.KEEP_S])

        return await mended(entries, read, write)

    async def _between(
        self, statement: str, key: Sequence[object], first: int, last: int
    ) -> list[tuple[Any, ...]]:
        """What a partition has from the first to the last, each with that number first."""
        rows: list[tuple[Any, ...]] = []
        after = first - 1
        while True:
            found = await self._session.read(statement, [*key, after, last, READ_ROWS])
            rows += found
            if len(found) < READ_ROWS:
                return rows
            after = found[-1][0]


async def mended(
    wanted: Mapping[Key, Value],
    read: Callable[[], Awaitable[Mapping[Key, Value]]],
    write: Callable[[Key, Value], Coroutine[Any, Any, None]],
) -> int:
    """Writes what is missing or otherwise, and reads it back; how many these were. Raises errors.Unavailable where what was confirmed is not there."""
    missing = lacking(wanted, await read())
    if missing:
        await together(write(key, value) for key, value in missing.items())
        if lost := lacking(missing, await read()):
            raise Unavailable(
                Reason.NOT_READY, f"Cassandra confirmed {len(lost)} writes and does not show them"
            )
    return len(missing)


def lacking(wanted: Mapping[Key, Value], found: Mapping[Key, Value]) -> dict[Key, Value]:
    """What is not there just as it is wanted."""
    return {key: value for key, value in wanted.items() if found.get(key) != value}
