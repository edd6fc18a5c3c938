"""So many at a time, first come first served; an asyncio.Semaphore costs a tenth of a request to Cassandra, and a queue at one as much as the request."""

import asyncio
from collections import deque


class Places:
    """Who got one, by `is_taken` or `wait`, gives it back."""

    def __init__(self, most: int) -> None:
        self._free = most
        self._queue: deque[asyncio.Future[None]] = deque()

    def is_taken(self) -> bool:
        """Takes a place if there is one; else `wait` for it."""
        if self._free:
            self._free -= 1
            return True
        return False

    async def wait(self) -> None:
        """Returns with a place."""
        turn = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                # The one that gives back steps over it.
                raise
            self.give_back()
            raise

    def give_back(self) -> None:
        """To who waits longest."""
        while self._queue:
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
