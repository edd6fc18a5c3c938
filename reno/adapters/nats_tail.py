"""One pull consumer's life: reads a subject from a sequence, in order, until anything is in doubt.

nats-py's ordered consumer moves its sequences on before it drops a message at its pending limit, so that a slow reader skips without a word. Here the server
sends only what was asked for, nothing is ever dropped, and a reader that does not take its batches stops asking."""

import asyncio
import json
from collections import deque
from uuid import uuid4

from nats import errors as nats_errors
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import NotFoundError

from reno.adapters.nats_connection import NatsConnection
from reno.adapters.nats_delivery import Broken, Ended, place_of, word_of
from reno.ports import LogAbsent, LogRecord, LogShorter

HEARTBEAT_S = 0.5
SILENCE_S = 1.25
"""Two heartbeats and some: then the consumer is given up."""

REQUEST_LIFE_S = 5.0
LOOK_S = 1.0
"""A consumer lives on one server. Where that server is behind the others it sends heartbeats and nothing else, half a minute and more after it was cut off: so a tail that gets no records
asks the stream's leader this often whether there are any."""
MIN_BYTES = 4 * 1024 * 1024
"""Half of it must hold the largest message, or it would never be served."""

FORGET_AFTER_S = 30.0
"""The server drops the consumer when it was not asked for this long."""


class TailBroken(Exception):
    """Nothing more comes from this consumer; begin another after the last record that was handed out."""


