"""What one connection says: frames of h2's and those packed by hand, in the order in which they were said."""

from collections import deque
from typing import Protocol

from h2.errors import ErrorCodes

from reno.server.http2.frames import goaway, ping
from reno.server.http2.metadata import Headers
from reno.server.http2.outgoing import Outgoing
from reno.server.http2.streams import Streams
from reno.server.http2.windows import Windows


class Waiting(Protocol):
    """Who has more to send than there is room for."""

    is_starved: bool

    def pump(self) -> None:
        """Sends what there is room for now."""


class Line:
    """Until `end` is said; from then on nothing is."""

    def __init__(self, streams: Streams, outgoing: Outgoing) -> None:
        self.streams = streams
        self.outgoing = outgoing
        self.windows = Windows(streams)
        self.has_ended = False
        self._starved: deque[Waiting] = deque()

    @property
    def has_room(self) -> bool:
        """For messages; a stream's own window may be shut all the same."""
        return self.outgoing.is_open and self.windows.is_open

    def starve(self, waiting: Waiting) -> None:
        """It is pumped when the connection has room again."""
        if not waiting.is_starved:
            waiting.is_starved = True
            self._starved.append(waiting)

    def feed(self) -> None:
        """There may be room again."""
        while self._starved and self.has_room:
            self._starved.popleft().pump()

    def say(self) -> None:
        """What h2 has said since."""
        if said := self.streams.data_to_send():
            self.outgoing.add(said)

    def send_headers(self, stream_id: int, headers: Headers, *, ends: bool) -> None:
        """Of a stream's answer: its beginning, its end, or both at once; nothing where nobody wants it any more. What the peer still sends on one that has ended is of no use."""
        if self.has_ended or not self.streams.is_open(stream_id):
            return
        self.streams.send_headers(stream_id, headers, end_stream=ends)
        if ends:
            self.streams.break_off(stream_id, ErrorCodes.NO_ERROR)
        self.say()

    def break_off(self, stream_id: int, error_code: ErrorCodes) -> None:
        """One stream."""
        if not self.has_ended:
            self.streams.break_off(stream_id, error_code)
            self.say()

    def taken(self, stream_id: int, size: int) -> None:
        """So many bytes of a request need no room any more."""
        if size and not self.has_ended:
            self.streams.acknowledge_received_data(size, stream_id)
            self.say()

    def ping(self, payload: bytes, *, ack: bool) -> None:
        """See frames."""
        self.outgoing.add(ping(payload, ack=ack))

    def goaway(self, error_code: ErrorCodes) -> int:
        """By hand: h2 would let no stream go on. The last stream that is looked at."""
        last_stream_id = self.streams.highest_inbound_stream_id
        self.outgoing.add(goaway(last_stream_id, error_code))
        return last_stream_id

    def end(self) -> None:
        """After all that was said."""
        self.has_ended = True
        self._starved.clear()
        self.outgoing.end()
