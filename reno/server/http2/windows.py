"""How much may be sent now. The numbers are h2's own, so that there is one account of them whoever sends and whoever hears of more room."""

from h2.connection import H2Connection
from h2.stream import H2Stream

MAX_WINDOW_BYTES = 2**31 - 1


class Windows:
    """Of one connection and its streams, outbound."""

    def __init__(self, connection: H2Connection) -> None:
        self._connection = connection

    @property
    def is_open(self) -> bool:
        """The connection's own; a stream's may be shut all the same."""
        return self._connection.outbound_flow_control_window > 0

    def room(self, stream: H2Stream) -> int:
        """For the stream's next bytes; less than nothing after the peer has made its windows smaller."""
        return min(
            self._connection.outbound_flow_control_window, stream.outbound_flow_control_window
        )

    def spend(self, stream: H2Stream, size: int) -> None:
        """What was packed into DATA frames."""
        self._connection.outbound_flow_control_window -= size
        stream.outbound_flow_control_window -= size

    def widen(self, stream_id: int, increment: int) -> bool:
        """By a WINDOW_UPDATE. False: it is not a plain one, and h2 has to judge it."""
        where: H2Connection | H2Stream | None = (
            self._connection.streams.get(stream_id) if stream_id else self._connection
        )
        if where is None or increment == 0:
            return False
        widened = where.outbound_flow_control_window + increment
        if widened > MAX_WINDOW_BYTES:
            return False
        where.outbound_flow_control_window = widened
        return True
