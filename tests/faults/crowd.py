"""A crowd beside a run: events for members whom nobody listens for, so that faults meet an installation that is busy. Nobody checks them one by one."""

import asyncio
import contextlib
import json
import os
from asyncio.subprocess import DEVNULL, PIPE
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from bench.generator import ENVIRONMENT, command_line, total

ROUND_S = 5.0
BROKEN_OFF = "rounds broken off"
LOW_LOG_BYTES = 16 << 20
"""Of an installation with a crowd: its low lane is full when its processor has stood still for some seconds, and not before."""

FIRST_MEMBER = 1_000_000
"""Others than the run's."""


def told_of(plan: Mapping[str, Any], counts: Mapping[str, int]) -> str:
    """What a run's result says of its crowd, in words."""
    rest = (f"{counts.get(what, 0):,} {what}" for what in ("refused", "not sent", BROKEN_OFF))
    return f"beside it {plan['crowd']:,} events/s of a crowd: {counts.get('accepted', 0):,} accepted, {', '.join(rest)}"


@asynccontextmanager
async def crowded(door: str, events_per_s: int) -> AsyncIterator[Counter[str]]:
    """What became of the events that are published meanwhile; none where there are none a second."""
    if not events_per_s:
        yield Counter()
        return
    crowd = Crowd(door, events_per_s)
    publishing = asyncio.create_task(crowd.publish())
    try:
        yield crowd.counts
    finally:
        publishing.cancel()
        await asyncio.wait({publishing})
    if not publishing.cancelled():
        publishing.result()


class Crowd:
    """`counts`: events accepted and refused, and rounds that a fault broke off, of whose events nothing is known."""

    def __init__(self, door: str, events_per_s: int) -> None:
        self.counts: Counter[str] = Counter()
        self._command = command_line(
            "publish",
            address=door,
            rate=events_per_s,
            seconds=ROUND_S,
            drain=ROUND_S,
            first=FIRST_MEMBER,
            repeats=0.1,
        )

    async def publish(self) -> None:
        """One round after the other, until cancelled."""
        while True:
            await self._round()

    async def _round(self) -> None:
        process = await asyncio.create_subprocess_exec(
            *self._command, stdout=PIPE, stderr=DEVNULL, env=os.environ | ENVIRONMENT
        )
        try:
            said, _ = await process.communicate()
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if process.returncode:
            self.counts[BROKEN_OFF] += 1
            return
        published = json.loads(said.splitlines()[-1])
        self.counts["accepted"] += published["accepted"]
        self.counts["refused"] += total(published["refused"])
        self.counts["not sent"] += published["not_sent"]
