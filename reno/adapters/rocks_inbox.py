"""The embedded inbox: one lane's rows, journal and acknowledged marks in a RocksDB directory that one process owns."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

from rocksdict import WriteBatch

from reno.adapters import inbox_keys as keys
from reno.adapters import rocks_rows
from reno.adapters.journal_search import first_place
from reno.adapters.kept_shards import KeptShards
from reno.adapters.paging import MAX_MEMBER_ROWS
from reno.adapters.rocks_directory import RocksDirectory
from reno.adapters.rocks_writer import RocksWriter
from reno.domain.member import member_key
from reno.domain.position import mark_of
from reno.domain.priority import Priority
from reno.domain.reason import Reason
from reno.domain.shard_set import ALL_SHARDS, ShardSet
from reno.errors import Unavailable, WrongState
from reno.ports import Acknowledged, EnvelopeWrite, JournalEntry, Page, Shard, Slice

TURN_SLICES = 32
TURN_ROWS = 2000
TURN_ENTRIES = 64
"""What is read before other work of the process gets its turn. Reads stay on the event loop: rocksdict holds the GIL during a seek, so that a thread would take the
loop's time all the same; a slice takes some microseconds."""

RENEW_EVERY_S = 86_400.0
"""How often a quiet shard's newest journal entry is written again, so that it never grows as old as KEEP_S."""


