"""What devices acknowledged, on its way to the inbox: the highest of each device and lane, written at most once an interval."""

import asyncio
from collections.abc import Mapping
from itertools import islice

import structlog

from gateway.devices.gathering import Gathering
from reno.domain.identity import Device
from reno.domain.priority import LANES, Priority
from reno.domain.reason import Reason
from reno.errors import TryLater, Unavailable
from reno.ports import Acknowledged

MAX_MARKS = 1000
"""Of one call, by the contract."""

_log = structlog.get_logger("gateway.devices")
_Who = tuple[str, str, str]


class Acknowledging:
    """Bounded by devices and lanes that wait."""

    def __init__(self, inbox: Gathering, interval_s: float, max_waiting: int) -> None:
        self._inbox = inbox
        self._interval_s = interval_s
        self._max_waiting = max_waiting
        self._waiting: dict[Priority, dict[_Who, int]] = {lane: {} for lane in LANES}

    def keep(self, device: Device, positions: Mapping[Priority, int]) -> None:
        """A position below one that waits changes nothing. Raises TryLater (FULL); then nothing is kept."""
        who = _who(device)
        new = sum(
            position > 0 and who not in self._waiting[lane] for lane, position in positions.items()
        )
        if new and sum(map(len, self._waiting.values())) + new > self._max_waiting:
            raise TryLater(
                Reason.FULL,
                "too many acknowledgements wait for the inbox",
                retry_after_s=self._interval_s,
            )
        for lane, position in positions.items():
            if position > 0:
                waiting = self._waiting[lane]
                waiting[who] = max(position, waiting.get(who, 0))

    def keep_if_room(self, device: Device, positions: Mapping[Priority, int]) -> None:
        """As keep, but lets go of what does not fit: for a cursor that came with another request, and comes again."""
        try:
            self.keep(device, positions)
        except TryLater:
            _log.warning("acknowledgement let go", reason="FULL", member_id=device.member_id)

    def waiting(self, device: Device, priority: Priority) -> int:
        """What the inbox may not know yet; 0 for nothing."""
        return self._waiting[priority].get(_who(device), 0)

    async def run(self) -> None:
        """Flushes for ever; what failed is tried again after the interval."""
        while True:
            await asyncio.sleep(self._interval_s)
            await self.flush()

    async def flush(self) -> None:
        """Every part of a lane by itself: one that does not answer holds up no other."""
        async with asyncio.TaskGroup() as parts:
            for lane in LANES:
                by_part: dict[int, list[tuple[_Who, int]]] = {}
                for who, position in self._waiting[lane].items():
                    part = self._inbox.part_of(lane, who[0], who[1])
                    by_part.setdefault(part, []).append((who, position))
                for marks in by_part.values():
                    parts.create_task(self._flush_part(lane, marks))

    async def _flush_part(self, lane: Priority, part: list[tuple[_Who, int]]) -> None:
        waiting = self._waiting[lane]
        kept = iter(part)
        while batch := list(islice(kept, MAX_MARKS)):
            marks = [Acknowledged(*who, position) for who, position in batch]
            try:
                await self._inbox.keep_acknowledged(lane, marks)
            except Unavailable as error:
                _log.warning("acknowledgements wait", priority=lane.word, why=error.message)
                return
            for who, position in batch:
                if waiting.get(who) == position:
                    del waiting[who]


def _who(device: Device) -> _Who:
    return device.tenant, device.member_id, device.device_id
