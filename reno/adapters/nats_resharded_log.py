"""A lane's stream while the number of its shards changes."""

from dataclasses import replace

from nats.js.api import StreamInfo

from reno.adapters.nats_connection import NatsConnection
from reno.adapters.nats_log_writer import publish
from reno.adapters.nats_names import (
    SHARDS_KEY,
    TO_SHARDS_KEY,
    closed_subject,
    lane_info,
    stream_of,
    subjects_of,
)
from reno.domain.priority import Priority
from reno.ports import LaneStanding

PUBLISH_TIMEOUT_S = 5.0


class NatsReshardedLog:
    """Implements reno.ports.ReshardedLog. Consumers of the subjects that a stream had go on, and new ones can be made."""

    def __init__(self, connection: NatsConnection) -> None:
        self._connection = connection

    async def standing(self, priority: Priority) -> LaneStanding:
        """See ReshardedLog."""
        info = await self._info(priority)
        metadata = info.config.metadata or {}
        to_shards = metadata.get(TO_SHARDS_KEY)
        return LaneStanding(
            lane_info(stream_of(priority), metadata),
            None if to_shards is None else int(to_shards),
            info.state.last_seq,
        )

    async def close(self, priority: Priority, to_shards: int) -> int:
        """See ReshardedLog. The server stores for a while what it had received before it answered the change; the message that ends the shards comes after all of it."""
        metadata = {TO_SHARDS_KEY: str(to_shards)}
        await self._update(priority, closed_subject(priority), metadata)
        subject, stream = closed_subject(priority), stream_of(priority)
        return await publish(self._connection, stream, subject, b"", {}, PUBLISH_TIMEOUT_S)

    async def waiting(self, priority: Priority) -> int:
        """See ReshardedLog."""
        info = await self._info(priority, f"reno.events.{priority.word}.>")
        return sum((info.state.subjects or {}).values())

    async def open(self, priority: Priority, shards: int) -> None:
        """See ReshardedLog."""
        await self._update(priority, subjects_of(priority, shards), {SHARDS_KEY: str(shards)})
        await self._connection.ask(
            self._connection.jetstream.purge_stream(
                stream_of(priority), subject=closed_subject(priority)
            )
        )

    async def _update(self, priority: Priority, subject: str, news: dict[str, str]) -> None:
        config = (await self._info(priority)).config
        known = {key: at for key, at in (config.metadata or {}).items() if key != TO_SHARDS_KEY}
        changed = replace(config, subjects=[subject], metadata={**known, **news})
        if changed != config:
            await self._connection.ask(self._connection.jetstream.update_stream(changed))

    async def _info(self, priority: Priority, subjects_filter: str | None = None) -> StreamInfo:
        info: StreamInfo = await self._connection.ask(
            self._connection.jetstream.stream_info(stream_of(priority), subjects_filter)
        )
        return info
