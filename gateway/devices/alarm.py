"""An alarm: one task waits until it rings or until a moment comes, without a task, a timer or a cancellation for either."""

import asyncio

from gateway.devices.deadline import Deadline


class Alarm:
    """A ring while nobody waits is kept for the next wait. Belongs to one waiting task."""

    __slots__ = ("_deadline", "_has_rung", "_waiter")

    def __init__(self) -> None:
        self._has_rung = False
        self._waiter: asyncio.Future[None] | None = None
        self._deadline = Deadline(self._wake)

    def ring(self) -> None:
        """Never waits."""
        self._has_rung = True
        self._wake()

    async def wait_until(self, when_s: float) -> bool:
        """True: it rang; False: the loop's clock reached when_s."""
        if not self._has_rung:
            self._waiter = asyncio.get_running_loop().create_future()
            self._deadline.set(when_s)
            try:
                await self._waiter
            finally:
                self._deadline.clear()
                self._waiter = None
        rang, self._has_rung = self._has_rung, False
        return rang

    def close(self) -> None:
        """Nobody will wait any more."""
        self._deadline.close()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
