"""A moment that nearly always moves later before it comes: moving it costs no timer."""

import asyncio
import math
from collections.abc import Callable


class Deadline:
    """Calls when the loop's clock has reached what was set last. Its one timer may lag behind, and is set anew when it goes off too early."""

    __slots__ = ("_armed_s", "_at_s", "_call", "_timer")

    def __init__(self, call: Callable[[], None]) -> None:
        self._call = call
        self._at_s = math.inf
        # uvloop's handles do not know it where it is now.
        self._armed_s = math.inf
        self._timer: asyncio.TimerHandle | None = None

    def set(self, at_s: float) -> None:
        """In place of what was set before."""
        self._at_s = at_s
        if at_s < self._armed_s:
            self._arm()

    def clear(self) -> None:
        """Nothing is set."""
        self._at_s = math.inf

    def close(self) -> None:
        """Nothing is set, and no timer is left."""
        self._at_s = math.inf
        if self._timer is not None:
            self._timer.cancel()
            self._timer, self._armed_s = None, math.inf

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._armed_s = self._at_s
        self._timer = asyncio.get_running_loop().call_at(self._at_s, self._go_off)

    def _go_off(self) -> None:
        self._timer, self._armed_s = None, math.inf
        if self._at_s == math.inf:
            return
        if asyncio.get_running_loop().time() < self._at_s:
            self._arm()
            return
        self._at_s = math.inf
        self._call()
