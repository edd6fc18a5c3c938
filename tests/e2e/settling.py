"""Waiting for what devices are owed, on one `reno up`."""

import asyncio

from tests.e2e.history import Arrival, History
from tests.e2e.running import RunningReno
from tests.e2e.traffic import arrival, pull_all

TYPES = ["plain.high", "plain.medium", "plain.low"]
CATALOGUE = "\n".join(
    f'["{name}"]\npriority = "{name.partition(".")[2]}"\nmax_age = "1h"\nttl = "1d"\naction = "act"'
    for name in TYPES
)
"""A type for each lane."""


def accepted(history: History, member: str) -> set[str]:
    return {receipt.event_id for receipt in history.receipts if receipt.member == member}


async def pulled(reno: RunningReno, history: History, member: str) -> list[Arrival]:
    """Pulls from the start until everything accepted is there; then whatever is wrong is the checker's to say."""
    wanted = accepted(history, member)
    for _ in range(60):
        seen = [arrival(member, one) for one in await pull_all(reno.devices, member, "audit")]
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
