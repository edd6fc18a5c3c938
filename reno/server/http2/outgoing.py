"""What one connection writes: joined to one write a turn of the loop, and no more messages than the peer reads."""

import asyncio

from reno.server.http2.limits import JOINED_BYTES, MAX_UNREAD_BYTES, WRITE_HIGH_BYTES


class Outgoing:
    """In front of the transport, whose high-water mark it heeds."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self.is_open = True
        """For messages; control frames and the ends of calls are always taken."""
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._parts: list[bytes | memoryview] = []
        self._size = 0
        self._has_ended = False
        transport.set_write_buffer_limits(high=WRITE_HIGH_BYTES)

    def add(self, part: bytes | memoryview) -> None:
        """Written when the loop's turn ends, or sooner where there is much of it."""
        if not self._parts:
            self._loop.call_soon(self.flush)
        self._parts.append(part)
        self._size += len(part)
        if self._size >= JOINED_BYTES:
            self.flush()

    def flush(self) -> None:
        """Hands over what there is."""
        parts, self._parts, self._size = self._parts, [], 0
        if not parts or self._has_ended or self._transport.is_closing():
            return
        self._transport.write(parts[0] if len(parts) == 1 else b"".join(parts))
        if not self.is_open and self._transport.get_write_buffer_size() > MAX_UNREAD_BYTES:
            self._transport.abort()

    def end(self) -> None:
        """After what there is, nothing more: the peer reads to the end, and closes."""
        self.flush()
        if not self._has_ended and not self._transport.is_closing():
            self._has_ended = True
            try:
                self._transport.write_eof()
            except OSError:
                # The peer was quicker.
                self._transport.abort()
