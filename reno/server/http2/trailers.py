"""How a call ends, as headers. Pure."""

from collections.abc import Iterable

from reno.server.http2.metadata import Headers, Value, to_headers

OPENING: Headers = [
    (b":status", b"200"),
    (b"content-type", b"application/grpc"),
    (b"grpc-accept-encoding", b"identity"),
]
"""Of every answer."""

_PLAIN = frozenset(range(0x20, 0x7F)) - {ord("%")}


def trailers(status: int, message: str, metadata: Iterable[tuple[str, Value]] = ()) -> Headers:
    """After the last message; behind OPENING where there was no message at all."""
    ending: Headers = [(b"grpc-status", b"%d" % status)]
    if message:
        ending.append((b"grpc-message", percent_encoded(message)))
    return ending + to_headers(metadata)


def plain_answer(status: int) -> Headers:
    """To what is no gRPC."""
    return [(b":status", b"%d" % status)]


def percent_encoded(message: str) -> bytes:
    """UTF-8, where what is not visible ASCII becomes %XX."""
    return b"".join(
        b"%c" % byte if byte in _PLAIN else b"%%%02X" % byte
        for byte in message.encode("utf-8", "replace")
    )
