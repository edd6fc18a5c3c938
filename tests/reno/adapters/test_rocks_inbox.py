"""What only the embedded inbox promises: a directory that outlives its process, held by one."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from rocksdict import Options, Rdict, WriteBatch

from reno.adapters import inbox_keys as keys
from reno.adapters.rocks_directory import InboxLocked, InboxMismatch, RocksDirectory
from reno.adapters.rocks_inbox import RocksInbox
from reno.adapters.rocks_writer import RocksWriter
from reno.domain.member import member_key
from reno.domain.position import mark_of
from reno.domain.priority import Priority
from reno.errors import TryLater, Unavailable, WrongState
from reno.ports import Acknowledged, Shard, Slice
from reno.wire.envelope import Unreadable
from tests.reno.adapters.inbox_child import ROWS
from tests.reno.adapters.inbox_worlds import (
    LANE,
    SHARDS,
    envelope,
    home,
    open_world,
    rows_of,
    same_shard,
    shard_of_member,
)

ROOT = Path(__file__).parents[3]


@asynccontextmanager
async def child(task: str, directory: Path) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.reno.adapters.inbox_child", task, str(directory)),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def line(process: Process) -> str:
    assert process.stdout is not None
    return (await asyncio.wait_for(process.stdout.readline(), 20)).decode().strip()


async def test_durable_all_is_there_after_a_close(tmp_path: Path) -> None:
    write = envelope(3, ("anna", b"a"), ("anna", b"b"))
    async with open_world("rocks", tmp_path) as world:
        await world.append(write)
        await world.inbox.keep_acknowledged(LANE, [Acknowledged("", "anna", "tv", 5)])
        before = await world.read("anna", device="tv")
    async with open_world("rocks", tmp_path) as world:
        assert await world.read("anna", device="tv") == before
        assert before.mark == mark_of(0, 3)
        assert await world.inbox.last_entry(shard_of_member("anna")) == write.entry


async def test_durable_what_was_confirmed_survives_kill_9_and_envelopes_are_whole(
    tmp_path: Path,
) -> None:
    async with child("append", tmp_path) as process:
        confirmed = 0
        while confirmed < 40:
            confirmed = int(await line(process))
        process.kill()
        await process.wait()
    async with open_world("rocks", tmp_path) as world:
        last = await world.inbox.last_entry(shard_of_member("anna"))
        assert last is not None
        assert last.sequence >= confirmed
        page = await world.read("anna", max_rows=1_000_000)
        assert rows_of([page]) == [
            b"%d:%d" % (sequence, n)
            for sequence in range(1, last.sequence + 1)
            for n in range(ROWS)
        ]
        journal = [entry async for entry in world.inbox.journal(shard_of_member("anna"), 0)]
        assert [entry.sequence for entry in journal] == list(range(1, last.sequence + 1))


async def test_a_second_owner_is_told_that_the_directory_is_held(tmp_path: Path) -> None:
    async with child("hold", tmp_path) as process:
        assert await line(process) == "held"
        with pytest.raises(InboxLocked):
            RocksInbox(tmp_path, LANE, SHARDS)
        process.kill()
        await process.wait()
        inbox = RocksInbox(tmp_path, LANE, SHARDS)
    with pytest.raises(InboxLocked):
        RocksInbox(tmp_path, LANE, SHARDS)
    await inbox.close()
    await inbox.close()
    await RocksInbox(tmp_path, LANE, SHARDS).close()


async def test_a_disk_that_refuses_is_said_and_nothing_half_written_is_seen(tmp_path: Path) -> None:
    async with child("fill", tmp_path) as process:
        out, _ = await asyncio.wait_for(process.communicate(), 30)
    # RocksDB writes nothing more after its first failure: once there is room, it must be opened anew.
    assert out.decode().splitlines() == ["NOT_READY", "NOT_READY", "True 1", "broken"]
    async with open_world("rocks", tmp_path) as world:
        page = await world.read("anna", max_rows=1_000_000)
        assert len(page.rows) in {1, 1 + 512}
        await world.append(envelope(3, ("anna", b"after")))
        assert rows_of([await world.read("anna", max_rows=1_000_000)])[-1] == b"after"


@pytest.mark.parametrize(("lane", "shards"), [(Priority.LOW, SHARDS), (LANE, SHARDS + 1)])
async def test_another_lanes_directory_is_refused(
    tmp_path: Path, lane: Priority, shards: int
) -> None:
    await RocksInbox(tmp_path, LANE, SHARDS).close()
    with pytest.raises(InboxMismatch):
        RocksInbox(tmp_path, lane, shards)
    await RocksInbox(tmp_path, LANE, SHARDS).close()


async def test_another_lane_or_shard_is_not_here(tmp_path: Path) -> None:
    async with open_world("rocks", tmp_path) as world:
        with pytest.raises(WrongState):
            await world.inbox.read(Priority.LOW, [Slice("", "anna", "", 0, 1, 1)], 0)
        with pytest.raises(WrongState):
            await world.inbox.append(Shard(Priority.LOW, 0, SHARDS), [envelope(1)])
        with pytest.raises(ValueError, match="no shard 4"):
            await world.inbox.append(Shard(LANE, SHARDS, SHARDS), [envelope(1)])
    with pytest.raises(Unavailable):
        await world.read("anna")
    with pytest.raises(Unavailable):
        await world.append(envelope(1, ("anna", b"a")))


async def test_what_another_version_wrote_is_unreadable_not_wrong(tmp_path: Path) -> None:
    write = envelope(1, ("anna", b"a"))
    async with open_world("rocks", tmp_path) as world:
        await world.append(write, envelope(2, ("anna", b"b")))
        await world.inbox.keep_acknowledged(LANE, [Acknowledged("", "anna", "tv", 5)])
    directory = RocksDirectory(tmp_path, LANE, SHARDS, keys.KEEP_S)
    row = keys.rows_prefix(member_key("", "anna"), LANE) + write.rows[0].position.to_bytes(8, "big")
    prefix = keys.journal_prefix(LANE, home(write))
    directory.rows.put(row, b"\x02rest")
    directory.journal.put(keys.journal_key(prefix, 1), b"\x02rest")
    directory.acknowledged.put(
        keys.acknowledged_key(member_key("", "anna"), "tv", LANE), b"\x02rest"
    )
    directory.close()
    async with open_world("rocks", tmp_path) as world:
        with pytest.raises(Unreadable, match="row of version 02"):
            await world.read("anna")
        with pytest.raises(Unreadable, match="mark of version 02"):
            await world.read("anna", device="tv")
        with pytest.raises(Unreadable, match="entry of version 02"):
            _ = [entry async for entry in world.inbox.journal(shard_of_member("anna"), 0)]
        assert rows_of([await world.read("anna", write.rows[0].position)]) == [b"b"]


@pytest.mark.parametrize("broken", [b"\x02rest", b"\x01\xff\xff"])
async def test_an_unreadable_newest_entry_is_known_at_open(tmp_path: Path, broken: bytes) -> None:
    directory = RocksDirectory(tmp_path, LANE, SHARDS, keys.KEEP_S)
    directory.journal.put(keys.journal_key(keys.journal_prefix(LANE, 2), 1), broken)
    directory.close()
    with pytest.raises(Unreadable):
        RocksInbox(tmp_path, LANE, SHARDS)


async def test_time_drops_rows_and_old_entries_but_never_a_shards_newest(tmp_path: Path) -> None:
    """RocksDB's own TTL, in column families and for what came in batches."""
    quiet, other = same_shard(1, 0)[0], same_shard(1, 1)[0]
    async with open_world("rocks", tmp_path) as world:
        await world.append(envelope(1, (quiet, b"a")), envelope(2, (quiet, b"b")))
        await world.append(envelope(1, (other, b"c")))
    async with asyncio.timeout(20):
        while True:
            directory = RocksDirectory(tmp_path, LANE, SHARDS, keep_s=1)
            directory.rows.compact_range(None, None)
            directory.journal.compact_range(None, None)
            directory.store.flush()
            rows, entries = len(list(directory.rows.keys())), len(list(directory.journal.keys()))
            directory.close()
            if (rows, entries) == (0, 2):
                break
            await asyncio.sleep(0.1)
    async with open_world("rocks", tmp_path) as world:
        assert (await world.read(quiet)).mark == mark_of(0, 2)
        assert (await world.read(other)).mark == mark_of(0, 1)
        last = await world.inbox.last_entry(shard_of_member(quiet))
        assert last == envelope(2, (quiet, b"b")).entry


