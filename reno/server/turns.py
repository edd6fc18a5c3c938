"""So much work of one kind in a turn of the event loop: what comes in meanwhile, such as a lease's renewal or a health check, waits for a few pieces of it and not for all."""

import asyncio
from collections import deque


class Turns:
    """First come, first served. Belongs to one event loop."""

    def __init__(self, at_a_time: int) -> None:
        self._at_a_time = at_a_time
        self._left = at_a_time
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def take(self) -> None:
        """Returns at once while the loop's turn has room for one more."""
        loop = asyncio.get_running_loop()
        if self._left == self._at_a_time:
            loop.call_soon(self._next)
        if self._left > 0:
            self._left -= 1
            return
        mine: asyncio.Future[None] = loop.create_future()
        self._waiting.append(mine)
        await mine

    def _next(self) -> None:
        self._left = self._at_a_time
        while self._waiting and self._left > 0:
            one = self._waiting.popleft()
            if not one.done():
                one.set_result(None)
                self._left -= 1
        if self._left < self._at_a_time:
            asyncio.get_running_loop().call_soon(self._next)
