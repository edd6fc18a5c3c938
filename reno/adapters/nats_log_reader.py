"""The log as a shard's owner sees it, on JetStream."""

import asyncio
from collections.abc import AsyncIterator

import structlog
from nats.js.api import Header, StreamConfig, StreamInfo

from reno.adapters.nats_connection import NatsConnection
from reno.adapters.nats_log_writer import publish
from reno.adapters.nats_names import (
    DEAD_STREAM,
    dead_config,
    dead_subject_of,
    lane_config,
    lane_info,
    stream_of,
    subject_of,
)
from reno.adapters.nats_tail import LogShorter, NatsTail, TailBroken
from reno.config.settings import LogSettings
from reno.domain.priority import Priority
from reno.ports import LaneInfo, LogAbsent, LogRecord, Shard

_log = structlog.get_logger()

REOPEN_S = 0.25
SHORTER_S = 5.0
"""A log that says for this long that it ends before what was read has lost it."""

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

    async def open_lane(self, priority: Priority) -> LaneInfo:
        """A stream that is there stays as it is, whatever the settings say. Raises LogAbsent, also where the server has no room for the stream."""
        stream = stream_of(priority)
        try:
            info = await self._info(stream)
        except LogAbsent:
            await self._create(lane_config(priority, self._settings))
            info = await self._info(stream)
        return lane_info(stream, info.config.metadata)

    async def last_sequence(self, priority: Priority) -> int:
        """0 where nothing was ever stored. Raises LogAbsent."""
        return (await self._info(stream_of(priority))).state.last_seq

    async def read(self, shard: Shard, from_sequence: int) -> AsyncIterator[list[LogRecord]]:
        """See LogReader. Waits while the log is away; raises LogAbsent only where it came back shorter than what was read."""
        following = from_sequence
        tail: NatsTail | None = None
        trouble = ""
        clock_s = asyncio.get_running_loop().time
        shorter_since_s: float | None = None
        try:
            while True:
                try:
                    if tail is None:
                        tail = self._tail(shard)
                        await tail.open(following)
                    batch = await tail.next_batch()
                except (TailBroken, LogAbsent) as error:
                    # A new leader may not have caught up yet with what was read from the old one.
                    if not isinstance(error, LogShorter):
                        shorter_since_s = None
                    elif shorter_since_s is None:
                        shorter_since_s = clock_s()
                    elif clock_s() - shorter_since_s >= SHORTER_S:
                        raise
                    if str(error) != trouble:
                        trouble = str(error)
                        _log.warning("log read again", shard=str(shard), why=trouble)
                    if tail is not None:
                        await tail.close()
                        tail = None
                    await asyncio.sleep(REOPEN_S)
                    continue
                trouble = ""
                shorter_since_s = None
                following = batch[-1].sequence + 1
                yield batch
        finally:
            if tail is not None:
                await tail.close()

    async def purge(self, shard: Shard, through_sequence: int) -> None:
        """May be repeated. Raises LogAbsent where the server did not say that it is done."""
        if through_sequence < 1:
            return
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

    async def bury(self, shard: Shard, record: LogRecord, why: str) -> None:
        """See LogReader. A repeat within two minutes is kept once."""
        try:
            await self._publish_dead(shard, record, why)
        except LogAbsent:
            await self._create(dead_config(self._dead_letter_max_bytes, self._settings.replicas))
            await self._publish_dead(shard, record, why)

    async def _publish_dead(self, shard: Shard, record: LogRecord, why: str) -> None:
        place = f"{shard.priority.word}.{shard.number}.{record.sequence}.{record.timestamp_ms}"
        await publish(
            self._connection,
            DEAD_STREAM,
            dead_subject_of(shard),
            record.payload,
            {
                Header.MSG_ID.value: f"dead.{place}",
                "Reno-Why": " ".join(why.split())[:MAX_WHY_CHARACTERS],
                "Reno-Sequence": str(record.sequence),
                "Reno-Timestamp-Ms": str(record.timestamp_ms),
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
        return NatsTail(
            self._connection,
            stream_of(shard.priority),
            subject_of(shard),
            self._max_batch_records,
            self._max_batch_bytes,
        )