class RocksInbox:
    """Implements reno.ports.Inbox for one lane. Opening blocks: it replays what the last owner left in the WAL.

    `owned` shards are kept here; whoever asks for a member of another one is refused, since an empty page would say that there is nothing.
    Raises InboxLocked when another one holds the directory, InboxMismatch when it belongs to another lane, shard count or owned shards, and
    reno.wire.envelope.Unreadable when another version wrote it.
    """

    def __init__(
        self,
        directory: Path,
        priority: Priority,
        shards: int,
        *,
        owned: ShardSet = ALL_SHARDS,
        keep_s: int = keys.KEEP_S,
        max_member_rows: int = MAX_MEMBER_ROWS,
    ) -> None:
        self._priority = priority
        self._shards = shards
        self._max_member_rows = max_member_rows
        self._kept_shards = KeptShards(owned, shards)
        kept = "" if owned.numbers is None else str(owned)
        self.directory = RocksDirectory(directory, priority, shards, keep_s, kept)
        """For whoever opened this, before the first use."""
        self._newest = self.directory.newest
        self._marks = [0 if place is None else _mark(place) for place in self._newest]
        self._renewed_at_s = [time.monotonic()] * shards
        self._writer = RocksWriter(self.directory.store)
        self._is_closed = False

    async def read(self, priority: Priority, slices: Sequence[Slice], now_ms: int) -> list[Page]:
        """See reno.ports.InboxReader. Raises reno.wire.envelope.Unreadable for what another version wrote."""
        self._expect(priority)
        pages: list[Page] = []
        while len(pages) < len(slices):
            if pages:
                await asyncio.sleep(0)
                self._expect(priority)
            self._read_turn(slices, pages, now_ms)
        for index, page in enumerate(pages):
            # Who reads to the end in one page does not look far back.
            if page.more:
                pages[index] = await self._newest_shown(slices[index], page, now_ms)
        return pages

    async def keep_acknowledged(self, priority: Priority, marks: Sequence[Acknowledged]) -> None:
        """See reno.ports.InboxReader. A mark that does not rise for KEEP_S is forgotten, with every row that it was about."""
        self._expect(priority)
        highest: dict[bytes, int] = {}
        for mark in marks:
            owner = member_key(mark.tenant, mark.member_id)
            if mark.position <= self._marks[self._kept_shards.home(owner)]:
                key = keys.acknowledged_key(owner, mark.device_id, priority)
                highest[key] = max(mark.position, highest.get(key, 0))
        if highest:
            await self._writer.write(lambda: self._acknowledged_batch(highest))

    async def append(self, shard: Shard, writes: Sequence[EnvelopeWrite]) -> None:
        """See reno.ports.Inbox. One atomic, synced write. Raises errors.Unavailable when the disk is full, InboxBroken when only opening the directory again can help: nothing of it can be read then. A shard's next append follows when this one returned."""
        self._expect(shard.priority)
        if shard.shards != self._shards or shard.number not in self._kept_shards:
            raise ValueError(f"no shard {shard.number} of {shard.shards}")
        if not writes:
            return
        await self._writer.write(lambda: self._append_batch(shard, writes))
        newest = max(keys.place_of(w.entry.generation, w.entry.sequence) for w in writes)
        known = self._newest[shard.number]
        if known is None or newest > known:
            self._newest[shard.number] = newest
            self._marks[shard.number] = _mark(newest)
            self._renewed_at_s[shard.number] = time.monotonic()

    async def last_entry(self, shard: Shard) -> JournalEntry | None:
        """See reno.ports.Inbox."""
        self._expect(shard.priority)
        place = self._newest[shard.number]
        return None if place is None else self._entry(shard, place)

    async def journal(self, shard: Shard, since_ms: int) -> AsyncIterator[JournalEntry]:
        """See reno.ports.Inbox."""
        self._expect(shard.priority)
        newest = self._newest[shard.number]
        if newest is None:
            return
        place = self._first_since(shard, since_ms, newest)
        while place <= newest:
            self._expect(shard.priority)
            entries = self._entries(shard, place, newest)
            for _, entry in entries:
                if entry.log_time_ms >= since_ms:
                    yield entry
            if not entries:
                return
            place = entries[-1][0] + 1
            await asyncio.sleep(0)

    async def trim_journal(self, shard: Shard, before_ms: int) -> None:
        """See reno.ports.Inbox."""
        self._expect(shard.priority)
        newest = self._newest[shard.number]
        if newest is None:
            return
        prefix = keys.journal_prefix(self._priority, shard.number)
        first = self._next_place(shard, 0)
        keep_from = self._first_since(shard, before_ms, newest)
        if first < keep_from:
            begin, end = keys.journal_key(prefix, first), keys.journal_key(prefix, keep_from)
            await self._writer.write(lambda: self._trim_batch(begin, end))
        if time.monotonic() - self._renewed_at_s[shard.number] >= RENEW_EVERY_S:
            await self._writer.write(lambda: self._renewal_batch(prefix, newest))
            self._renewed_at_s[shard.number] = time.monotonic()

    async def close(self) -> None:
        """See reno.ports.Inbox. What waits to be written is written first."""
        if self._is_closed:
            return
        self._is_closed = True
        await self._writer.close()
        self.directory.close()

    def _expect(self, priority: Priority) -> None:
        if priority is not self._priority:
            raise WrongState(
                Reason.NOT_READY, f"lane {priority.word} is not here: {self._priority.word} is"
            )
        if self._is_closed:
            raise Unavailable(Reason.NOT_READY, "the inbox is closed")

    def _read_turn(self, slices: Sequence[Slice], pages: list[Page], now_ms: int) -> None:
        """Appends some slices' pages; one iterator, so one view of the rows, made after the marks are fixed."""
        turn = slices[len(pages) : len(pages) + TURN_SLICES]
        marks = list(self._marks)
        owners = [member_key(wanted.tenant, wanted.member_id) for wanted in turn]
        kept = self._kept(turn, owners)
        cursor = self.directory.rows.iter()
        rows = 0
        for wanted, owner, acknowledged in zip(turn, owners, kept, strict=True):
            mark = marks[self._kept_shards.home(owner)]
            prefix = keys.rows_prefix(owner, self._priority)
            page = rocks_rows.page(cursor, prefix, wanted, mark, acknowledged, now_ms)
            pages.append(page)
            rows += len(page.rows)
            if rows >= TURN_ROWS:
                return

    async def _newest_shown(self, wanted: Slice, page: Page, now_ms: int) -> Page:
        """The page, or where it would show more rows than the limit, the newest ones' first page."""
        prefix = keys.rows_prefix(member_key(wanted.tenant, wanted.member_id), self._priority)
        counted, before = 0, page.mark + 1
        while counted <= self._max_member_rows:
            await asyncio.sleep(0)
            self._expect(self._priority)
            most = min(self._max_member_rows + 1 - counted, TURN_ROWS)
            cursor = self.directory.rows.iter()
            found = rocks_rows.newest(cursor, prefix, before, wanted.after, most)
            if len(found) < most:
                return page
            counted, before = counted + most, found[-1]
        newest = replace(wanted, after=before)
        shown = rocks_rows.page(cursor, prefix, newest, page.mark, page.acknowledged, now_ms)
        return replace(shown, left_out_through=before)

    def _kept(self, turn: Sequence[Slice], owners: Sequence[bytes]) -> list[int]:
        asked = {
            index: keys.acknowledged_key(owner, wanted.device_id, self._priority)
            for index, (wanted, owner) in enumerate(zip(turn, owners, strict=True))
            if wanted.device_id
        }
        kept = [0] * len(turn)
        if asked:
            values = self.directory.acknowledged.get(list(asked.values())) or []
            for index, value in zip(asked, values, strict=True):
                kept[index] = keys.acknowledged_of(value)
        return kept

    def _append_batch(self, shard: Shard, writes: Sequence[EnvelopeWrite]) -> WriteBatch:
        batch = WriteBatch(raw_mode=True)
        put = batch.put
        batch.set_default_column_family(self.directory.rows_handle)
        middle = bytes((0, self._priority))
        value_of = keys.row_value
        for write in writes:
            for key, position, expires_at_ms, row in write.rows:
                put(key + middle + position.to_bytes(8, "big"), value_of(expires_at_ms, row))
        batch.set_default_column_family(self.directory.journal_handle)
        prefix = keys.journal_prefix(self._priority, shard.number)
        for write in writes:
            place = keys.place_of(write.entry.generation, write.entry.sequence)
            put(keys.journal_key(prefix, place), keys.entry_value(write.entry))
        return batch

    def _acknowledged_batch(self, highest: dict[bytes, int]) -> WriteBatch:
        batch = WriteBatch(raw_mode=True)
        batch.set_default_column_family(self.directory.acknowledged_handle)
        kept = self.directory.acknowledged.get(list(highest)) or []
        for (key, position), value in zip(highest.items(), kept, strict=True):
            if position > keys.acknowledged_of(value):
                batch.put(key, keys.acknowledged_value(position))
        return batch

    def _trim_batch(self, begin: bytes, end: bytes) -> WriteBatch:
        batch = WriteBatch(raw_mode=True)
        batch.delete_range(begin, end, self.directory.journal_handle)
        return batch

    def _renewal_batch(self, prefix: bytes, place: int) -> WriteBatch:
        batch = WriteBatch(raw_mode=True)
        key = keys.journal_key(prefix, place)
        value = self.directory.journal.get(key)
        if value is not None:
            batch.put(key, value, self.directory.journal_handle)
        return batch

    def _entry(self, shard: Shard, place: int) -> JournalEntry:
        key = keys.journal_key(keys.journal_prefix(self._priority, shard.number), place)
        return keys.entry_of(place, self.directory.journal.get(key) or b"")

    def _first_since(self, shard: Shard, since_ms: int, newest: int) -> int:
        return first_place(
            newest,
            since_ms,
            next_place=lambda place: self._next_place(shard, place),
            log_time_ms=lambda place: self._entry(shard, place).log_time_ms,
        )

    def _next_place(self, shard: Shard, place: int) -> int:
        """Only asked for places up to the newest, which is never trimmed."""
        prefix = keys.journal_prefix(self._priority, shard.number)
        cursor = self.directory.journal.iter()
        cursor.seek(keys.journal_key(prefix, place))
        found = keys.place_after(prefix, cursor.key()) if rocks_rows.is_valid(cursor) else None
        if found is None:
            raise Unavailable(Reason.NOT_READY, "the newest journal entry is gone")
        return found

    def _entries(self, shard: Shard, first: int, newest: int) -> list[tuple[int, JournalEntry]]:
        """Some entries, with an iterator that is not held while the caller works: it would hold the directory."""
        prefix = keys.journal_prefix(self._priority, shard.number)
        cursor = self.directory.journal.iter()
        cursor.seek(keys.journal_key(prefix, first))
        entries: list[tuple[int, JournalEntry]] = []
        while len(entries) < TURN_ENTRIES and rocks_rows.is_valid(cursor):
            place = keys.place_after(prefix, cursor.key())
            if place is None or place > newest:
                break
            entries.append((place, keys.entry_of(place, cursor.value())))
            cursor.next()
        return entries


def _mark(place: int) -> int:
    return mark_of(*keys.parts_of_place(place))
