"""From the embedded inbox to Cassandra: nothing is lost, nothing is shown half, and no step can be taken too early."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from reno.adapters.cassandra_copy import CassandraCopy
from reno.adapters.cassandra_inbox import CassandraInbox
from reno.adapters.cassandra_reader import CassandraReader
from reno.adapters.cassandra_session import CassandraSession
from reno.adapters.cassandra_statements import COPYING, READING
from reno.adapters.copy_progress import Progress
from reno.adapters.inbox_copy import copy_inbox
from reno.adapters.inboxes import inbox_of
from reno.adapters.rocks_directory import InboxLocked, InboxMismatch
from reno.adapters.rocks_inbox import RocksInbox
from reno.adapters.rocks_move import RocksMove
from reno.adapters.rocks_snapshot import CHUNK_KEYS, RocksSnapshot
from reno.config.cassandra_settings import CassandraSettings
from reno.config.settings import InboxSettings, Settings
from reno.domain.member import member_key
from reno.domain.reason import Reason
from reno.errors import Unavailable, WrongState
from reno.ports import Acknowledged, EnvelopeWrite, Inbox, InboxReader, JournalEntry, Page, Slice
from tests.reno.adapters.inbox_worlds import (
    LANE,
    SHARDS,
    envelope,
    rows_of,
    same_shard,
    shard_of_member,
)
from tests.servers.cassandra import SHARED
from tests.servers.nats import free_port

pytestmark = pytest.mark.timeout(300)

FAST = 1e9
LATE_MS = time.time_ns() // 10**6 + 3_600_000
CROWD = same_shard(60, shard=1)


class Lane:
    """One processor's inbox with one directory, opened with one engine after the other."""

    def __init__(self, data_dir: Path, cassandra: CassandraSettings) -> None:
        self.data_dir = data_dir
        self.cassandra = cassandra
        self.move = RocksMove(data_dir / "inbox" / LANE.word)

    @asynccontextmanager
    async def opened(self, engine: str) -> AsyncIterator[Inbox]:
        own = InboxSettings(**{**self.cassandra.model_dump(), "engine": engine})
        inbox = inbox_of(Settings(data_dir=self.data_dir, inbox=own), LANE, SHARDS)
        try:
            for number in range(SHARDS):
                await inbox.last_entry(shard_of_member(same_shard(1, number)[0]))
            yield inbox
        finally:
            await inbox.close()

    async def copy(self, keys_per_s: float = FAST, chunks: int | None = None) -> Progress:
        """Of so many chunks, then it is broken off."""
        snapshot = RocksSnapshot(self.move.snapshot)
        session = CassandraSession(self.cassandra, COPYING)
        done = 0

        def said(_progress: Progress) -> None:
            nonlocal done
            done += 1
            if done == chunks:
                raise BrokenOff

        try:
            target = CassandraCopy(session, LANE, snapshot.shards[0].shards)
            progress = await copy_inbox(snapshot, target, keys_per_s, said)
            self.move.complete()
            return progress
        finally:
            await session.close()
            snapshot.close()


class BrokenOff(Exception):
    """The copy's process was ended."""


@pytest.fixture
def lane(tmp_path: Path, cassandra: CassandraSettings) -> Lane:
    return Lane(tmp_path, cassandra)


async def append(inbox: Inbox, member: str, *writes: EnvelopeWrite) -> None:
    for write in writes:
        await inbox.append(shard_of_member(member), [write])


def late(sequence: int, row: tuple[str, bytes]) -> EnvelopeWrite:
    """After everything of `fill`: log time never falls."""
    return envelope(sequence, row, log_time_ms=LATE_MS + sequence)


