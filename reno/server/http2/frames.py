"""The frames that are packed and read by hand, as bytes. Pure."""

import struct

FRAME_HEAD_BYTES = 9
PREFIX_BYTES = 5
"""Before each gRPC message: whether it is compressed, and its length."""

HEADERS, PING, GOAWAY, WINDOW_UPDATE = 0x1, 0x6, 0x7, 0x8
PUSH_PROMISE, CONTINUATION = 0x5, 0x9
ACK = 0x1
END_HEADERS = 0x4

PING_BYTES = 8
GOAWAY_LEAST_BYTES = 8
WINDOW_UPDATE_BYTES = 4
LEAST_MAX_FRAME_BYTES = 16_384
"""What every peer takes, and what we take ourselves."""

_HEAD = struct.Struct(">BHBBL")
_HEAD_AND_PREFIX = struct.Struct(">BHBBLBL")
_PREFIX = struct.Struct(">BL")
_GOAWAY = struct.Struct(">BHBBLLL")
_STREAM_ID = 0x7FFF_FFFF


def message_in_a_frame(stream_id: int, message: bytes) -> bytes:
    """A whole message in one DATA frame."""
    size = len(message)
    length = size + PREFIX_BYTES
    head = _HEAD_AND_PREFIX.pack(length >> 16, length & 0xFFFF, 0, 0, stream_id, 0, size)
    return head + message


def prefixed(message: bytes) -> bytes:
    """What the DATA frames of a message carry together."""
    return _PREFIX.pack(0, len(message)) + message


def data_head(stream_id: int, length: int) -> bytes:
    """Before that many bytes of a stream, which goes on."""
    return _HEAD.pack(length >> 16, length & 0xFFFF, 0, 0, stream_id)


def ping(payload: bytes, *, ack: bool) -> bytes:
    """8 bytes, or the answer to them."""
    return _HEAD.pack(0, PING_BYTES, PING, ACK if ack else 0, 0) + payload


def goaway(last_stream_id: int, error_code: int) -> bytes:
    """Streams after the last one were not looked at; those before go on."""
    return _GOAWAY.pack(0, GOAWAY_LEAST_BYTES, GOAWAY, 0, 0, last_stream_id, error_code)


def read_head(data: bytes, at: int) -> tuple[int, int, int, int]:
    """Length, type, flags, stream."""
    high, low, kind, flags, stream_id = _HEAD.unpack_from(data, at)
    return high << 16 | low, kind, flags, stream_id & _STREAM_ID


def read_increment(payload: bytes) -> int:
    """Of a WINDOW_UPDATE."""
    return int.from_bytes(payload, "big") & _STREAM_ID
