"""A message that did not find room at once: what is left of it."""

import asyncio

from h2.stream import H2Stream

from reno.server.http2.frames import LEAST_MAX_FRAME_BYTES, data_head, prefixed
from reno.server.http2.outgoing import Outgoing
from reno.server.http2.windows import Windows


class Writing:
    """Of one call, which sets `done`; its writer waits for that."""

    def __init__(self, message: bytes) -> None:
        self._rest = memoryview(prefixed(message))
        self.is_begun = False
        """Some of it was sent."""
        self.done = asyncio.Event()

    def send(self, stream: H2Stream, windows: Windows, outgoing: Outgoing) -> bool:
        """What there is room for now. True: all of it is sent."""
        while self._rest and outgoing.is_open:
            size = min(len(self._rest), windows.room(stream), LEAST_MAX_FRAME_BYTES)
            if size <= 0:
                break
            windows.spend(stream, size)
            outgoing.add(data_head(stream.stream_id, size))
            outgoing.add(self._rest[:size])
            self._rest = self._rest[size:]
            self.is_begun = True
        return not self._rest
