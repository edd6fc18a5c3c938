"""How the client gathers reads, and what it says when a lane does not answer."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.inbox_service import InboxServicer
from reno.adapters.inbox_client import InboxClient
from reno.adapters.inbox_lane import LaneLimits, chunk_length
from reno.adapters.memory_inbox import MemoryInbox
from reno.domain.priority import Priority
from reno.domain.reason import Reason
from reno.errors import TryLater, Unavailable
from reno.ports import Acknowledged, Page, Slice
from tests.reno.adapters.inbox_worlds import LANE, SHARDS, envelope, rows_of, serve, shard_of_member


class GatedInbox(MemoryInbox):
    """Answers when it is let; remembers how many slices each call had."""

    def __init__(self) -> None:
        super().__init__(SHARDS)
        self.calls: list[int] = []
        self.gate = asyncio.Event()
        self.fault: Exception | None = None

    async def read(self, priority: Priority, slices: Sequence[Slice], now_ms: int) -> list[Page]:
        self.calls.append(len(slices))
        await self.gate.wait()
        if self.fault is not None:
            raise self.fault
        return await super().read(priority, slices, now_ms)


def wanted(member: str = "anna", max_bytes: int = 1000) -> Slice:
    return Slice("", member, "", 0, 10, max_bytes)


async def until_called(inbox: GatedInbox, calls: int) -> None:
    async with asyncio.timeout(10):
        while len(inbox.calls) < calls:
            await asyncio.sleep(0.001)


@pytest.fixture
def inbox() -> GatedInbox:
    return GatedInbox()


@pytest.fixture
async def address(inbox: GatedInbox) -> AsyncIterator[str]:
    async with serve(InboxServicer(inbox, LANE)) as served:
        yield served


async def test_what_asks_during_a_call_goes_in_the_next(inbox: GatedInbox, address: str) -> None:
    client = InboxClient({LANE: address}, 10.0)
    members = [f"m{n}" for n in range(50)]
    for number, member in enumerate(members, 1):
        await inbox.append(shard_of_member(member), [envelope(number, (member, member.encode()))])
    first = asyncio.create_task(client.read(LANE, [wanted(), wanted()], 0))
    await until_called(inbox, 1)
    later = [
        asyncio.create_task(client.read(LANE, [wanted(member), wanted("nobody")], 0))
        for member in members
    ]
    await asyncio.sleep(0)
    inbox.gate.set()
    answers = await asyncio.gather(*later)
    assert [rows_of(pages) for pages in answers] == [[member.encode()] for member in members]
    assert [len(pages) for pages in [await first, *answers]] == [2] * 51
    assert inbox.calls == [2, 100]
    await client.close()


async def test_bounded_calls_slices_and_waiting(inbox: GatedInbox, address: str) -> None:
    limits = LaneLimits(max_slices=3, max_in_flight=2, max_waiting=10)
    client = InboxClient({LANE: address}, 10.0, limits=limits)
    reads = [asyncio.create_task(client.read(LANE, [wanted()] * 5, 0)) for _ in range(2)]
    await until_called(inbox, 2)
    more = asyncio.create_task(client.read(LANE, [wanted()] * 6, 0))
    await asyncio.sleep(0)
    with pytest.raises(TryLater) as refused:
        await client.read(LANE, [wanted()], 0)
    assert refused.value.reason is Reason.FULL
    assert inbox.calls == [3, 3]
    inbox.gate.set()
    assert [len(pages) for pages in await asyncio.gather(*reads, more)] == [5, 5, 6]
    assert max(inbox.calls) == 3
    assert sum(inbox.calls) == 16
    await client.close()


async def test_isolated_a_lane_that_does_not_answer_fails_its_own_callers_only(
    inbox: GatedInbox, address: str
) -> None:
    async with AsyncExitStack() as stack:
        other = MemoryInbox(SHARDS)
        low = await stack.enter_async_context(serve(InboxServicer(other, Priority.LOW)))
        client = InboxClient({LANE: address, Priority.LOW: low}, timeout_s=0.5)
        stack.push_async_callback(client.close)
        reads = [asyncio.create_task(client.read(LANE, [wanted()], 0))]
        await until_called(inbox, 1)
        reads += [asyncio.create_task(client.read(LANE, [wanted()], 0)) for _ in range(3)]
        assert len(await client.read(Priority.LOW, [wanted()], 0)) == 1
        outcomes = await asyncio.gather(*reads, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [Unavailable] * 4
        assert all("DEADLINE_EXCEEDED" in str(outcome) for outcome in outcomes)
        inbox.gate.set()
        assert len(await client.read(LANE, [wanted()], 0)) == 1


async def test_every_failure_of_the_server_is_unavailable(inbox: GatedInbox, address: str) -> None:
    client = InboxClient({LANE: address, Priority.LOW: address}, 10.0)
    inbox.gate.set()
    inbox.fault = Unavailable(Reason.NOT_READY, "not open yet")
    with pytest.raises(Unavailable, match="not open yet") as refused:
        await client.read(LANE, [wanted()], 0)
    assert refused.value.reason is Reason.NOT_READY
    assert isinstance(refused.value.__cause__, grpc.aio.AioRpcError)
    for fails in (
        client.read(Priority.LOW, [wanted()], 0),
        client.keep_acknowledged(Priority.LOW, [Acknowledged("", "anna", "tv", 1)]),
    ):
        with pytest.raises(Unavailable, match="not served here"):
            await fails
    with pytest.raises(Unavailable, match="no address"):
        await client.read(Priority.MEDIUM, [wanted()], 0)
    await client.close()


async def test_a_lane_that_is_not_there_is_unavailable_at_once(unused_address: str) -> None:
    client = InboxClient({LANE: unused_address}, 10.0)
    with pytest.raises(Unavailable):
        await client.read(LANE, [wanted()], 0)
    await client.close()


@pytest.fixture
async def unused_address() -> str:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return f"127.0.0.1:{port}"


async def test_a_caller_that_goes_takes_nobody_along(inbox: GatedInbox, address: str) -> None:
    client = InboxClient({LANE: address}, 10.0)
    first = asyncio.create_task(client.read(LANE, [wanted()], 0))
    await until_called(inbox, 1)
    gone, stays = (asyncio.create_task(client.read(LANE, [wanted()], 0)) for _ in range(2))
    await asyncio.sleep(0)
    gone.cancel()
    first.cancel()
    inbox.gate.set()
    assert len(await stays) == 1
    assert inbox.calls == [1, 1]
    await client.close()


async def test_close_answers_whoever_waits(inbox: GatedInbox, address: str) -> None:
    client = InboxClient({LANE: address}, 10.0)
    reads = [asyncio.create_task(client.read(LANE, [wanted()], 0))]
    await until_called(inbox, 1)
    reads.append(asyncio.create_task(client.read(LANE, [wanted()], 0)))
    await asyncio.sleep(0)
    await client.close()
    outcomes = await asyncio.gather(*reads, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Unavailable] * 2
    with pytest.raises(Unavailable):
        await client.read(LANE, [wanted()], 0)
    inbox.gate.set()


async def test_many_marks_go_in_several_calls(inbox: GatedInbox, address: str) -> None:
    client = InboxClient({LANE: address}, 10.0)
    inbox.gate.set()
    marks = [Acknowledged("", "anna", f"d{n}", n + 1) for n in range(2_500)]
    await client.keep_acknowledged(LANE, marks)
    slices = [Slice("", "anna", mark.device_id, 0, 1, 1) for mark in marks]
    pages = await client.read(LANE, slices, 0)
    assert [page.acknowledged for page in pages] == [mark.position for mark in marks]
    await client.close()


@given(
    sizes=st.lists(st.integers(0, 100), max_size=20),
    max_slices=st.integers(1, 8),
    max_bytes=st.integers(1, 200),
)
def test_bounded_a_chunk_is_as_long_as_both_limits_let_it_be(
    sizes: list[int], max_slices: int, max_bytes: int
) -> None:
    limits = LaneLimits(max_slices=max_slices, max_bytes=max_bytes, max_row_bytes=10)
    count, is_full = chunk_length([wanted(max_bytes=size) for size in sizes], limits)
    costs = [max(size, 10) for size in sizes]
    assert count <= max_slices
    assert count <= 1 or sum(costs[:count]) <= max_bytes
    assert bool(count) == bool(sizes)
    fits_more = count < max_slices and sum(costs[: count + 1]) <= max_bytes
    assert is_full or count == len(sizes)
    assert not (count < len(sizes) and fits_more)
