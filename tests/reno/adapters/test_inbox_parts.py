"""A lane that several processors share: each slice goes to the one that has the member's shard. Isolated, Truthful."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from processor.inbox_service import InboxServicer
from reno.adapters.inbox_client import InboxClient
from reno.adapters.rocks_directory import InboxMismatch
from reno.adapters.rocks_inbox import RocksInbox
from reno.domain.member import member_key, shard_of
from reno.domain.shard_set import ShardSet, parse_shards
from reno.errors import Unavailable, WrongState
from reno.ports import Acknowledged, Slice
from tests.reno.adapters.inbox_worlds import (
    LANE,
    NEVER_MS,
    SHARDS,
    envelope,
    same_shard,
    serve,
    shard_of_member,
)

MEMBERS = [member for shard in range(SHARDS) for member in same_shard(2, shard)]
HALVES = [parse_shards("0-1"), parse_shards("2-3")]


def wanted(member: str, device: str = "") -> Slice:
    return Slice("", member, device, 0, 10, 1000)


@pytest.fixture
async def inboxes(tmp_path: Path) -> AsyncIterator[list[RocksInbox]]:
    """Two halves of the lane, with a row for each member."""
    made = [
        RocksInbox(tmp_path / str(part), LANE, SHARDS, owned=owned)
        for part, owned in enumerate(HALVES)
    ]
    for sequence, member in enumerate(MEMBERS, 1):
        shard = shard_of_member(member)
        write = envelope(sequence, (member, member.encode()), expires_at_ms=NEVER_MS)
        await made[shard.number // 2].append(shard, [write])
    yield made
    for inbox in made:
        await inbox.close()


@pytest.fixture
async def addresses(inboxes: list[RocksInbox]) -> AsyncIterator[list[str]]:
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(serve(InboxServicer(inbox, LANE))) for inbox in inboxes
        ]


async def test_slices_are_split_by_shard_and_answered_in_order(addresses: list[str]) -> None:
    client = InboxClient({LANE: f"0-1={addresses[0]} 2-3={addresses[1]}"}, 10.0)
    mixed = [*MEMBERS[::2], *MEMBERS[1::2]]
    pages = await client.read(LANE, [wanted(member, "tv") for member in mixed], 0)
    assert [[row.row for row in page.rows] for page in pages] == [[m.encode()] for m in mixed]
    assert {client.part(LANE, "", member) for member in MEMBERS} == {0, 1}
    marks = [Acknowledged("", member, "tv", n + 1) for n, member in enumerate(mixed)]
    await client.keep_acknowledged(LANE, marks)
    pages = await client.read(LANE, [wanted(member, "tv") for member in mixed], 0)
    assert [page.acknowledged for page in pages] == [mark.position for mark in marks]
    await client.close()


async def test_isolated_a_part_that_is_away_leaves_the_other_alone(addresses: list[str]) -> None:
    nobody = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    away = f"127.0.0.1:{nobody.sockets[0].getsockname()[1]}"
    nobody.close()
    await nobody.wait_closed()
    client = InboxClient({LANE: f"0-1={addresses[0]} 2-3={away}"}, 1.0)
    here = [member for member in MEMBERS if client.part(LANE, "", member) == 0]
    assert len(await client.read(LANE, [wanted(member) for member in here], 0)) == len(here)
    with pytest.raises(Unavailable):
        await client.read(LANE, [wanted(member) for member in MEMBERS], 0)
    await client.close()


async def test_truthful_who_has_not_the_members_shard_refuses_rather_than_says_nothing(
    addresses: list[str],
) -> None:
    for text in (
        addresses[0],
        f"2-3={addresses[0]} 0-1={addresses[1]}",
        f"0-1={addresses[0]} 2={addresses[1]}",
    ):
        client = InboxClient({LANE: text}, 10.0)
        with pytest.raises(Unavailable, match="not kept here"):
            await client.read(LANE, [wanted(member) for member in MEMBERS], 0)
        await client.close()


async def test_a_part_refuses_what_is_not_its_own(inboxes: list[RocksInbox]) -> None:
    stranger = next(m for m in MEMBERS if shard_of(member_key("", m), SHARDS) == 3)
    with pytest.raises(WrongState, match=r"shard 3 of 4 is not kept here: 0-1 are"):
        await inboxes[0].read(LANE, [wanted(stranger)], 0)
    with pytest.raises(WrongState):
        await inboxes[0].keep_acknowledged(LANE, [Acknowledged("", stranger, "tv", 1)])
    with pytest.raises(ValueError, match="no shard 3"):
        await inboxes[0].append(shard_of_member(stranger), [envelope(1, (stranger, b""))])


@pytest.mark.parametrize("other", ["all", "0", "0-2", "2-3"])
async def test_a_directory_keeps_its_shards(tmp_path: Path, other: str) -> None:
    await RocksInbox(tmp_path, LANE, SHARDS, owned=HALVES[0]).close()
    shards: ShardSet = parse_shards(other)
    with pytest.raises(InboxMismatch, match=rf"shards 0-1 of 4, not lane 1 with shards {other} "):
        RocksInbox(tmp_path, LANE, SHARDS, owned=shards)
    await RocksInbox(tmp_path, LANE, SHARDS, owned=HALVES[0]).close()
