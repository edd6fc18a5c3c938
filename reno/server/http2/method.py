"""What a method of a service is to a call: how its bytes are read, who answers, and how."""

from collections.abc import Callable
from typing import Any


class Method:
    """A generated handler, as the transport uses it."""

    def __init__(self, path: str, handler: Any) -> None:
        """Raises ValueError for a stream of requests with one answer, which no door has."""
        self.path = path
        self.streams_requests: bool = handler.request_streaming
        self.streams_answers: bool = handler.response_streaming
        behaviour = {
            (False, False): handler.unary_unary,
            (False, True): handler.unary_stream,
            (True, True): handler.stream_stream,
        }.get((self.streams_requests, self.streams_answers))
        if behaviour is None:
            raise ValueError(f"{path}: a stream of requests with one answer is not served")
        self.behaviour: Callable[[Any, Any], Any] = behaviour
        self._deserializer: Callable[[bytes], Any] | None = handler.request_deserializer
        self._serializer: Callable[[Any], bytes] | None = handler.response_serializer

    def parse(self, message: bytes) -> Any:
        """What the behaviour takes."""
        return message if self._deserializer is None else self._deserializer(message)

    def serialize(self, answer: Any) -> bytes:
        """As it goes out."""
        serialized: bytes = answer if self._serializer is None else self._serializer(answer)
        return serialized
