"""Devices that stay online for a while, and waiting for what they are owed."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

from tests.e2e.history import Arrival, History
from tests.e2e.traffic import Listener, arrival, pull_all


@asynccontextmanager
async def online(
    listeners: Collection[Listener], timeout_s: float
) -> AsyncIterator[list[asyncio.Task[None]]]:
    """From when all are caught up, which must be in time, until it is left; what runs for each."""
    listening = [asyncio.create_task(one.listen()) for one in listeners]
    try:
        async with asyncio.timeout(timeout_s):
            await asyncio.gather(*(one.caught_up.wait() for one in listeners))
        yield listening
    finally:
        for task in listening:
            task.cancel()
        await asyncio.gather(*listening, return_exceptions=True)


def accepted(history: History, member: str) -> set[str]:
    return {receipt.event_id for receipt in history.receipts if receipt.member == member}


async def pulled(way: str, history: History, member: str) -> list[Arrival]:
    """Pulls from the start until everything accepted is there; then whatever is wrong is the checker's to say."""
    wanted = accepted(history, member)
    for _ in range(60):
        seen = [arrival(member, one) for one in await pull_all(way, member, "audit")]
        if wanted <= {one.event_id for one in seen}:
            break
        await asyncio.sleep(0.5)
    return seen


async def until_all(
    listening: list[asyncio.Task[None]], seen: list[Arrival], history: History, member: str
) -> None:
    """Longer than the interval at which every session looks by itself: what is missing then is lost."""
    wanted = accepted(history, member)
    for _ in range(450):
        failed = [task for task in listening if task.done()]
        assert not failed, failed[0].exception()
        if wanted <= {one.event_id for one in seen}:
            return
        await asyncio.sleep(0.1)
