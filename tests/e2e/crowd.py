"""Members of a fleet: backends that publish to them, a device online for some of them, another one that pulls, and all that they saw."""

import asyncio
import itertools
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self

import grpc

from reno.v1.notification_service_pb2 import START_AT_START, PullRequest, PullResponse
from reno.v1.notification_service_pb2_grpc import NotificationServiceStub
from tests.e2e.history import Arrival, History
from tests.e2e.many import Many
from tests.e2e.traffic import (
    TRY_AGAIN_S,
    Backend,
    Listener,
    arrival,
    as_device,
    connected,
)
from tests.faults.calls import FAILURES_THAT_PASS

BACKENDS = 4
"""Each with members of its own: only one caller's order is promised."""

ONLINE = 5
"""Of each backend's members."""

BATCHES_PER_S = 10
"""Of each backend."""

PATIENCE_S = 90.0
"""Longer than the interval at which every session looks by itself: what has not come by then is lost."""

PULLING = 8
"""Devices at a time."""


class Crowd:
    """Enter it to bring the devices online, which they stay until it is left. Raises what a device failed with."""

    def __init__(self, many: Many, name: str, types: Sequence[str], members: int = 20) -> None:
        """`members`: of each backend; their names begin with `name`."""
        self.history = History()
        groups = [[f"{name}{group}-{n}" for n in range(members)] for group in range(BACKENDS)]
        self.members = [member for group in groups for member in group]
        # Either gateway, whichever is there.
        ways = itertools.cycle(
            f"ipv4:{','.join(many.gateways[turn:] + many.gateways[:turn])}" for turn in range(2)
        )
        self.ways = dict(zip(self.members, ways, strict=False))
        self._doors = itertools.cycle(many.doors)
        self._listeners = {
            member: Listener(self.ways[member], self.history, member, "tv")
            for group in groups
            for member in group[:ONLINE]
        }
        self._backends = [
            Backend(next(self._doors), self.history, group, list(types), seed)
            for seed, group in enumerate(groups)
        ]
        self._listening: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._listening = [asyncio.create_task(one.listen()) for one in self._listeners.values()]
        try:
            async with asyncio.timeout(PATIENCE_S):
                for listener in self._listeners.values():
                    await listener.caught_up.wait()
        except BaseException:
            await self._leave()
            raise
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await self._leave()

    @asynccontextmanager
    async def publishing(self, events_per_s: int) -> AsyncIterator[None]:
        """Meanwhile, late rather than never where the doors are slower; left when everything that was begun is accepted."""
        batch = max(1, events_per_s // (BACKENDS * BATCHES_PER_S))
        ending = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            for backend in self._backends:
                rate = events_per_s // BACKENDS
                tasks.create_task(backend.publish_until(ending, rate, batch))
            try:
                yield
            finally:
                ending.set()

    async def accepts(self, more: int) -> None:
        """Waits for so many further receipts."""
        goal = len(self.history.receipts) + more
        async with asyncio.timeout(PATIENCE_S):
            while len(self.history.receipts) < goal:
                await asyncio.sleep(0.05)

    async def is_pushed(self) -> None:
        """Waits until everything accepted so far was seen by who is online; what never comes is left to the checker."""
        for member, wanted in self._accepted().items():
            if member in self._listeners:
                await self._until(self._listeners[member].seen, wanted)

    async def is_pulled(self) -> None:
        """A new device of every member pulls, page by page, until it has everything accepted; what never comes is left to the checker."""
        slots = asyncio.Semaphore(PULLING)

        async def pull(member: str, wanted: set[str]) -> None:
            async with slots:
                await self._pull(member, wanted)

        async with asyncio.TaskGroup() as tasks:
            for member, wanted in self._accepted().items():
                tasks.create_task(pull(member, wanted))

    def _accepted(self) -> dict[str, set[str]]:
        """Event ids by member."""
        found: dict[str, set[str]] = defaultdict(set)
        for receipt in self.history.receipts:
            found[receipt.member].add(receipt.event_id)
        return found

    async def _pull(self, member: str, wanted: set[str]) -> None:
        seen = self.history.pulled[f"{member}/audit"]
        cursor = ""
        async with connected(self.ways[member]) as channel:

            async def pull() -> None:
                nonlocal cursor
                while True:
                    try:
                        page = await pull_page(channel, member, cursor)
                    except grpc.aio.AioRpcError as error:
                        if error.code() not in FAILURES_THAT_PASS:
                            raise
                        await asyncio.sleep(TRY_AGAIN_S)
                        continue
                    seen.extend(arrival(member, one) for one in page.notifications)
                    cursor = page.cursor
                    if page.missing or not page.more:
                        await asyncio.sleep(TRY_AGAIN_S)

            pulling = asyncio.create_task(pull())
            try:
                await self._until(seen, wanted, pulling)
            finally:
                pulling.cancel()
                await asyncio.wait({pulling})

    async def _until(
        self, seen: list[Arrival], wanted: set[str], *working: asyncio.Task[None]
    ) -> None:
        """Or until nothing came for PATIENCE_S."""
        loop = asyncio.get_running_loop()
        count, since = -1, loop.time()
        while loop.time() < since + PATIENCE_S:
            for task in (*self._listening, *working):
                if task.done():
                    task.result()
            if len(seen) != count:
                count, since = len(seen), loop.time()
                if count >= len(wanted) and wanted <= {one.event_id for one in seen}:
                    return
            await asyncio.sleep(0.05)

    async def _leave(self) -> None:
        for task in self._listening:
            task.cancel()
        await asyncio.gather(*self._listening, return_exceptions=True)


async def pull_page(channel: grpc.aio.Channel, member: str, cursor: str = "") -> PullResponse:
    """One page, as the device "audit"; from the start without a cursor."""
    stub = NotificationServiceStub(channel)
    request = PullRequest(cursor=cursor, start_at=START_AT_START)
    page: PullResponse = await stub.Pull(request, metadata=as_device(member, "audit"), timeout=10)
    return page
