"""Lanes that should look into their inbox soon, though nothing happened to them: after a resync, or a new attachment to presence. Each looks once for all the words about it, and so many a second: a burst of
bad news must not become a burst of reads."""

import asyncio
from collections.abc import Callable, Collection, Iterable
from itertools import islice

from gateway.devices.registry import Registry
from reno.domain.identity import Device
from reno.domain.priority import LANES, Priority

TICK_S = 0.05

Waiting = dict[int, None]
"""Numbers of sessions, in the order in which they were named."""


class Looking:
    """Of one gateway. A lane that is not LIVE, or falls behind meanwhile, reads by itself."""

    def __init__(
        self, registry: Registry, per_s: int, is_busy: Callable[[Priority, Device], bool]
    ) -> None:
        """`is_busy`: the device's inbox has enough to answer."""
        self._registry = registry
        self._per_tick = max(1, int(per_s * TICK_S))
        self._is_busy = is_busy
        self._waiting: dict[Priority, Waiting] = {lane: {} for lane in LANES}
        self._timer: asyncio.TimerHandle | None = None

    def soon(self, numbers: Iterable[int], lanes: Collection[Priority] = LANES) -> None:
        """Never waits. Some look at once when nobody else is to."""
        asked = dict.fromkeys(numbers)
        for lane in lanes:
            self._waiting[lane].update(asked)
        if self._timer is None:
            self._tick()

    def stop(self) -> None:
        """Nobody looks any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _tick(self) -> None:
        self._timer = None
        places = self._per_tick
        for lane, waiting in self._waiting.items():
            numbers = list(islice(waiting, places))
            places -= len(numbers)
            for number in numbers:
                del waiting[number]
                session = self._registry.number(number)
                if session is None:
                    continue
                # Whoever has something pending reads first, and an inbox that does not answer is not asked for this.
                if self._is_busy(lane, session.device):
                    waiting[number] = None
                else:
                    session.look(lane)
        if any(self._waiting.values()):
            self._timer = asyncio.get_running_loop().call_later(TICK_S, self._tick)
