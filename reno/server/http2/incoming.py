"""Cuts what a peer sends: control frames of the everyday kind are told apart, all else is for h2, in its order. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from reno.server.http2.frames import (
    CONTINUATION,
    END_HEADERS,
    FRAME_HEAD_BYTES,
    GOAWAY,
    GOAWAY_LEAST_BYTES,
    HEADERS,
    LEAST_MAX_FRAME_BYTES,
    PING,
    PING_BYTES,
    PUSH_PROMISE,
    WINDOW_UPDATE,
    WINDOW_UPDATE_BYTES,
    read_head,
)

_PREFACE_BYTES = 24
_HEADER_BLOCKS = frozenset({HEADERS, PUSH_PROMISE, CONTINUATION})


@dataclass(frozen=True, slots=True)
class Control:
    """A WINDOW_UPDATE, PING or GOAWAY; `whole` is the frame as it came."""

    kind: int
    flags: int
    stream_id: int
    whole: bytes

    @property
    def payload(self) -> bytes:
        """Without the head."""
        return self.whole[FRAME_HEAD_BYTES:]


class Incoming:
    """Of one connection. What is wrong in any way goes to h2, which knows the right error."""

    def __init__(self) -> None:
        self._held = b""
        self._passing = _PREFACE_BYTES
        """Bytes of a frame that has begun and is h2's."""
        self._is_in_headers = False
        """Nothing may come between the frames of one header block."""

    def cut(self, data: bytes) -> Iterator[Control | bytes]:
        """In the order in which they came."""
        if self._held:
            data = self._held + data
            self._held = b""
        start, at, end = 0, min(self._passing, len(data)), len(data)
        self._passing -= at
        while end - at >= FRAME_HEAD_BYTES:
            length, kind, flags, stream_id = read_head(data, at)
            frame_bytes = FRAME_HEAD_BYTES + length
            if self._is_everyday(kind, length, stream_id):
                if end - at < frame_bytes:
                    break
                if start < at:
                    yield data[start:at]
                at += frame_bytes
                start = at
                yield Control(kind, flags, stream_id, data[at - frame_bytes : at])
                continue
            if kind in _HEADER_BLOCKS:
                self._is_in_headers = not flags & END_HEADERS
            passed = min(frame_bytes, end - at)
            self._passing = frame_bytes - passed
            at += passed
        if start < at:
            yield data[start:at]
        self._held = data[at:]

    def _is_everyday(self, kind: int, length: int, stream_id: int) -> bool:
        if self._is_in_headers:
            return False
        if kind == WINDOW_UPDATE:
            return length == WINDOW_UPDATE_BYTES
        if kind == PING:
            return length == PING_BYTES and stream_id == 0
        return (
            kind == GOAWAY
            and stream_id == 0
            and GOAWAY_LEAST_BYTES <= length <= LEAST_MAX_FRAME_BYTES
        )
