"""The contract of reno.ports.Inbox and InboxReader, on every inbox."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reno.adapters.rocks_inbox import TURN_ROWS
from reno.domain.position import MAX_EVENTS_PER_ENVELOPE, MAX_POSITION, mark_of, position_of
from reno.domain.priority import Priority
from reno.ports import Acknowledged, JournalEntry, Slice
from tests.reno.adapters.inbox_worlds import (
    KINDS,
    LANE,
    World,
    envelope,
    home,
    open_world,
    rows_of,
    same_shard,
    shard_of_member,
)


@pytest.fixture(params=KINDS)
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(request.param, tmp_path / "inbox") as opened:
        yield opened


async def journal_of(world: World, member: str, since_ms: int = 0) -> list[JournalEntry]:
    return [entry async for entry in world.inbox.journal(shard_of_member(member), since_ms)]


async def test_an_empty_inbox_answers_with_nothing_and_mark_0(world: World) -> None:
    page = await world.read("anna", device="tv")
    assert (list(page.rows), page.more, page.through, page.mark) == ([], False, 0, 0)
    assert page.acknowledged == 0
    assert await world.inbox.last_entry(shard_of_member("anna")) is None
    assert await journal_of(world, "anna") == []
    assert await world.reader.read(LANE, [], 0) == []


async def test_ordered_rows_come_by_position_across_envelopes_and_generations(world: World) -> None:
    await world.append(envelope(7, ("anna", b"a"), ("anna", b"b")))
    await world.append(envelope(300, ("anna", b"c")), envelope(301, ("anna", b"d")))
    await world.append(envelope(2, ("anna", b"e"), generation=1))
    page = await world.read("anna")
    assert rows_of([page]) == [b"a", b"b", b"c", b"d", b"e"]
    assert [row.position for row in page.rows] == [
        position_of(0, 7, 0),
        position_of(0, 7, 1),
        position_of(0, 300, 0),
        position_of(0, 301, 0),
        position_of(1, 2, 0),
    ]
    assert page.through == page.mark == mark_of(1, 2)


async def test_rows_come_after_the_position_only(world: World) -> None:
    await world.append(envelope(1, ("anna", b"a"), ("anna", b"b")))
    assert rows_of([await world.read("anna", position_of(0, 1, 0))]) == [b"b"]
    page = await world.read("anna", position_of(0, 1, 1))
    assert (rows_of([page]), page.through) == ([], mark_of(0, 1))


@pytest.mark.parametrize("after", [mark_of(0, 9), MAX_POSITION])
async def test_a_position_above_the_mark_is_answered_as_it_is(world: World, after: int) -> None:
    await world.append(envelope(1, ("anna", b"a")))
    page = await world.read("anna", after)
    assert (rows_of([page]), page.more, page.through, page.mark) == (
        [],
        False,
        after,
        mark_of(0, 1),
    )


async def test_a_page_ends_at_max_rows_and_more_is_exact(world: World) -> None:
    await world.append(envelope(1, *(("anna", bytes([n])) for n in range(4))))
    page = await world.read("anna", max_rows=2)
    assert (rows_of([page]), page.more, page.through) == (
        [b"\0", b"\1"],
        True,
        position_of(0, 1, 1),
    )
    page = await world.read("anna", page.through, max_rows=2)
    assert (rows_of([page]), page.more, page.through) == ([b"\2", b"\3"], False, mark_of(0, 1))


async def test_a_page_ends_at_max_bytes_but_holds_at_least_one_row(world: World) -> None:
    await world.append(envelope(1, ("anna", b"12345"), ("anna", b"12345"), ("anna", b"1" * 50)))
    page = await world.read("anna", max_bytes=10)
    assert (len(page.rows), page.more, page.through) == (2, True, position_of(0, 1, 1))
    page = await world.read("anna", page.through, max_bytes=10)
    assert (rows_of([page]), page.more) == ([b"1" * 50], False)


async def test_a_row_is_shown_until_expires_at_and_no_longer(world: World) -> None:
    await world.append(envelope(1, ("anna", b"a"), expires_at_ms=5_000))
    world.now_ms = 5_000
    assert rows_of([await world.read("anna")]) == [b"a"]
    world.now_ms = 5_001
    page = await world.read("anna")
    assert (rows_of([page]), page.more, page.through) == ([], False, mark_of(0, 1))


async def test_expired_rows_do_not_use_up_a_page(world: World) -> None:
    await world.append(envelope(1, *(("anna", b"old") for _ in range(20)), expires_at_ms=1))
    await world.append(envelope(2, ("anna", b"new")))
    assert rows_of([await world.read("anna", max_rows=1)]) == [b"new"]


async def test_a_heap_of_expired_rows_is_read_in_several_pages(world: World) -> None:
    heap = [("anna", b"old")] * MAX_EVENTS_PER_ENVELOPE
    await world.append(envelope(1, *heap, expires_at_ms=1), envelope(2, *heap, expires_at_ms=1))
    await world.append(envelope(3, ("anna", b"new")))
    pages = [await world.read("anna")]
    while pages[-1].more:
        pages.append(await world.read("anna", pages[-1].through))
        assert pages[-1].through > pages[-2].through
    assert len(pages) == 2
    assert rows_of(pages) == [b"new"]


async def test_private_members_are_apart_even_when_one_id_begins_another(world: World) -> None:
    for number, member in enumerate(("an", "anna", "ann", "a", "anna-2"), 1):
        await world.append(envelope(number, (member, member.encode())))
    for member in ("an", "anna", "ann", "a", "anna-2"):
        assert rows_of([await world.read(member)]) == [member.encode()]


async def test_marks_belong_to_shards_and_do_not_fall(world: World) -> None:
    (first,), (second,) = same_shard(1, 0), same_shard(1, 1)
    await world.append(envelope(5, (first, b"a")))
    assert (await world.read(first)).mark == mark_of(0, 5)
    assert (await world.read(second)).mark == 0
    await world.append(envelope(4, (first, b"late")))
    assert (await world.read(first)).mark == mark_of(0, 5)
    newest = await world.inbox.last_entry(shard_of_member(first))
    assert newest is not None
    assert newest.sequence == 5, "an owner that was frozen writes what it had in hand"


async def test_an_envelope_without_rows_raises_the_mark(world: World) -> None:
    await world.append(envelope(9), shard=shard_of_member("anna").number)
    assert (await world.read("anna")).mark == mark_of(0, 9)


async def test_once_appending_again_changes_nothing_that_can_be_seen(world: World) -> None:
    write = envelope(1, ("anna", b"a"), ("anna", b"b"))
    await world.append(write, envelope(2, ("anna", b"c")))
    before = await world.read("anna"), await journal_of(world, "anna")
    await world.append(write)
    await world.append(write, envelope(2, ("anna", b"c")))
    assert (await world.read("anna"), await journal_of(world, "anna")) == before


async def test_many_slices_are_answered_in_their_order(world: World) -> None:
    members = same_shard(100)
    await world.append(envelope(1, *((member, member.encode()) for member in members)))
    slices = [Slice("", member, "", 0, 10, 1000) for member in reversed(members)]
    pages = await world.reader.read(LANE, slices, world.now_ms)
    assert rows_of(pages) == [member.encode() for member in reversed(members)]


async def test_an_acknowledged_position_above_the_mark_is_not_kept(world: World) -> None:
    """Resumable: marks only rise, so a made-up one would never be made good."""
    ahead = Acknowledged("", "anna", "tv", MAX_POSITION)
    await world.reader.keep_acknowledged(LANE, [ahead])
    await world.append(envelope(1, ("anna", b"a")))
    through = mark_of(0, 1)
    marks = [ahead, Acknowledged("", "anna", "phone", through), replace(ahead, position=through)]
    await world.reader.keep_acknowledged(LANE, marks)
    await world.reader.keep_acknowledged(LANE, [replace(ahead, position=through + 1)])
    assert (await world.read("anna", device="tv")).acknowledged == through
    assert (await world.read("anna", device="phone")).acknowledged == through


async def test_acknowledged_marks_only_rise_and_belong_to_one_device(world: World) -> None:
    await world.append(envelope(1, ("anna", b"a")))

    def mark(position: int, device: str = "tv") -> Acknowledged:
        return Acknowledged("", "anna", device, position)

    await world.reader.keep_acknowledged(LANE, [mark(7), mark(9), mark(8), mark(3, "phone")])
    await world.reader.keep_acknowledged(LANE, [mark(5)])
    await world.reader.keep_acknowledged(LANE, [])
    assert (await world.read("anna", device="tv")).acknowledged == 9
    assert (await world.read("anna", device="phone")).acknowledged == 3
    assert (await world.read("anna")).acknowledged == 0
    assert (await world.read("ann", device="tv")).acknowledged == 0
    await world.reader.keep_acknowledged(LANE, [mark(10)])
    assert (await world.read("anna", device="tv")).acknowledged == 10


async def test_the_journal_is_read_from_a_log_time_on(world: World) -> None:
    writes = [envelope(n, ("anna", b"x"), log_time_ms=n // 2 * 10) for n in range(1, 200)]
    writes.append(envelope(200, ("anna", b"x"), generation=3, log_time_ms=1_000))
    await world.append(*writes)
    entries = [write.entry for write in writes]
    assert await journal_of(world, "anna") == entries
    for since_ms in (0, 9, 10, 11, 500, 999, 1_000):
        expected = [entry for entry in entries if entry.log_time_ms >= since_ms]
        assert await journal_of(world, "anna", since_ms) == expected
    assert await journal_of(world, "anna", 1_001) == []
    assert await world.inbox.last_entry(shard_of_member("anna")) == entries[-1]


async def test_a_journal_entry_keeps_all_it_was_given(world: World) -> None:
    write = envelope(1, ("anna", b"x"))
    write = replace(write, entry=replace(write.entry, repeated_envelope=True, envelope_id=b""))
    await world.append(write)
    assert await world.inbox.last_entry(shard_of_member("anna")) == write.entry


async def test_trimming_forgets_older_entries_of_its_shard_but_not_the_newest(world: World) -> None:
    (first,), (second,) = same_shard(1, 0), same_shard(1, 1)
    mine = [envelope(n, (first, b"x")) for n in range(1, 10)]
    other = [envelope(n, (second, b"x")) for n in range(1, 10)]
    await world.append(*mine)
    await world.append(*other)
    await world.inbox.trim_journal(shard_of_member(first), before_ms=50)
    assert [entry.sequence for entry in await journal_of(world, first)] == [5, 6, 7, 8, 9]
    await world.inbox.trim_journal(shard_of_member(first), before_ms=10_000)
    assert [entry.sequence for entry in await journal_of(world, first)] == [9]
    assert len(await journal_of(world, second)) == 9
    assert len((await world.read(first)).rows) == 9
    await world.inbox.trim_journal(shard_of_member("anna"), before_ms=0)


async def test_ordered_no_reader_sees_a_later_row_without_the_earlier_ones(world: World) -> None:
    members = same_shard(3)
    done = asyncio.Event()

    async def write() -> None:
        for number in range(1, 41):
            rows = [(member, number.to_bytes(2, "big")) for member in members for _ in range(5)]
            await world.append(envelope(number, *rows))
        done.set()

    async def watch(member: str) -> list[bytes]:
        seen: list[bytes] = []
        after = 0
        while True:
            is_last = done.is_set()
            page = await world.read(member, after, max_rows=7)
            assert all(after < row.position <= page.mark for row in page.rows)
            seen += rows_of([page])
            after = page.through
            if is_last and not page.more:
                return seen
            await asyncio.sleep(0)

    watched = asyncio.gather(*(watch(member) for member in members for _ in range(2)))
    await write()
    expected = [number.to_bytes(2, "big") for number in range(1, 41) for _ in range(5)]
    assert await watched == [expected] * 6


async def test_other_shards_appends_do_not_show_a_row_early(world: World) -> None:
    members = [same_shard(1, shard)[0] for shard in range(4)]

    async def write(member: str) -> None:
        for number in range(1, 30):
            await world.append(envelope(number, (member, b"x")))
            assert (await world.read(member)).mark == mark_of(0, number)

    await asyncio.gather(*map(write, members))
    for member in members:
        assert len((await world.read(member)).rows) == 29


ROW = st.tuples(st.sampled_from(["a", "ab", "b"]), st.binary(max_size=12))
STORE = st.lists(st.tuples(st.lists(ROW, max_size=6), st.sampled_from([100, 200])), max_size=6)


@pytest.mark.parametrize("kind", KINDS)
@given(
    store=STORE,
    now_ms=st.sampled_from([100, 101, 201]),
    max_rows=st.integers(1, 4),
    max_bytes=st.integers(1, 30),
)
@settings(max_examples=15, deadline=None)
def test_resumable_pages_join_to_all_that_is_not_expired(
    kind: str,
    store: list[tuple[list[tuple[str, bytes]], int]],
    now_ms: int,
    max_rows: int,
    max_bytes: int,
) -> None:
    async def check(directory: Path) -> None:
        async with open_world(kind, directory) as world:
            world.now_ms = now_ms
            for number, (rows, expires_at_ms) in enumerate(store, 1):
                for shard in range(4):
                    write = envelope(number, *rows, expires_at_ms=expires_at_ms)
                    mine = [row for row in write.rows if home(replace(write, rows=[row])) == shard]
                    await world.append(replace(write, rows=mine), shard=shard)
            for member in ("a", "ab", "b"):
                pages = [await world.read(member, max_rows=max_rows, max_bytes=max_bytes)]
                while pages[-1].more:
                    through = pages[-1].through
                    pages.append(
                        await world.read(member, through, max_rows=max_rows, max_bytes=max_bytes)
                    )
                    assert pages[-1].through > through
                assert rows_of(pages) == [
                    row
                    for rows, expires_at_ms in store
                    if now_ms <= expires_at_ms
                    for owner, row in rows
                    if owner == member
                ]
                assert (
                    pages[-1].through == pages[-1].mark == (mark_of(0, len(store)) if store else 0)
                )
                assert all(len(page.rows) <= max_rows for page in pages)
                sizes = [sum(len(row.row) for row in page.rows) for page in pages]
                assert all(
                    size <= max_bytes or len(page.rows) == 1
                    for size, page in zip(sizes, pages, strict=True)
                )

    with TemporaryDirectory() as directory:
        asyncio.run(check(Path(directory)))


async def test_lanes_are_apart_in_memory() -> None:
    async with open_world("memory", Path()) as world:
        await world.append(envelope(1, ("anna", b"high")))
        for lane in (Priority.MEDIUM, Priority.LOW):
            (page,) = await world.reader.read(lane, [Slice("", "anna", "", 0, 10, 10)], 0)
            assert (rows_of([page]), page.mark) == ([], 0)


@pytest.mark.parametrize("kind", KINDS)
async def test_bounded_of_a_members_rows_a_read_shows_the_newest(kind: str, tmp_path: Path) -> None:
    """Resumable: what is left out is said, to whom it concerns."""
    async with open_world(kind, tmp_path / "limited", max_member_rows=5) as world:
        anna, ben = same_shard(2)
        for sequence in range(1, 9):
            await world.append(envelope(sequence, (anna, b"%d" % sequence), (ben, b"b")))
        page = await world.read(anna, max_rows=2)
        assert rows_of([page]) == [b"4", b"5"]
        assert page.more
        assert page.left_out_through == position_of(0, 3, 0)
        shown = [page]
        while page.more:
            page = await world.read(anna, page.through, max_rows=2)
            assert page.left_out_through == 0, "once for a cursor"
            shown.append(page)
        assert rows_of(shown) == [b"4", b"5", b"6", b"7", b"8"]
        page = await world.read(anna, position_of(0, 3, 0), max_rows=2)
        assert (rows_of([page]), page.left_out_through) == ([b"4", b"5"], 0)
        page = await world.read(anna, position_of(0, 2, 0), max_rows=2)
        assert (rows_of([page]), page.left_out_through) == ([b"4", b"5"], position_of(0, 3, 0))


async def test_many_rows_are_counted_in_turns(tmp_path: Path) -> None:
    async with open_world(
        "rocks", tmp_path / "limited", max_member_rows=2 * TURN_ROWS + 7
    ) as world:
        (anna,) = same_shard(1)
        for sequence in (1, 2):
            await world.append(envelope(sequence, *((anna, b"r") for _ in range(TURN_ROWS + 5))))
        page = await world.read(anna)
        assert page.left_out_through == position_of(0, 1, 2)
        assert page.rows[0].position == position_of(0, 1, 3)
        assert (await world.read(anna, position_of(0, 1, 2))).left_out_through == 0
