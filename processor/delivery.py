"""Looks members up and hands stored rows to their gateways, for one shard. It waits for nobody beyond the settings' deadlines."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from itertools import compress
from typing import Any

import structlog

from processor.couriers import Couriers, Dispatch, requests_of
from processor.fold import Deliverables
from processor.previous import Previous
from processor.unlocated import Unlocated
from reno.config.settings import ProcessorSettings
from reno.errors import Unavailable, WrongState
from reno.ports import Deliverer, DeliveryRow, GatewayAddress, PresenceLookup, RowWrite, Shard
from reno.telemetry import metrics

_log = structlog.get_logger("reno.processor")

Spawn = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]
"""Starts a task whose failure its owner notices."""

Holders = dict[bytes, list[GatewayAddress]]
"""Gateways by member key."""


class Delivery:
    """One shard's. `deliver` and `mend` are called from one task, so that a gateway's rows stay in order."""

    def __init__(
        self,
        shard: Shard,
        settings: ProcessorSettings,
        presence: PresenceLookup,
        deliverer: Deliverer,
        spawn: Spawn,
    ) -> None:
        self._shard = shard
        self._settings = settings
        self._presence = presence
        self._deliverer = deliverer
        self._spawn = spawn
        self._clock_s = asyncio.get_running_loop().time
        self._previous = Previous(settings.remembered_members_per_shard)
        self._couriers = Couriers(settings.retry_s)
        self._unlocated = Unlocated(settings.max_batch_events)
        self._labels = {"priority": shard.priority.word}
        self._calls: set[asyncio.Task[None]] = set()

    @property
    def owing(self) -> bool:
        """`mend` has something to do."""
        return bool(self._unlocated) or self._couriers.owing

    async def deliver(self, deliverables: Deliverables) -> None:
        """Returns when every gateway has the rows or is owed them."""
        rows, quiet = deliverables.rows, deliverables.quiet
        woken = [row for row in rows if row.position not in quiet] if quiet else rows
        holders = await self._holders([*self._unlocated.rows, *woken])
        if holders is not None:
            # Nearly always nobody is online, and nobody asks what came before.
            follows = self._previous
            rows = [row for row in rows if row.member_key in holders or row.member_key in follows]
        previous = self._previous.chain(rows)
        if quiet:
            wakes = [row.position not in quiet for row in rows]
            rows, previous = list(compress(rows, wakes)), list(compress(previous, wakes))
        await self._send(rows, previous, holders)

    async def mend(self) -> None:
        """Looks up again who could not be looked up, and hands over what gateways are owed."""
        await self._send((), (), await self._holders(self._unlocated.rows))

    async def _send(
        self,
        rows: Sequence[RowWrite],
        previous: Sequence[int | None],
        holders: Holders | None,
    ) -> None:
        if self._unlocated:
            rows = [*self._unlocated.rows, *rows]
            previous = [*self._unlocated.previous, *previous]
        if holders is None:
            if not self._unlocated.keep(rows, previous):
                self._couriers.missed()
            rows, previous, holders = (), (), {}
        else:
            self._unlocated.clear()
        self._previous.found_online(holders)
        rows_by_gateway = _no_rows(holders)
        for row, before in zip(rows, previous, strict=True):
            gateways = holders.get(row.member_key)
            if gateways is None:
                continue
            delivery = DeliveryRow(row.position, before, row.row)
            for gateway in gateways:
                rows_by_gateway[gateway].append(delivery)
        await self._hand_over(rows_by_gateway)

    async def _holders(self, rows: Sequence[RowWrite]) -> Holders | None:
        """Of the rows' members. None: presence did not answer."""
        # Of a dictionary the order is the same in every process, of a set it is not.
        members = list(dict.fromkeys([row.member_key for row in rows]))
        return await self._look_up(members) if members else {}

    async def _look_up(self, members: Sequence[bytes]) -> Holders | None:
        """None: presence did not answer."""
        try:
            located = await self._presence.lookup(members, self._settings.lookup_timeout_s)
        except Unavailable as error:
            metrics.lookup_failures.add(1, self._labels)
            _log.warning("look-up failed", shard=self._shard.number, why=error.message)
            return None
        holders: Holders = {}
        for gateway, keys in located.by_gateway.items():
            for key in keys:
                holders.setdefault(key, []).append(gateway)
        return holders

    def stop(self) -> None:
        """Calls that nobody waits for end: what they carry is covered by the next owner's resync."""
        for call in self._calls:
            call.cancel()

    async def _hand_over(self, rows_by_gateway: dict[GatewayAddress, list[DeliveryRow]]) -> None:
        """Waits for no gateway longer than deliver_timeout_s: its call goes on, and its rows wait behind it."""
        awaited = []
        for dispatch in self._couriers.plan(rows_by_gateway, self._clock_s()):
            call = self._spawn(self._call(dispatch))
            self._calls.add(call)
            call.add_done_callback(self._calls.discard)
            if not dispatch.background:
                awaited.append(call)
        if awaited:
            await asyncio.wait(awaited, timeout=self._settings.deliver_timeout_s)

    async def _call(self, dispatch: Dispatch) -> None:
        gateway = dispatch.courier.gateway
        began_s = self._clock_s()
        resync = dispatch.resync
        try:
            for rows in requests_of(dispatch.rows):
                left_s = began_s + self._settings.deliver_patience_s - self._clock_s()
                if left_s <= 0:
                    self._unanswered(dispatch, "too slow for all of a batch's rows")
                    return
                await self._deliverer.deliver(
                    gateway, self._shard, rows, resync=resync, timeout_s=left_s
                )
                resync = False
        except Unavailable as error:
            self._unanswered(dispatch, error.message)
        except WrongState:
            self._couriers.fenced(dispatch)
        else:
            took_s = self._clock_s() - began_s
            self._couriers.answered(dispatch, late=took_s >= self._settings.deliver_timeout_s)

    def _unanswered(self, dispatch: Dispatch, why: str) -> None:
        metrics.deliver_failures.add(1, self._labels)
        if not dispatch.courier.suspect:
            gateway_id = dispatch.courier.gateway.gateway_id
            _log.warning(
                "gateway does not answer", gateway=gateway_id, shard=self._shard.number, why=why
            )
        self._couriers.unanswered(dispatch, self._clock_s())


def _no_rows(holders: Holders) -> dict[GatewayAddress, list[DeliveryRow]]:
    return {gateway: [] for gateways in holders.values() for gateway in gateways}
