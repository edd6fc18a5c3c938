"""What only the inbox in Cassandra promises: several writers, half-written appends, nodes that do not answer."""

import asyncio

import pytest

from reno.adapters.cassandra_inbox import CassandraInbox
from reno.adapters.cassandra_layout import BUCKET_MS, SLACK_S
from reno.adapters.cassandra_reader import CassandraReader
from reno.adapters.cassandra_session import CassandraSession
from reno.adapters.cassandra_statements import READING, STORING
from reno.adapters.rocks_directory import InboxMismatch
from reno.config.cassandra_settings import CassandraSettings
from reno.domain.position import mark_of
from reno.domain.priority import Priority
from reno.errors import Unavailable, WrongState
from reno.ports import Acknowledged, Shard, Slice
from tests.reno.adapters.inbox_worlds import (
    LANE,
    SHARDS,
    World,
    envelope,
    open_cassandra,
    rows_of,
    same_shard,
    shard_of_member,
)
from tests.servers.cassandra import SHARED
from tests.servers.nats import free_port


async def journal_of(world: World, since_ms: int = 0) -> list[int]:
    found = world.inbox.journal(shard_of_member("anna"), since_ms)
    return [entry.sequence async for entry in found]


async def test_durable_all_is_there_for_the_next_process(cassandra: CassandraSettings) -> None:
    write = envelope(3, ("anna", b"a"), ("anna", b"b"))
    async with open_cassandra(cassandra) as world:
        await world.append(write)
        await world.reader.keep_acknowledged(LANE, [Acknowledged("", "anna", "tv", 5)])
        before = await world.read("anna", device="tv")
    async with open_cassandra(cassandra) as world:
        assert await world.read("anna", device="tv") == before
        assert (before.mark, before.acknowledged, rows_of([before])) == (
            mark_of(0, 3),
            5,
            [b"a", b"b"],
        )
        assert await world.inbox.last_entry(shard_of_member("anna")) == write.entry


async def test_once_two_owners_write_the_same_and_the_mark_does_not_fall(
    cassandra: CassandraSettings,
) -> None:
    writes = [envelope(n, ("anna", b"%d" % n), ("anna", b"again")) for n in range(1, 6)]
    async with open_cassandra(cassandra) as one, open_cassandra(cassandra) as other:
        await one.append(*writes)
        seen = await one.read("anna"), await journal_of(one)
        await other.append(*writes[:3])
        await asyncio.gather(one.append(*writes), other.append(*writes[2:]))
        assert (await other.read("anna"), await journal_of(other)) == seen
        assert await other.inbox.last_entry(shard_of_member("anna")) == writes[-1].entry
        await other.inbox.keep_acknowledged(LANE, [Acknowledged("", "anna", "tv", 9)])
        await one.inbox.keep_acknowledged(LANE, [Acknowledged("", "anna", "tv", 8)])
        assert (await one.read("anna", device="tv")).acknowledged == 9


@pytest.mark.parametrize("step", ["keep", "journal", "raise"])
async def test_durable_an_append_that_broke_off_is_hidden_and_can_be_done_again(
    cassandra: CassandraSettings, step: str
) -> None:
    class Breaking(CassandraSession):
        async def write(self, name: str, values: list[object]) -> None:
            if name == step:
                raise Unavailable(2, "broken off")  # type: ignore[arg-type]
            await super().write(name, values)

    first, second = envelope(1, ("anna", b"a")), envelope(2, ("anna", b"b"))
    async with open_cassandra(cassandra) as world:
        await world.append(first)
        session = Breaking(cassandra, STORING)
        breaking = CassandraInbox(session, LANE, SHARDS, read_timeout_s=10.0)
        with pytest.raises(Unavailable):
            await breaking.append(shard_of_member("anna"), [second])
        await breaking.close()
        page = await world.read("anna")
        assert (rows_of([page]), page.mark) == ([b"a"], mark_of(0, 1))
        assert await journal_of(world) == [1]
        assert await world.inbox.last_entry(shard_of_member("anna")) == first.entry
        await world.append(second)
        assert rows_of([await world.read("anna")]) == [b"a", b"b"]
        assert await journal_of(world) == [1, 2]


async def test_the_journal_goes_on_from_bucket_to_bucket(cassandra: CassandraSettings) -> None:
    times = [0, BUCKET_MS - 1, BUCKET_MS, 5 * BUCKET_MS, 5 * BUCKET_MS + 1]
    writes = [envelope(n, ("anna", b"x"), log_time_ms=at) for n, at in enumerate(times, 1)]
    async with open_cassandra(cassandra) as world:
        await world.append(*writes)
        assert await journal_of(world) == [1, 2, 3, 4, 5]
        assert await journal_of(world, BUCKET_MS) == [3, 4, 5]
        await world.append(envelope(6, ("anna", b"x"), log_time_ms=9 * BUCKET_MS))
        assert await journal_of(world, 2 * BUCKET_MS) == [4, 5, 6]


