"""Messages of a request, out of the bytes of its DATA frames. Pure."""

from reno.server.http2.frames import PREFIX_BYTES


class Compressed(Exception):
    """The caller compresses, which nobody told it that it may."""


class TooLarge(Exception):
    """A message over the limit; says so as grpcio does."""


class Messages:
    """Of one call. Holds one message at most beside those that are whole."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._held = bytearray()

    def add(self, data: bytes) -> list[bytes]:
        """The messages that are whole now. Raises Compressed and TooLarge, the latter before the message has come."""
        self._held += data
        whole: list[bytes] = []
        while len(self._held) >= PREFIX_BYTES:
            size = int.from_bytes(self._held[1:PREFIX_BYTES], "big")
            if self._held[0]:
                raise Compressed
            if size > self._max_bytes:
                raise TooLarge(
                    f"SERVER: Received message larger than max ({size} vs. {self._max_bytes})"
                )
            end = PREFIX_BYTES + size
            if len(self._held) < end:
                break
            whole.append(bytes(self._held[PREFIX_BYTES:end]))
            del self._held[:end]
        return whole

    @property
    def is_partial(self) -> bool:
        """A message has begun and has not ended."""
        return bool(self._held)
