"""What surrounds an owner: presence and gateways that do as they are told, an inbox that can fail, and a wait with a bound."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from processor.owner import Owner
from processor.stopping import Stopping
from reno.adapters.memory_inbox import MemoryInbox
from reno.adapters.memory_log import MemoryLog
from reno.config.settings import ProcessorSettings
from reno.domain.priority import Priority
from reno.domain.reason import Reason
from reno.errors import Unavailable, WrongState
from reno.ports import (
    DeliveryRow,
    EnvelopeWrite,
    GatewayAddress,
    JournalEntry,
    Located,
    Shard,
    Slice,
    StoredRow,
)
from reno.wire.logged_row import LoggedRow
from tests.processor.records import envelope, envelope_id

SHARD = Shard(Priority.HIGH, 0, 1)
SETTINGS = ProcessorSettings(retry_s=0.02, deliver_patience_s=0.3)
G1 = GatewayAddress("g1", 1, "g1:1")
G2 = GatewayAddress("g2", 1, "g2:1")


async def until(holds: Callable[[], bool], seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.002)


class Presence:
    def __init__(self, **places: Sequence[GatewayAddress]) -> None:
        self.places = {member: list(gateways) for member, gateways in places.items()}
        self.fails = False
        self.holds: asyncio.Event | asyncio.Semaphore | None = None
        self.lookups = 0

    async def lookup(self, member_keys: Sequence[bytes], timeout_s: float) -> Located:
        self.lookups += 1
        if self.holds is not None:
            holds = self.holds
            await (holds.wait() if isinstance(holds, asyncio.Event) else holds.acquire())
        if self.fails:
            raise Unavailable(Reason.NOT_READY, "told to fail")
        located = Located()
        for key in member_keys:
            member_id = key.partition(b"\0")[2].decode()
            for gateway in self.places.get(member_id, ()):
                located.by_gateway.setdefault(gateway, set()).add(key)
        return located


@dataclass
class Call:
    gateway: GatewayAddress
    rows: list[DeliveryRow]
    resync: bool


class Gateways:
    """`silent` ones answer never, so that their callers' time runs out; `late` ones when they are told to; `fenced` ones have another epoch."""

    def __init__(self) -> None:
        self.silent: set[GatewayAddress] = set()
        self.late: dict[GatewayAddress, asyncio.Event] = {}
        self.fenced: set[GatewayAddress] = set()
        self.answered: list[Call] = []
        self.attempts: list[Call] = []
        self.in_flight: set[tuple[GatewayAddress, Shard]] = set()

    async def deliver(
        self,
        gateway: GatewayAddress,
        shard: Shard,
        rows: Sequence[DeliveryRow],
        *,
        resync: bool,
        timeout_s: float,
    ) -> None:
        assert (gateway, shard) not in self.in_flight, "one call in flight a gateway and shard"
        self.in_flight.add((gateway, shard))
        call = Call(gateway, list(rows), resync)
        self.attempts.append(call)
        try:
            if gateway in self.silent:
                await asyncio.sleep(timeout_s)
                raise Unavailable(Reason.NOT_READY, "told to be silent")
            if gateway in self.fenced:
                raise WrongState(Reason.FENCED, "told to be another")
            await asyncio.sleep(0)
            if gateway in self.late:
                async with asyncio.timeout(timeout_s):
                    await self.late[gateway].wait()
        finally:
            self.in_flight.discard((gateway, shard))
        self.answered.append(call)

    def positions(self, gateway: GatewayAddress) -> list[int]:
        return [
            row.position for call in self.answered if call.gateway == gateway for row in call.rows
        ]


class FallibleInbox(MemoryInbox):
    fails = False

    def __init__(self) -> None:
        super().__init__(1)
        self.appends: list[list[EnvelopeWrite]] = []
        self.refusals = 0
        self.trims: list[int] = []

    async def append(self, shard: Shard, writes: Sequence[EnvelopeWrite]) -> None:
        if self.fails:
            self.refusals += 1
            raise Unavailable(Reason.NOT_READY, "told to fail")
        self.appends.append(list(writes))
        await super().append(shard, writes)

    async def trim_journal(self, shard: Shard, before_ms: int) -> None:
        self.trims.append(before_ms)
        await super().trim_journal(shard, before_ms)

    async def rows(self, member: str) -> list[StoredRow]:
        (page,) = await self.read(
            Priority.HIGH, [Slice("", member, "", 0, 10_000, 1 << 30)], now_ms=0
        )
        return list(page.rows)

    async def entries(self) -> list[JournalEntry]:
        return [entry async for entry in self.journal(SHARD, 0)]


class Surroundings:
    """One shard's world; owners come and go in it."""

    def __init__(self) -> None:
        self.log = MemoryLog(shards=1)
        self.inbox = FallibleInbox()
        self.presence = Presence()
        self.gateways = Gateways()
        self.settings = SETTINGS
        self._envelopes = 0

    async def publish(self, *rows: LoggedRow) -> int:
        self._envelopes += 1
        await self.log.open_lane(SHARD.priority)
        payload = envelope(self._envelopes, rows)
        return await self.log.append(SHARD, payload, envelope_id(self._envelopes).hex(), 1.0)

    async def lag(self) -> int:
        return await self.log.lag(SHARD)

    async def until_purged(self) -> None:
        async with asyncio.timeout(10):
            while await self.lag():
                await asyncio.sleep(0.002)

    async def owner(self, stopping: Stopping) -> Owner:
        return Owner(
            SHARD,
            (await self.log.open_lane(SHARD.priority)).generation,
            self.settings,
            self.log,
            self.inbox,
            self.presence,
            self.gateways,
            stopping,
        )

    @asynccontextmanager
    async def owned(self) -> AsyncIterator[Owner]:
        """An owner that is drained at the end."""
        stopping = Stopping()
        owner = await self.owner(stopping)
        running = asyncio.create_task(owner.run())
        try:
            yield owner
        finally:
            stopping.say()
            async with asyncio.timeout(10):
                await running

    @asynccontextmanager
    async def crashing(self) -> AsyncIterator[Owner]:
        """An owner that is killed at the end."""
        owner = await self.owner(Stopping())
        running = asyncio.create_task(owner.run())
        try:
            yield owner
        finally:
            running.cancel()
            await asyncio.wait({running})
