"""Which handler a call is for, or how it is refused before there is one. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from reno.server.http2.limits import Limits
from reno.server.http2.metadata import Headers
from reno.server.http2.method import Method
from reno.server.http2.request import Request, request_of
from reno.server.http2.trailers import OPENING, plain_answer, trailers

RESOURCE_EXHAUSTED = 8
UNIMPLEMENTED = 12


@dataclass(frozen=True, slots=True)
class Admitted:
    """A call for a handler."""

    method: Method
    request: Request


def admit(
    headers: Iterable[tuple[bytes, bytes]], methods: Mapping[str, Method], limits: Limits
) -> Admitted | Headers:
    """Else the whole answer. Raises request.Malformed."""
    request = request_of(headers)
    if request.method != b"POST":
        return plain_answer(405)
    if not request.is_grpc:
        return plain_answer(415)
    size, most = request.metadata_bytes, limits.hard_metadata_bytes
    if size > most:
        why = f"received metadata size exceeds hard limit ({size} vs. {most})"
        return OPENING + trailers(RESOURCE_EXHAUSTED, why)
    method = methods.get(request.path)
    if method is None:
        return OPENING + trailers(UNIMPLEMENTED, "Method not found!")
    return Admitted(method, request)
