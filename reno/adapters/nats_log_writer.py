"""The log as the ingestion door sees it, on JetStream."""

import asyncio

from nats import errors as nats_errors
from nats.js.api import Header

from reno.adapters.heeding import heeding_cancellation
from reno.adapters.nats_connection import NOT_SENT, NatsConnection
from reno.adapters.nats_names import lane_info, stream_of, subject_of
from reno.adapters.nats_refusal import is_decided, refusal
from reno.domain.priority import Priority
from reno.ports import LaneInfo, LogAbsent, Shard


async def publish(
    connection: NatsConnection,
    stream: str,
    subject: str,
    payload: bytes,
    headers: dict[str, str],
    timeout_s: float,
) -> int:
    """Sequence of the stored message. Raises LogFull, LogAbsent, LogUnconfirmed; ValueError where the payload is larger than the server takes."""
    jetstream = connection.jetstream

    async def confirmed() -> int:
        async with asyncio.timeout(timeout_s):
            ack = await jetstream.publish(
                subject, payload, timeout=timeout_s, stream=stream, headers=headers
            )
        return ack.seq

    try:
        sequence = await heeding_cancellation(confirmed())
    except NOT_SENT as error:
        raise LogAbsent(f"{type(error).__name__}: {error}") from error
    except nats_errors.MaxPayloadError as error:
        raise ValueError(f"{len(payload)} bytes are more than the log takes") from error
    except (nats_errors.Error, TimeoutError) as error:
        connection.answered("publish", is_decided(error))
        raise refusal(error) from error
    connection.answered("publish", True)
    return sequence


class NatsLogWriter:
    """Implements reno.ports.LogWriter."""

    def __init__(self, connection: NatsConnection) -> None:
        self._connection = connection

    async def lane(self, priority: Priority) -> LaneInfo:
        """Asks the server each time. Raises LogAbsent."""
        stream = stream_of(priority)
        info = await self._connection.ask(self._connection.jetstream.stream_info(stream))
        return lane_info(stream, info.config.metadata)

    async def append(self, shard: Shard, payload: bytes, envelope_id: str, timeout_s: float) -> int:
        """See LogWriter. The log forgets an id with its message: once purged and restarted, the same id gets a new sequence, which the fold drops."""
        return await publish(
            self._connection,
            stream_of(shard.priority),
            subject_of(shard),
            payload,
            {Header.MSG_ID.value: envelope_id},
            timeout_s,
        )
