"""How a call ends: by its handler, or from outside."""

from collections.abc import Iterable

import grpc

from reno.server.http2.metadata import Headers, Value
from reno.server.http2.trailers import trailers

Metadata = Iterable[tuple[str, Value]]


class Ended(Exception):
    """Raised in handlers by `abort`."""

    def __init__(self, code: grpc.StatusCode, details: str = "", metadata: Metadata = ()) -> None:
        super().__init__(details)
        self._code = code
        self._details = details
        self._metadata = metadata

    def trailers(self) -> Headers:
        """As they are sent."""
        return trailers(self._code.value[0], self._details, self._metadata)
