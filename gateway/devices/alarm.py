"""An alarm: one task waits until it rings or until a moment comes, without a task or a cancellation for either."""

import asyncio


class Alarm:
    """A ring while nobody waits is kept for the next wait. Belongs to one waiting task."""

    __slots__ = ("_has_rung", "_waiter")

    def __init__(self) -> None:
        self._has_rung = False
        self._waiter: asyncio.Future[None] | None = None

    def ring(self) -> None:
        """Never waits."""
        self._has_rung = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def wait_until(self, when_s: float) -> bool:
        """True: it rang; False: the loop's clock reached when_s."""
        if not self._has_rung:
            loop = asyncio.get_running_loop()
            self._waiter = loop.create_future()
            timer = loop.call_at(when_s, _wake, self._waiter)
            try:
                await self._waiter
            finally:
                timer.cancel()
                self._waiter = None
        rang, self._has_rung = self._has_rung, False
        return rang


def _wake(waiter: "asyncio.Future[None]") -> None:
    if not waiter.done():
        waiter.set_result(None)
