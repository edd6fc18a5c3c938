"""What the client says when a lane does not answer."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack

import grpc
import pytest

from processor.inbox_service import InboxServicer
from reno.adapters.inbox_client import InboxClient
from reno.adapters.memory_inbox import MemoryInbox
from reno.domain.priority import Priority
from reno.domain.reason import Reason
from reno.errors import Unavailable
from reno.ports import MAX_SLICES, Acknowledged, Page, Slice
from tests.reno.adapters.inbox_worlds import LANE, SHARDS, envelope, serve, shard_of_member


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


async def test_close_answers_whoever_waits(inbox: GatedInbox, address: str) -> None:
    client = InboxClient({LANE: address}, 10.0)
    waiting = asyncio.create_task(client.read(LANE, [wanted()], 0))
    await until_called(inbox, 1)
    await client.close()
    outcomes = await asyncio.gather(waiting, return_exceptions=True)
    assert isinstance(outcomes[0], Unavailable | asyncio.CancelledError)
    inbox.gate.set()


async def test_a_full_call_of_marks_is_kept(inbox: GatedInbox, address: str) -> None:
    client = InboxClient({LANE: address}, 10.0)
    inbox.gate.set()
    await inbox.append(shard_of_member("anna"), [envelope(1)])
    marks = [Acknowledged("", "anna", f"d{n}", n + 1) for n in range(MAX_SLICES)]
    await client.keep_acknowledged(LANE, marks)
    slices = [Slice("", "anna", mark.device_id, 0, 1, 1) for mark in marks]
    pages = await client.read(LANE, slices, 0)
    assert [page.acknowledged for page in pages] == [mark.position for mark in marks]
    await client.close()