async def page_of(inbox: InboxReader, member: str) -> Page:
    wanted = Slice("", member, "tv", 0, 1000, 1 << 20)
    (page,) = await inbox.read(LANE, [wanted], time.time_ns() // 10**6)
    return page


async def journal_of(inbox: Inbox, member: str) -> list[JournalEntry]:
    return [entry async for entry in inbox.journal(shard_of_member(member), 0)]


async def everything(inbox: Inbox) -> list[object]:
    """That a device or an owner can see."""
    seen: list[object] = [await page_of(inbox, member) for member in (*CROWD, "anna")]
    for number in range(SHARDS):
        member = same_shard(1, number)[0]
        seen += [
            await journal_of(inbox, member),
            await inbox.last_entry(shard_of_member(member)),
        ]
    return seen


async def fill(inbox: Inbox) -> None:
    """More than a chunk: a member with a heap, a crowd of one shard, expired rows, marks."""
    now_ms = time.time_ns() // 10**6
    heap = [("anna", b"%d" % n) for n in range(CHUNK_KEYS + 20)]
    await append(inbox, "anna", envelope(1, *heap, log_time_ms=now_ms))
    rows = [(member, member.encode()) for member in CROWD]
    await append(
        inbox,
        CROWD[0],
        envelope(2, *rows, log_time_ms=now_ms),
        envelope(3, *rows, expires_at_ms=now_ms - 1, log_time_ms=now_ms + 1),
        envelope(4, *rows, log_time_ms=now_ms + 2),
    )
    await inbox.keep_acknowledged(LANE, [Acknowledged("", one, "tv", 3 << 12) for one in CROWD])


async def test_durable_ordered_all_of_it_is_there_after_a_move_that_was_broken_off(
    lane: Lane,
) -> None:
    async with lane.opened("embedded") as inbox:
        await fill(inbox)
        before = await everything(inbox)
    async with lane.opened("moving") as inbox:
        assert await everything(inbox) == before
        await append(inbox, CROWD[0], late(5, (CROWD[0], b"during")))
        await inbox.keep_acknowledged(LANE, [Acknowledged("", CROWD[1], "tv", 4 << 12)])
        with pytest.raises(BrokenOff):
            await lane.copy(chunks=1)
    async with lane.opened("moving") as inbox:
        await append(inbox, "anna", late(6, ("anna", b"late")))
        progress = await lane.copy()
        # Two rows are younger than the snapshot, and a third of the crowd's are expired.
        assert progress.looked_at[0] == CHUNK_KEYS + 20 + 3 * len(CROWD)
        assert progress.written[0] == CHUNK_KEYS + 20 + 2 * len(CROWD)
        assert progress.looked_at[1:] == (len(CROWD), 4)
        # One device went on since.
        assert progress.written[1:] == (len(CROWD) - 1, 4)
        await append(inbox, "anna", late(7, ("anna", b"later")))
        after = await everything(inbox)
    async with lane.opened("cassandra") as inbox:
        assert await everything(inbox) == after
        assert rows_of([await page_of(inbox, "anna")])[-2:] == [b"late", b"later"]
        assert (await page_of(inbox, CROWD[1])).acknowledged == 4 << 12


async def test_once_a_second_copy_writes_only_what_is_not_there(lane: Lane) -> None:
    async with lane.opened("embedded") as inbox:
        await fill(inbox)
    async with lane.opened("moving"):
        await lane.copy()
        assert (await lane.copy()).written == (0, 0, 0)
        owner = "0x" + member_key("", CROWD[2]).hex()
        SHARED.execute(
            f"DELETE FROM rows WHERE member = {owner} AND lane = {int(LANE)} AND position = {2 << 12 | 2}"
        )
        assert (await lane.copy()).written == (1, 0, 0)


async def test_truthful_a_shard_is_hidden_until_it_is_copied(lane: Lane, tmp_path: Path) -> None:
    reader = CassandraReader(CassandraSession(lane.cassandra, READING), timeout_s=30.0)
    elsewhere = Lane(tmp_path / "no directory here", lane.cassandra)
    async with lane.opened("embedded") as inbox:
        await fill(inbox)
    async with lane.opened("moving") as inbox:
        await append(inbox, "anna", late(9, ("anna", b"new")))
        with pytest.raises(Unavailable, match="not copied"):
            await page_of(reader, "anna")
        with pytest.raises(Unavailable, match="not copied"):
            async with elsewhere.opened("cassandra"):
                pass
    with pytest.raises(InboxMismatch, match="was not copied"):
        async with lane.opened("cassandra"):
            pass
    async with lane.opened("moving") as inbox:
        await lane.copy()
        assert await page_of(reader, "anna") == await page_of(inbox, "anna")
    await reader.close()


async def test_durable_a_move_that_was_given_up_begins_anew(lane: Lane) -> None:
    async with lane.opened("embedded") as inbox:
        await fill(inbox)
    async with lane.opened("moving"):
        await lane.copy()
    async with lane.opened("embedded") as inbox:
        await append(inbox, "anna", late(8, ("anna", b"between")))
        assert not lane.move.snapshot.exists()
    with pytest.raises(InboxMismatch, match="was not copied"):
        async with lane.opened("cassandra"):
            pass
    async with lane.opened("moving") as inbox:
        await append(inbox, "anna", late(9, ("anna", b"again")))
        reader = CassandraReader(CassandraSession(lane.cassandra, READING), timeout_s=30.0)
        with pytest.raises(Unavailable, match="not copied"):
            await page_of(reader, "anna")
        await reader.close()
        assert (await lane.copy()).written == (1, 0, 1)
        before = await everything(inbox)
    async with lane.opened("cassandra") as inbox:
        assert await everything(inbox) == before
        assert rows_of([await page_of(inbox, "anna")])[-2:] == [b"between", b"again"]


async def test_there_is_no_way_back_once_cassandra_has_taken_over(lane: Lane) -> None:
    async with lane.opened("embedded") as inbox:
        await fill(inbox)
    async with lane.opened("moving"):
        await lane.copy()
    for _ in range(2):
        async with lane.opened("cassandra"):
            pass
    for engine in ("embedded", "moving"):
        with pytest.raises(InboxMismatch, match="took over"):
            async with lane.opened(engine):
                pass


@pytest.mark.parametrize("refusing", [RocksInbox, CassandraInbox])
async def test_durable_what_only_one_took_is_stored_again_by_the_next_owner(
    lane: Lane, refusing: type
) -> None:
    async with lane.opened("embedded") as inbox:
        await fill(inbox)
    write = late(5, ("anna", b"half"))
    async with lane.opened("moving") as inbox:
        with pytest.MonkeyPatch.context() as broken:
            broken.setattr(refusing, "append", refuse)
            with pytest.raises(Unavailable, match="power"):
                await append(inbox, "anna", write)
        last = await inbox.last_entry(shard_of_member("anna"))
        assert last is not None
        # Else Cassandra would never get it.
        assert last.sequence < 5
    async with lane.opened("moving") as inbox:
        await append(inbox, "anna", write)
        await lane.copy()
        before = await everything(inbox)
    async with lane.opened("cassandra") as inbox:
        assert await everything(inbox) == before
        assert rows_of([await page_of(inbox, "anna")])[-1] == b"half"


async def refuse(*_: object) -> None:
    raise Unavailable(Reason.NOT_READY, "power is gone")


async def test_isolated_without_cassandra_devices_read_on_and_owners_wait(lane: Lane) -> None:
    async with lane.opened("embedded") as inbox:
        await fill(inbox)
        before = await page_of(inbox, "anna")
    nowhere = {"contact_points": (f"127.0.0.1:{free_port()}",), "engine": "moving"}
    own = InboxSettings(**{**lane.cassandra.model_dump(), **nowhere})
    inbox = inbox_of(Settings(data_dir=lane.data_dir, inbox=own), LANE, SHARDS)
    assert await page_of(inbox, "anna") == before
    with pytest.raises(Unavailable):
        await inbox.last_entry(shard_of_member("anna"))
    await inbox.close()
    # The processor never reached Cassandra: what is copied there would not be all.
    with pytest.raises(WrongState, match="has not begun"):
        await lane.copy()


async def test_two_copies_at_once_are_refused(lane: Lane) -> None:
    async with lane.opened("moving"):
        snapshot = RocksSnapshot(lane.move.snapshot)
        with pytest.raises(InboxLocked, match="another process"):
            RocksSnapshot(lane.move.snapshot)
        snapshot.close()
        assert (await lane.copy()).keys == 0
