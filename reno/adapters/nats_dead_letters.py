"""The dead-letter stream, for who looks after it."""

from collections.abc import AsyncIterator

from nats import errors as nats_errors
from nats.js.api import RawStreamMsg
from nats.js.errors import NotFoundError

from reno.adapters.nats_connection import NatsConnection
from reno.adapters.nats_log_writer import NatsLogWriter
from reno.adapters.nats_names import (
    DEAD_STREAM,
    DEAD_SUBJECTS,
    ROWS_HEADER,
    SEQUENCE_HEADER,
    TIMESTAMP_HEADER,
    WHY_HEADER,
    shard_of_dead_subject,
)
from reno.ports import LogAbsent
from reno.wire.dead_letter import DeadLetter, envelopes_again

PUBLISH_TIMEOUT_S = 5.0


class NatsDeadLetters:
    """Nothing is removed but by `redrive`."""

    def __init__(self, connection: NatsConnection) -> None:
        self._connection = connection
        self._writer = NatsLogWriter(connection)

    async def letters(self, first: int = 1) -> AsyncIterator[DeadLetter]:
        """From a number on, oldest first. Raises LogAbsent."""
        following = first
        while (message := await self._next(following)) is not None:
            yield _letter(message)
            following = (message.seq or following) + 1

    async def letter(self, number: int) -> DeadLetter | None:
        """None where there is none of this number. Raises LogAbsent."""
        message = await self._next(number)
        return _letter(message) if message is not None and message.seq == number else None

    async def redrive(self, letter: DeadLetter) -> list[int]:
        """Writes its events to their lane again, then removes it; the sequences there. Where it ends half-way, do it again within the duplicate window. Raises
        Unreadable, and then nothing was written; LogAbsent, LogFull, LogUnconfirmed."""
        lane = await self._writer.lane(letter.shard.priority)
        sequences = [
            await self._writer.append(shard, payload, envelope_id.hex(), PUBLISH_TIMEOUT_S)
            for shard, (envelope_id, payload) in envelopes_again(letter, lane.shards).items()
        ]
        await self._connection.ask(
            self._connection.jetstream.delete_msg(DEAD_STREAM, letter.number)
        )
        return sequences

    async def _next(self, number: int) -> RawStreamMsg | None:
        jetstream = self._connection.jetstream
        try:
            return await jetstream.get_msg(DEAD_STREAM, max(number, 1), DEAD_SUBJECTS, next=True)
        except NotFoundError:
            # No such message, or no such stream: nothing was ever buried.
            return None
        except (nats_errors.Error, TimeoutError) as error:
            raise LogAbsent(f"{type(error).__name__}: {error}") from error


def _letter(message: RawStreamMsg) -> DeadLetter:
    headers = message.headers or {}
    return DeadLetter(
        message.seq or 0,
        shard_of_dead_subject(message.subject or ""),
        int(headers.get(SEQUENCE_HEADER, 0)),
        int(headers.get(TIMESTAMP_HEADER, 0)),
        headers.get(WHY_HEADER, ""),
        tuple(map(int, headers.get(ROWS_HEADER, "").split())),
        message.data or b"",
    )
