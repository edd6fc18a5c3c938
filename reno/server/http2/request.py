"""What a call's header block asks for. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from reno.server.http2.deadline import seconds_of
from reno.server.http2.metadata import Value, from_headers

_PSEUDO = frozenset({b":method", b":scheme", b":path", b":authority"})
_NEEDED = (b":method", b":scheme", b":path")
_OF_ONE_HOP = frozenset(
    {b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade"}
)
_PROTOCOL = frozenset(
    {b"te", b"content-type", b"grpc-timeout", b"grpc-encoding", b"grpc-accept-encoding"}
)
"""Not for handlers."""
_FIELD_BYTES = 32
"""What HTTP/2 counts for a header beside its name and value."""


class Malformed(Exception):
    """No request of HTTP/2: its stream is reset."""


@dataclass(frozen=True, slots=True)
class Request:
    """Of one call."""

    method: bytes
    path: str
    content_type: bytes
    timeout_s: float | None
    metadata: tuple[tuple[str, Value], ...]
    metadata_bytes: int

    @property
    def is_grpc(self) -> bool:
        """Else it is answered in plain HTTP."""
        kind = self.content_type
        return kind == b"application/grpc" or kind.startswith(
            (b"application/grpc+", b"application/grpc;")
        )


def request_of(headers: Iterable[tuple[bytes, bytes]]) -> Request:
    """Raises Malformed."""
    pseudo: dict[bytes, bytes] = {}
    fields: list[tuple[bytes, bytes]] = []
    for name, value in headers:
        if name.startswith(b":"):
            if fields or name in pseudo or name not in _PSEUDO:
                raise Malformed(f"header {name!r} at this place")
            pseudo[name] = value
        else:
            _check_field(name, value)
            fields.append((name, value))
    if not all(pseudo.get(name) for name in _NEEDED):
        raise Malformed("a request needs :method, :scheme and :path")
    protocol = dict(fields)
    timeout = protocol.get(b"grpc-timeout")
    try:
        return Request(
            method=pseudo[b":method"],
            path=pseudo[b":path"].decode("latin-1"),
            content_type=protocol.get(b"content-type", b""),
            timeout_s=None if timeout is None else seconds_of(timeout.decode("latin-1")),
            metadata=tuple(from_headers(field for field in fields if field[0] not in _PROTOCOL)),
            metadata_bytes=sum(len(name) + len(value) + _FIELD_BYTES for name, value in fields),
        )
    except ValueError as error:
        raise Malformed(str(error)) from error


def check_trailers(headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Of a request, which nobody reads. Raises Malformed."""
    for name, value in headers:
        if name.startswith(b":"):
            raise Malformed(f"header {name!r} at this place")
        _check_field(name, value)


def _check_field(name: bytes, value: bytes) -> None:
    if not name or name != name.lower() or name in _OF_ONE_HOP:
        raise Malformed(f"header {name!r}")
    if name == b"te" and value != b"trailers":
        raise Malformed("te is for trailers only")