class NatsTail:
    """At most max_records and 1.5 times max_bytes are buffered. Raises ValueError for limits below 2 records or MIN_BYTES."""

    def __init__(
        self,
        connection: NatsConnection,
        stream: str,
        subject: str,
        max_records: int,
        max_bytes: int,
        reading: int = 0,
    ) -> None:
        if max_records < 2 or max_bytes < MIN_BYTES:
            raise ValueError(f"limits too small: {max_records} records, {max_bytes} bytes")
        self._connection = connection
        self._stream = stream
        self._subject = subject
        self._max_records = max_records
        self._max_bytes = max_bytes
        self.reading = reading
        """Given to every record."""
        self._connected_for = 0
        self._is_broken = False
        self._arrived: deque[Msg] = deque()
        self._arrived_bytes = 0
        self._wake = asyncio.Event()
        self._consumer = f"tail-{uuid4().hex}"
        self._inbox = ""
        self._subscription: Subscription | None = None
        self._requests = 0
        self._wanted = 0
        self._delivered = 0
        self._last_sequence = 0

    @property
    def is_sound(self) -> bool:
        """Nothing says that the log could be another one than what this tail reads."""
        return not self._is_broken and self._connected_for == self._connection.connected_for

    async def open(self, from_sequence: int, read_through: int = 0) -> None:
        """Raises LogAbsent, LogShorter."""
        self._connected_for = self._connection.connected_for
        self._last_sequence = max(from_sequence, 1) - 1
        jetstream = self._connection.jetstream
        info = await self._connection.ask(jetstream.stream_info(self._stream))
        if info.state.last_seq < read_through:
            raise LogShorter(
                f"{self._stream} ends at {info.state.last_seq}, {read_through} was read"
            )
        client = self._connection.client
        self._inbox = client.new_inbox()
        # Without limits of its own: the server sends no more than was asked for.
        self._subscription = await self._connection.ask(
            client.subscribe(
                f"{self._inbox}.*", cb=self._arrive, pending_msgs_limit=0, pending_bytes_limit=0
            )
        )
        config = ConsumerConfig(
            name=self._consumer,
            filter_subject=self._subject,
            deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
            opt_start_seq=self._last_sequence + 1,
            ack_policy=AckPolicy.NONE,
            mem_storage=True,
            num_replicas=1,
            inactive_threshold=FORGET_AFTER_S,
        )
        await self._connection.ask(jetstream.add_consumer(self._stream, config))

    async def next_batch(self) -> list[LogRecord]:
        """Waits for at least one record. Raises TailBroken."""
        try:
            return await self._next_batch()
        except TailBroken:
            self._is_broken = True
            raise

    async def _next_batch(self) -> list[LogRecord]:
        now_s = asyncio.get_running_loop().time
        look_at_s = now_s() + LOOK_S
        was_behind = False
        while True:
            self._wake.clear()
            if self._connected_for != self._connection.connected_for:
                # Heartbeats may go on: the server keeps a request for who is soon back.
                raise TailBroken("the connection is another one")
            records = self._take()
            await self._request()
            if records:
                return records
            if now_s() >= look_at_s:
                is_behind = await self._is_behind()
                if is_behind and was_behind:
                    raise TailBroken("its server is behind")
                was_behind, look_at_s = is_behind, now_s() + LOOK_S
                continue
            try:
                async with asyncio.timeout(SILENCE_S):
                    await self._wake.wait()
            except TimeoutError as error:
                raise TailBroken("silent") from error

    async def _is_behind(self) -> bool:
        """The stream's leader has a record after the last one that was handed out. False where it cannot be asked: then nothing is known."""
        try:
            return await self._connection.ask(self._has_more())
        except LogAbsent:
            return False

    async def _has_more(self) -> bool:
        try:
            await self._connection.jetstream.get_msg(
                self._stream, seq=self._last_sequence + 1, subject=self._subject, next=True
            )
        except NotFoundError:
            return False
        return True

    async def close(self) -> None:
        """The server forgets the consumer by itself."""
        if self._subscription is not None:
            try:
                await self._subscription.unsubscribe()
            except nats_errors.Error:
                return  # the connection is gone, and the subscription with it

    async def _arrive(self, message: Msg) -> None:
        self._arrived.append(message)
        self._arrived_bytes += len(message.data)
        if not message.reply and isinstance(word_of(message.headers or {}), Broken):
            # Known before it is this message's turn: a stream that was deleted says so here.
            self._is_broken = True
        self._wake.set()

    def _take(self) -> list[LogRecord]:
        records: list[LogRecord] = []
        size = 0
        while self._arrived and len(records) < self._max_records and size < self._max_bytes:
            message = self._arrived[0]
            try:
                if message.reply:
                    records.append(self._record(message))
                    size += len(message.data)
                else:
                    self._heed(message.headers or {})
            except TailBroken:
                if records:
                    break  # hand out what is sound; the same message breaks the next batch
                raise
            self._arrived.popleft()
            self._arrived_bytes -= len(message.data)
        return records

    def _record(self, message: Msg) -> LogRecord:
        try:
            place = place_of(message.reply)
        except ValueError as error:
            raise TailBroken(str(error)) from error
        if place.delivered != self._delivered + 1:
            raise TailBroken(f"lost between {self._delivered} and {place.delivered}")
        self._delivered = place.delivered
        self._wanted -= 1
        self._last_sequence = place.sequence
        return LogRecord(place.sequence, place.timestamp_ms, message.data, self.reading)

    def _heed(self, headers: dict[str, str]) -> None:
        word = word_of(headers)
        if isinstance(word, Broken):
            raise TailBroken(word.why)
        if isinstance(word, Ended):
            self._wanted -= word.unserved
        elif word.delivered is not None and word.delivered != self._delivered:
            raise TailBroken(f"sent {word.delivered}, received {self._delivered}")

    async def _request(self) -> None:
        half = self._max_records // 2
        if self._wanted > half or self._arrived_bytes > self._max_bytes // 2:
            return
        self._requests += 1
        self._wanted += half
        request = {
            "batch": half,
            "max_bytes": self._max_bytes // 2,
            "expires": int(REQUEST_LIFE_S * 1e9),
            "idle_heartbeat": int(HEARTBEAT_S * 1e9),
        }
        try:
            await self._connection.client.publish(
                f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{self._consumer}",
                json.dumps(request).encode(),
                reply=f"{self._inbox}.{self._requests}",
            )
        except (LogAbsent, nats_errors.Error) as error:
            raise TailBroken(f"{type(error).__name__}: {error}") from error
