"""The log as a shard's owner sees it, on JetStream."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import structlog
from nats.js.api import Header, StreamConfig, StreamInfo

from reno.adapters.nats_connection import NatsConnection
from reno.adapters.nats_log_writer import publish
from reno.adapters.nats_names import (
    DEAD_STREAM,
    GENERATION_KEY,
    ROWS_HEADER,
    SEQUENCE_HEADER,
    TIMESTAMP_HEADER,
    WHY_HEADER,
    dead_config,
    dead_subject_of,
    lane_config,
    lane_info,
    stream_of,
    subject_of,
)
from reno.adapters.nats_tail import NatsTail, TailBroken
from reno.config.settings import LogSettings
from reno.domain.priority import Priority
from reno.ports import LaneInfo, LogAbsent, LogRecord, LogShorter, LogUnconfirmed, Shard

_log = structlog.get_logger()

REOPEN_S = 0.25

MAX_WHY_CHARACTERS = 1000


class NatsLogReader:
    """Implements reno.ports.LogReader."""

    def __init__(
        self,
        connection: NatsConnection,
        settings: LogSettings,
        dead_letter_max_bytes: int,
        *,
        max_batch_records: int = 512,
        max_batch_bytes: int = 8 * 1024 * 1024,
    ) -> None:
        self._connection = connection
        self._settings = settings
        self._dead_letter_max_bytes = dead_letter_max_bytes
        self._max_batch_records = max_batch_records
        self._max_batch_bytes = max_batch_bytes
        self._readings = itertools.count(1)
        self._tails: dict[Shard, NatsTail] = {}
        """The newest of each shard."""

    async def open_lane(self, priority: Priority) -> LaneInfo:
        """A stream that is there stays as it is, whatever the settings say. Raises LogAbsent, also where the server has no room for the stream."""
        stream = stream_of(priority)
        try:
            info = await self._info(stream)
        except LogAbsent:
            await self._create(lane_config(priority, self._settings))
            info = await self._info(stream)
        return lane_info(stream, info.config.metadata)

    async def raise_generation(self, priority: Priority, to: int) -> None:
        """See LogReader. The server compares nothing: of two changes of a stream's settings at once the later one stands, and a generation that fell by it is raised again."""
        stream = stream_of(priority)
        config = (await self._info(stream)).config
        if lane_info(stream, config.metadata).generation >= to:
            return
        metadata = {**(config.metadata or {}), GENERATION_KEY: str(to)}
        await self._connection.ask(
            self._connection.jetstream.update_stream(replace(config, metadata=metadata))
        )

    async def last_sequence(self, priority: Priority) -> int:
        """0 where nothing was ever stored. Raises LogAbsent."""
        return (await self._info(stream_of(priority))).state.last_seq

    async def read(self, shard: Shard, from_sequence: int) -> AsyncIterator[list[LogRecord]]:
        """See LogReader. Waits while the log is away."""
        read_through = 0
        tail: NatsTail | None = None
        trouble = ""
        try:
            while True:
                try:
                    if tail is None:
                        tail = self._tail(shard)
                        await tail.open(from_sequence, read_through)
                    batch = await tail.next_batch()
                except LogShorter:
                    raise
                except (TailBroken, LogAbsent) as error:
                    if str(error) != trouble:
                        trouble = str(error)
                        _log.warning("log read again", shard=str(shard), why=trouble)
                    if tail is not None:
                        await tail.close()
                        tail = None
                    await asyncio.sleep(REOPEN_S)
                    continue
                trouble = ""
                read_through = max(read_through, batch[-1].sequence)
                yield batch
        finally:
            if tail is not None:
                await tail.close()

    async def purge(self, shard: Shard, through_sequence: int, reading: int) -> None:
        """See LogReader. Raises LogAbsent where the server did not say that it is done."""
        if through_sequence < 1:
            return
        tail = self._tails.get(shard)
        if tail is None or tail.reading != reading or not tail.is_sound:
            if await self.lag(shard):
                raise LogUnconfirmed("the log must be read again before it is purged")
            return  # it was purged, and the server's word was lost
        stream = stream_of(shard.priority)
        # The server keeps the sequence that it is given.
        await self._connection.ask(
            self._connection.jetstream.purge_stream(
                stream, seq=through_sequence + 1, subject=subject_of(shard)
            )
        )

    async def lag(self, shard: Shard) -> int:
        """Raises LogAbsent."""
        subject = subject_of(shard)
        info = await self._info(stream_of(shard.priority), subject)
        return (info.state.subjects or {}).get(subject, 0)

    async def bury(
        self, shard: Shard, record: LogRecord, why: str, rows: Sequence[int] = ()
    ) -> None:
        """See LogReader. A repeat within two minutes is kept once."""
        try:
            await self._publish_dead(shard, record, why, rows)
        except LogAbsent:
            await self._create(dead_config(self._dead_letter_max_bytes, self._settings.replicas))
            await self._publish_dead(shard, record, why, rows)

    async def _publish_dead(
        self, shard: Shard, record: LogRecord, why: str, rows: Sequence[int]
    ) -> None:
        place = f"{shard.priority.word}.{shard.number}.{record.sequence}.{record.timestamp_ms}"
        await publish(
            self._connection,
            DEAD_STREAM,
            dead_subject_of(shard),
            record.payload,
            {
                Header.MSG_ID.value: f"dead.{place}",
                WHY_HEADER: " ".join(why.split())[:MAX_WHY_CHARACTERS],
                SEQUENCE_HEADER: str(record.sequence),
                TIMESTAMP_HEADER: str(record.timestamp_ms),
                ROWS_HEADER: " ".join(map(str, rows)),
            },
            self._settings.publish_timeout_s,
        )

    async def _create(self, config: StreamConfig) -> None:
        try:
            await self._connection.ask(self._connection.jetstream.add_stream(config))
        except LogAbsent:
            # Another creator may have been first, with other settings; what is there counts.
            await self._info(str(config.name))

    async def _info(self, stream: str, subjects_filter: str | None = None) -> StreamInfo:
        info: StreamInfo = await self._connection.ask(
            self._connection.jetstream.stream_info(stream, subjects_filter)
        )
        return info

    def _tail(self, shard: Shard) -> NatsTail:
        self._tails[shard] = tail = NatsTail(
            self._connection,
            stream_of(shard.priority),
            subject_of(shard),
            self._max_batch_records,
            self._max_batch_bytes,
            next(self._readings),
        )
        return tail
