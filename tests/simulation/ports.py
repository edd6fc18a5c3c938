"""The mesh's ports as one process sees them: each call goes over the network of the simulation."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from reno.domain.priority import Priority
from reno.ports import (
    Acknowledged,
    DeliveryRow,
    EnvelopeWrite,
    GatewayAddress,
    JournalEntry,
    LaneInfo,
    Located,
    LogAbsent,
    LogRecord,
    LogUnconfirmed,
    Page,
    Shard,
    Slice,
)
from tests.simulation.kept import by_member
from tests.simulation.kernel import Process
from tests.simulation.network import unavailable

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from tests.simulation.world import World

    Effect = Callable[[], Any]

MOST_RECORDS = 4
"""Of one read of the log: batches begin and end anywhere."""


def _unconfirmed() -> Exception:
    return LogUnconfirmed("not confirmed")


class LogPort:
    """Implements reno.ports.LogWriter and LogReader. The log's clock goes back now and then."""

    def __init__(self, world: "World", caller: Process) -> None:
        self._log = world.log
        self._info = LaneInfo(0, world.mix.shards)
        self._network = world.network
        self._caller = caller
        self._clock = world.log_clock_ms
        self._readings: dict[Shard, int] = {}

    async def lane(self, priority: Priority) -> LaneInfo:
        return self._info

    async def open_lane(self, priority: Priority) -> LaneInfo:
        return self._info

    async def append(self, shard: Shard, payload: bytes, envelope_id: str, timeout_s: float) -> int:
        log, clock = self._log, self._clock
        return await self._network.call(
            "log append",
            self._caller,
            lambda: log.append(shard, payload, envelope_id, clock()),
            fails=_unconfirmed,
        )

    async def last_sequence(self, priority: Priority) -> int:
        return await self._network.call(
            "last sequence",
            self._caller,
            lambda: self._log.last_sequence(priority),
            fails=lambda: LogAbsent(priority.word),
        )

    async def raise_generation(self, priority: Priority, to: int) -> None:
        raise AssertionError("Durable: a new generation, but the log lost nothing")

    async def read(self, shard: Shard, from_sequence: int) -> AsyncIterator[list[LogRecord]]:
        following = from_sequence
        while True:
            at = following
            try:
                records = await self._network.call(
                    f"log read from {at}",
                    self._caller,
                    partial(self._log.from_sequence, shard, at, MOST_RECORDS),
                    fails=_unconfirmed,
                    may_arrive=partial(self._log.has_from, shard, at),
                )
            except LogUnconfirmed:
                # The connection broke: it is read again, as another reading.
                self._readings[shard] = self._readings.get(shard, 0) + 1
                following = from_sequence
                continue
            # A purge may have come between.
            if records:
                following = records[-1].sequence + 1
                reading = self._readings.get(shard, 0)
                yield [replace(record, reading=reading) for record in records]

    async def purge(self, shard: Shard, through_sequence: int, reading: int) -> None:
        if reading != self._readings.get(shard, 0):
            raise _unconfirmed()
        await self._network.call(
            f"purge {shard.priority.word} {shard.number} {through_sequence}",
            self._caller,
            lambda: self._log.purge(shard, through_sequence),
            fails=_unconfirmed,
        )

    async def lag(self, shard: Shard) -> int:
        return self._log.lag(shard)

    async def bury(
        self, shard: Shard, record: LogRecord, why: str, rows: Sequence[int] = ()
    ) -> None:
        await self._network.call(
            "bury",
            self._caller,
            lambda: self._log.dead.add((shard, record.sequence)),
            fails=_unconfirmed,
        )


class InboxPort:
    """Implements reno.ports.Inbox. Where the mix says so, an append is one atomic write; otherwise members' rows, journal and mark follow one another, and it may end between any two."""

    def __init__(self, world: "World", caller: Process) -> None:
        self._inbox = world.inbox
        self._network = world.network
        self._caller = caller
        self._random = world.random
        self._at_once = world.mix.stores_at_once
        self._lanes = world.lanes

    async def read(self, priority: Priority, slices: Sequence[Slice], now_ms: int) -> list[Page]:
        asked = list(slices)
        if priority not in self._lanes:
            # Nothing ever happens there: no choice worth making.
            return [self._inbox.page(priority, wanted, now_ms) for wanted in asked]
        return await self._network.call(
            f"inbox read {priority.word}",
            self._caller,
            lambda: [self._inbox.page(priority, wanted, now_ms) for wanted in asked],
        )

    async def keep_acknowledged(self, priority: Priority, marks: Sequence[Acknowledged]) -> None:
        given = list(marks)
        await self._network.call(
            f"acknowledge {priority.word}",
            self._caller,
            lambda: self._inbox.keep_acknowledged(priority, given),
        )

    async def append(self, shard: Shard, writes: Sequence[EnvelopeWrite]) -> None:
        kept, given = self._inbox, list(writes)
        if self._at_once:
            await self._write("store", lambda: kept.append(shard, given))
            return
        members = by_member(given)
        self._random.shuffle(members)
        for rows in members:
            await self._write("store rows", partial(kept.put_rows, shard.priority, rows))
        entries = [write.entry for write in given]
        self._random.shuffle(entries)
        for entry in entries:
            await self._write("store entry", partial(kept.put_entry, shard, entry))
        await self._write("raise mark", lambda: kept.raise_mark(shard, given[-1].entry))

    async def last_entry(self, shard: Shard) -> JournalEntry | None:
        return await self._network.call(
            "last entry", self._caller, lambda: self._inbox.marks.get(shard)
        )

    async def journal(self, shard: Shard, since_ms: int) -> AsyncIterator[JournalEntry]:
        entries = await self._network.call(
            "journal", self._caller, lambda: self._inbox.journal(shard, since_ms)
        )
        for entry in entries:
            yield entry

    async def trim_journal(self, shard: Shard, before_ms: int) -> None:
        """Histories are shorter than what the journal keeps."""

    async def close(self) -> None:
        """Nothing to release."""

    async def _write(self, kind: str, effect: "Effect") -> None:
        await self._network.call(kind, self._caller, effect)


class LookupPort:
    """Implements reno.ports.PresenceLookup: a replica by chance."""

    def __init__(self, world: "World", caller: Process) -> None:
        self._world = world
        self._caller = caller

    async def lookup(self, member_keys: Sequence[bytes], timeout_s: float) -> Located:
        replica = self._world.random.choice(self._world.replicas)
        asked = list(member_keys)
        return await self._world.network.call(
            f"look up {asked} at {replica.name}",
            self._caller,
            lambda: replica.look_up(asked),
        )


class DeliverPort:
    """Implements reno.ports.Deliverer."""

    def __init__(self, world: "World", caller: Process) -> None:
        self._world = world
        self._caller = caller

    async def deliver(
        self,
        gateway: GatewayAddress,
        shard: Shard,
        rows: Sequence[DeliveryRow],
        *,
        resync: bool,
        timeout_s: float,
    ) -> None:
        held = self._world.gateways.get(gateway.address)
        given = list(rows)

        def arrives() -> None:
            there = self._world.gateways.get(gateway.address)
            if there is None:
                raise unavailable()
            there.deliver(gateway.epoch, shard, given, resync=resync)

        what = [row.position for row in given], resync
        await self._world.network.call(
            f"deliver {what} to {gateway.address}",
            self._caller,
            arrives,
            callee=held.process if held else None,
        )