async def test_a_quiet_shards_newest_entry_is_written_again_by_trimming(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reno.adapters.rocks_inbox.RENEW_EVERY_S", 0.0)
    async with open_world("rocks", tmp_path) as world:
        write = envelope(1, ("anna", b"a"))
        await world.append(write)
        await world.inbox.trim_journal(shard_of_member("anna"), 10_000)
        assert await world.inbox.last_entry(shard_of_member("anna")) == write.entry


async def test_a_cancelled_append_does_not_harm_the_next(tmp_path: Path) -> None:
    async with open_world("rocks", tmp_path) as world:
        append = asyncio.create_task(world.append(envelope(1, ("anna", b"a"))))
        await asyncio.sleep(0)
        append.cancel()
        with pytest.raises(asyncio.CancelledError):
            await append
        await world.append(envelope(2, ("anna", b"b")))
        assert rows_of([await world.read("anna")]) == [b"a", b"b"]


async def test_bounded_too_many_waiting_writes_are_refused(tmp_path: Path) -> None:
    directory = RocksDirectory(tmp_path, LANE, SHARDS, keys.KEEP_S)
    writer = RocksWriter(directory.store, max_waiting=2)

    def batch() -> WriteBatch:
        return WriteBatch(raw_mode=True)

    def broken() -> WriteBatch:
        raise ValueError("no batch")

    outcomes = await asyncio.gather(
        *(writer.write(fill) for fill in (batch, broken, batch, batch)), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [type(None), ValueError, type(None), TryLater]
    await writer.close()
    directory.close()


async def test_a_store_that_has_fallen_behind_is_waited_for(tmp_path: Path) -> None:
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_write_buffer_size(64 * 1024)
    options.set_level_zero_file_num_compaction_trigger(2)
    options.set_level_zero_slowdown_writes_trigger(2)
    options.set_level_zero_stop_writes_trigger(2)
    store = Rdict(str(tmp_path / "store"), options)
    writer = RocksWriter(store)

    def batch(number: int) -> WriteBatch:
        filled = WriteBatch(raw_mode=True)
        for index in range(20):
            filled.put(b"%d" % (number * 7919 + index), b"x" * 500)
        return filled

    for number in range(200):
        await writer.write(lambda number=number: batch(number))  # type: ignore[misc]
    assert len(list(store.keys())) == 200 * 20
    await writer.close()
    store.close()


async def test_isolated_one_reader_gives_way_to_others(tmp_path: Path) -> None:
    async with open_world("rocks", tmp_path) as world:
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        task = asyncio.create_task(other())
        await world.inbox.read(LANE, [Slice("", "anna", "", 0, 1, 1)] * 1000, 0)
        task.cancel()
        assert turns >= 1000 // 32
