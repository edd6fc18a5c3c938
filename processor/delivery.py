"""Looks members up and hands stored rows to their gateways, for one shard. It waits for nobody beyond the settings' deadlines."""

import asyncio
from collections.abc import Callable, Coroutine
from itertools import islice
from typing import Any

import structlog

from processor.couriers import Couriers, Dispatch, requests_of
from processor.fold import Deliverables
from processor.previous import Previous
from reno.config.settings import ProcessorSettings
from reno.errors import Unavailable, WrongState
from reno.ports import Deliverer, DeliveryRow, GatewayAddress, PresenceLookup, Shard
from reno.telemetry import metrics

_log = structlog.get_logger("reno.processor")

Spawn = Callable[[Coroutine[Any, Any, None]], object]
"""Starts a task whose failure its owner notices."""

Members = dict[bytes, None]
"""Keys, in the order in which they came: that of a set differs from process to process."""

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
        self._unlocated: Members = {}
        self._labels = {"priority": shard.priority.word}

    @property
    def owing(self) -> bool:
        """`mend` has something to do."""
        return bool(self._unlocated) or self._couriers.owing

    async def deliver(self, deliverables: Deliverables) -> None:
        """Returns when every gateway has the rows or is owed them."""
        rows, quiet = deliverables.rows, deliverables.quiet
        previous = self._previous.chain(rows)
        members: Members = {row.member_key: None for row in rows if row.position not in quiet}
        if not members:
            if self.owing:
                await self.mend()
            return
        holders = await self._look_up(members)
        if holders is None:
            return
        self._previous.found_online(holders)
        rows_by_gateway = _no_rows(holders)
        # Nearly always nobody is online.
        for row, before in zip(rows, previous, strict=True) if holders else ():
            gateways = holders.get(row.member_key)
            if gateways is None or row.position in quiet:
                continue
            delivery = DeliveryRow(row.position, before, row.row)
            for gateway in gateways:
                rows_by_gateway[gateway].append(delivery)
        await self._hand_over(rows_by_gateway)

    async def mend(self) -> None:
        """Looks up again who could not be looked up, and hands over what gateways are owed."""
        holders = await self._look_up({}) if self._unlocated else {}
        if holders is not None:
            await self._hand_over(_no_rows(holders))

    async def _look_up(self, members: Members) -> Holders | None:
        """Also those that could not be looked up before, as many as a batch may have. None when presence did not answer, which every gateway is then told with its next rows."""
        asked = self._unlocated | members
        try:
            located = await self._presence.lookup(list(asked), self._settings.lookup_timeout_s)
        except Unavailable as error:
            metrics.lookup_failures.add(1, self._labels)
            _log.warning("look-up failed", shard=self._shard.number, why=error.message)
            self._unlocated = dict.fromkeys(islice(asked, self._settings.max_batch_events))
            self._couriers.missed()
            return None
        self._unlocated = {}
        holders: Holders = {}
        for gateway, keys in located.by_gateway.items():
            for key in keys:
                holders.setdefault(key, []).append(gateway)
        return holders

    async def _hand_over(self, rows_by_gateway: dict[GatewayAddress, list[DeliveryRow]]) -> None:
        awaited = []
        for dispatch in self._couriers.plan(rows_by_gateway, self._clock_s()):
            if dispatch.background:
                self._spawn(self._call(dispatch))
            else:
                awaited.append(self._call(dispatch))
        if len(awaited) == 1:
            await awaited[0]
        elif awaited:
            await asyncio.gather(*awaited)

    async def _call(self, dispatch: Dispatch) -> None:
        gateway = dispatch.courier.gateway
        ends_s = self._clock_s() + self._settings.deliver_timeout_s
        resync = dispatch.resync
        try:
            for rows in requests_of(dispatch.rows):
                left_s = ends_s - self._clock_s()
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
            self._couriers.answered(dispatch)

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
