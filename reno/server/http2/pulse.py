"""Asks a peer that has been silent whether it is still there."""

import asyncio
from collections.abc import Callable


class Pulse:
    """Of one connection, from its start until `stop`. Whatever is read of the peer sets `has_heard`."""

    def __init__(
        self, every_s: float, timeout_s: float, ask: Callable[[], None], give_up: Callable[[], None]
    ) -> None:
        self.has_heard = False
        self._every_s = every_s
        self._timeout_s = timeout_s
        self._ask = ask
        self._give_up = give_up
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(every_s, self._look)

    def stop(self) -> None:
        """Idempotent."""
        self._timer.cancel()

    def _look(self) -> None:
        if self.has_heard:
            self.has_heard = False
            self._timer = self._loop.call_later(self._every_s, self._look)
        else:
            self._ask()
            self._timer = self._loop.call_later(self._timeout_s, self._expect)

    def _expect(self) -> None:
        if self.has_heard:
            self._look()
        else:
            self._give_up()