async def test_rows_end_by_themselves(cassandra: CassandraSettings) -> None:
    async with open_cassandra(cassandra) as world:
        await world.append(envelope(1, ("anna", b"x"), expires_at_ms=61_000))
        ((left_s,),) = SHARED.execute("SELECT ttl(row) FROM rows")
        assert isinstance(left_s, int)
        assert SLACK_S < left_s <= 60 + SLACK_S
        ((left_s,),) = SHARED.execute("SELECT ttl(mark) FROM marks")
        assert left_s is None


async def test_a_lane_with_another_shard_count_is_refused(cassandra: CassandraSettings) -> None:
    async with open_cassandra(cassandra):
        other = CassandraInbox(
            CassandraSession(cassandra, STORING), LANE, SHARDS + 1, read_timeout_s=10.0
        )
        with pytest.raises(InboxMismatch, match=f"{SHARDS} shards"):
            await other.append(Shard(LANE, 0, SHARDS + 1), [envelope(1)])
        with pytest.raises(WrongState):
            await other.append(Shard(Priority.LOW, 0, SHARDS + 1), [envelope(1)])
        await other.close()


async def test_a_lane_that_was_never_stored_is_unavailable_not_empty(
    cassandra: CassandraSettings,
) -> None:
    reader = CassandraReader(CassandraSession(cassandra, READING), timeout_s=10.0)
    with pytest.raises(Unavailable, match="nothing was ever stored"):
        await reader.read(LANE, [Slice("", "anna", "", 0, 1, 1)], 0)
    await reader.close()


async def test_no_node_no_schema_and_closed_are_unavailable(cassandra: CassandraSettings) -> None:
    wanted = [Slice("", "anna", "", 0, 1, 1)]
    nowhere = cassandra.model_copy(update={"contact_points": (f"127.0.0.1:{free_port()}",)})
    no_schema = cassandra.model_copy(update={"keyspace": "nothing_here"})
    for settings, why in ((nowhere, "hosts"), (no_schema, "reno schema apply")):
        reader = CassandraReader(CassandraSession(settings, READING), timeout_s=10.0)
        for _ in range(2):
            with pytest.raises(Unavailable, match=why):
                await reader.read(LANE, wanted, 0)
        await reader.close()
    reader = CassandraReader(CassandraSession(cassandra, READING), timeout_s=10.0)
    await reader.close()
    with pytest.raises(Unavailable, match="closed"):
        await reader.read(LANE, wanted, 0)


async def test_bounded_never_more_in_flight_than_the_settings_say(
    cassandra: CassandraSettings,
) -> None:
    class Counting(CassandraSession):
        flying = most = 0

        async def _send(self, connection, request, what):  # type: ignore[no-untyped-def]
            async def counted(what):  # type: ignore[no-untyped-def]
                self.flying += 1
                self.most = max(self.most, self.flying)
                try:
                    return await request(what)
                finally:
                    self.flying -= 1

            return await super()._send(connection, counted, what)

    session = Counting(cassandra.model_copy(update={"max_in_flight": 7}), STORING)
    inbox = CassandraInbox(session, LANE, SHARDS, read_timeout_s=30.0)
    members = same_shard(100)
    await inbox.append(
        Shard(LANE, 0, SHARDS), [envelope(1, *((member, b"x") for member in members))]
    )
    pages = await inbox.read(LANE, [Slice("", member, "", 0, 9, 9) for member in members], 0)
    await inbox.close()
    assert rows_of(pages) == [b"x"] * 100
    assert session.most == 7


async def test_bounded_a_page_reads_hardly_more_than_it_may_hold(
    cassandra: CassandraSettings,
) -> None:
    class Weighing(CassandraSession):
        rows_bytes = 0

        async def read(self, name: str, values: list[object]) -> list[tuple[object, ...]]:
            found = await super().read(name, values)
            if name == "rows":
                self.rows_bytes += sum(len(row[-1]) for row in found)
            return found

    small, large = 100, 32 * 1024
    async with open_cassandra(cassandra) as world:
        await world.append(envelope(1, *[("anna", b"x" * large)] * 150))
        await world.append(envelope(2, *[("berta", b"x" * small)] * 150))
        session = Weighing(cassandra, READING)
        reader = CassandraReader(session, timeout_s=30.0)
        for member, most_rows, most_bytes in (("anna", 32, 64 * large), ("berta", 150, 16_000)):
            session.rows_bytes = 0
            wanted = Slice("", member, "", 0, 200, 1 << 20)
            (page,) = await reader.read(LANE, [wanted], 1_000)
            assert len(page.rows) == most_rows
            assert session.rows_bytes <= most_bytes + 64
        await reader.close()
