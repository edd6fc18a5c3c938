"""Reads the lanes' inboxes in Cassandra, as gateways do."""

from collections.abc import Sequence
from dataclasses import replace

from reno.adapters.cassandra_layout import is_hidden, key_of, row_of
from reno.adapters.cassandra_session import CassandraSession
from reno.adapters.inbox_keys import KEEP_S
from reno.adapters.paging import MAX_MEMBER_ROWS, fill_page
from reno.adapters.together import answered_within, together
from reno.domain.member import member_key, shard_of
from reno.domain.priority import Priority
from reno.domain.reason import Reason
from reno.errors import Unavailable
from reno.ports import Acknowledged, Page, Shard, Slice

FIRST_ROWS = 64
"""Of a page's first request, whose rows may each have the largest payload."""

CHUNK_ROWS = 256
"""At most, of one request; a page takes as many as it needs."""

LOOKS = 2
"""For the number of a lane's shards, until the marks are of that number."""

CHUNK_POSITIONS = 2000
"""Without their rows."""


def next_rows(rows: int, rows_bytes: int, max_bytes: int) -> int:
    """How many more to ask for when the page's first `rows` did not fill it: as many as it would take if all were like these, and not few, since some may have expired."""
    return min(max(max_bytes * rows // max(rows_bytes, 1), FIRST_ROWS), CHUNK_ROWS)


def not_copied(priority: Priority, shard: int) -> Unavailable:
    """Of a shard that comes from an embedded inbox."""
    return Unavailable(
        Reason.NOT_READY,
        f"shard {shard} of lane {priority.word} is not copied from its embedded inbox yet (reno inbox copy)",
    )


class CassandraReader:
    """Implements reno.ports.InboxReader for every lane. Nothing above a shard's mark is shown, and the mark is read first."""

    def __init__(
        self,
        session: CassandraSession,
        timeout_s: float,
        max_member_rows: int = MAX_MEMBER_ROWS,
        move: str = "",
    ) -> None:
        """`timeout_s`: of one read or keep_acknowledged, with every attempt. `move`: the one that this belongs to."""
        self._max_member_rows = max_member_rows
        self._session = session
        self._move = move
        self._timeout_s = timeout_s
        self._shards: dict[Priority, int] = {}

    def part(self, priority: Priority, tenant: str, member_id: str) -> int:
        """One: Cassandra shares members out by itself."""
        return 0

    async def read(self, priority: Priority, slices: Sequence[Slice], now_ms: int) -> list[Page]:
        """See reno.ports.InboxReader. Raises reno.wire.envelope.Unreadable for what another version wrote."""
        if not slices:
            return []
        async with answered_within(self._timeout_s, "Cassandra"):
            owners = [member_key(wanted.tenant, wanted.member_id) for wanted in slices]
            marks = await self._marks(priority, owners)
            return await together(
                self._page(priority, wanted, owner, mark, now_ms)
                for wanted, owner, mark in zip(slices, owners, marks, strict=True)
            )

    async def keep_acknowledged(self, priority: Priority, marks: Sequence[Acknowledged]) -> None:
        """See reno.ports.InboxReader. A mark that does not rise for KEEP_S is forgotten, with every row that it was about."""
        if not marks:
            return
        async with answered_within(self._timeout_s, "Cassandra"):
            owners = [member_key(mark.tenant, mark.member_id) for mark in marks]
            readable = await self._marks(priority, owners)
            highest: dict[tuple[bytes, str], int] = {}
            for mark, owner, readable_through in zip(marks, owners, readable, strict=True):
                if mark.position <= readable_through:
                    key = owner, mark.device_id
                    highest[key] = max(mark.position, highest.get(key, 0))
            await together(
                self._session.write(
                    "acknowledge", [owner, int(priority), device, position, position, KEEP_S]
                )
                for (owner, device), position in highest.items()
            )

    async def close(self) -> None:
        """Waits for what is in flight."""
        await self._session.close()

    async def _shards_of(self, priority: Priority) -> int:
        shards = self._shards.get(priority)
        if shards is None:
            found = await self._session.read("lane", [int(priority)])
            if not found:
                raise Unavailable(
                    Reason.NOT_READY, f"nothing was ever stored of lane {priority.word}"
                )
            self._shards[priority] = shards = int(found[0][0])
        return shards

    async def _marks(self, priority: Priority, owners: Sequence[bytes]) -> list[int]:
        """Of each owner's shard."""
        for _ in range(LOOKS):
            shards = await self._shards_of(priority)
            homes = [shard_of(owner, shards) for owner in owners]
            numbers = list(set(homes))
            found = await together(
                self._mark(Shard(priority, number, shards)) for number in numbers
            )
            marks = {n: mark for n, mark in zip(numbers, found, strict=True) if mark is not None}
            if len(marks) == len(numbers):
                return [marks[home] for home in homes]
            self._shards.pop(priority, None)
        raise Unavailable(
            Reason.NOT_READY, f"the number of lane {priority.word}'s shards is being changed"
        )

    async def _mark(self, shard: Shard) -> int | None:
        """None: the lane has another number of shards by now."""
        found = await self._session.read("mark", key_of(shard))
        if not found:
            return 0
        known, moving, moved, left = found[0]
        if is_hidden(moving, moved, self._move):
            raise not_copied(shard.priority, shard.number)
        return None if left else int(known or 0)

    async def _page(
        self, priority: Priority, wanted: Slice, owner: bytes, mark: int, now_ms: int
    ) -> Page:
        acknowledged = 0
        if wanted.device_id:
            key = [owner, int(priority), wanted.device_id]
            found = await self._session.read("acknowledged", key)
            acknowledged = int(found[0][0]) if found else 0
        page = await self._rows_page(priority, wanted, owner, mark, acknowledged, now_ms)
        # Who reads to the end in one page does not look far back.
        left_out = await self._left_out(priority, wanted, owner, mark) if page.more else 0
        if not left_out:
            return page
        wanted = replace(wanted, after=left_out)
        page = await self._rows_page(priority, wanted, owner, mark, acknowledged, now_ms)
        return replace(page, left_out_through=left_out)

    async def _left_out(self, priority: Priority, wanted: Slice, owner: bytes, mark: int) -> int:
        """The newest position that is not among as many as a read shows; 0 where all that is wanted are."""
        before, left = mark + 1, self._max_member_rows + 1
        while True:
            limit = min(left, CHUNK_POSITIONS)
            key = [owner, int(priority), wanted.after, before, limit]
            found = await self._session.read("newest_positions", key)
            left -= len(found)
            if left == 0:
                return int(found[-1][0])
            if len(found) < limit:
                return 0
            before = int(found[-1][0])

    async def _rows_page(
        self,
        priority: Priority,
        wanted: Slice,
        owner: bytes,
        mark: int,
        acknowledged: int,
        now_ms: int,
    ) -> Page:
        rows: list[tuple[int, int, bytes]] = []
        # One more than the page takes says whether there is more.
        limit = min(max(wanted.max_rows, 1) + 1, FIRST_ROWS)
        after, is_all = wanted.after, wanted.after >= mark
        while True:
            if not is_all:
                found = await self._session.read("rows", [owner, int(priority), after, mark, limit])
                rows += [(position, expires, row_of(row)) for position, expires, row in found]
                is_all = len(found) < limit
                after = rows[-1][0] if rows else after
                rows_bytes = sum(len(row) for _, _, row in rows)
                limit = next_rows(len(rows), rows_bytes, wanted.max_bytes)
            page = fill_page(wanted, rows, mark=mark, acknowledged=acknowledged, now_ms=now_ms)
            # A page that says "more" is full: rows behind the ones that were read change nothing.
            if is_all or page.more:
                return page
