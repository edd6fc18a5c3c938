"""The request of one call as it comes in, with the account of what its flow-control window still holds."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from reno.server.http2.frames import PREFIX_BYTES
from reno.server.http2.messages import Messages


class Body:
    """`taken` is told how many bytes need no room any more: of one message when they have come, for there is a limit to it; of many as the handler takes them, but of the next one as it comes too, for it may be larger than a window."""

    def __init__(self, max_bytes: int, *, is_stream: bool, taken: Callable[[int], None]) -> None:
        self.is_whole = False
        self._messages = Messages(max_bytes)
        self._is_stream = is_stream
        self._taken = taken
        self._waiting: list[bytes] = []
        self._unread_bytes = 0
        self._news = asyncio.Event() if is_stream else None

    def add(self, data: bytes) -> None:
        """Raises Compressed and TooLarge."""
        self._unread_bytes += len(data)
        self._waiting += self._messages.add(data)
        if not self._is_stream or not self._waiting:
            self.release()
        self._tell()

    def end(self) -> None:
        """Nothing more comes."""
        self.is_whole = True
        self._tell()

    def only(self) -> bytes | None:
        """The one message, when the body is whole; None: there are none or several, or a part of one."""
        if len(self._waiting) != 1 or self._messages.is_partial:
            return None
        return self._waiting.pop()

    async def each(self, parse: Callable[[bytes], Any]) -> AsyncIterator[Any]:
        """As they come."""
        assert self._news is not None
        while True:
            while self._waiting:
                message = self._waiting.pop(0)
                self._release(len(message) + PREFIX_BYTES if self._waiting else self._unread_bytes)
                yield parse(message)
            if self.is_whole:
                return
            self._news.clear()
            await self._news.wait()

    def release(self) -> None:
        """What nobody will take."""
        self._release(self._unread_bytes)

    def _release(self, size: int) -> None:
        size = min(size, self._unread_bytes)
        self._unread_bytes -= size
        if size:
            self._taken(size)

    def _tell(self) -> None:
        if self._news is not None:
            self._news.set()
