"""The roster as plain messages on the log's servers: they need no stream, no disk and no leader, so that beats go on while a cluster elects one."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from nats import errors as nats_errors

from reno.adapters.nats_connection import NatsConnection
from reno.adapters.nats_names import roster_subject
from reno.domain.priority import Priority
from reno.ports import Beat, LogAbsent, Word

AGAIN_S = 0.25
MAX_WAITING = 4096
"""Beats that nobody took yet; more are lost."""

WORDS = {word.encode(): word for word in Word}
"""Of this version; another one's are not understood."""


class NatsRoster:
    """Implements reno.ports.Roster."""

    def __init__(self, connection: NatsConnection) -> None:
        self._connection = connection

    async def say(self, priority: Priority, beat: Beat) -> None:
        """See Roster. Returns when it is handed to the connection."""
        subject = f"{roster_subject(priority)}.{beat.name}"
        try:
            await self._connection.client.publish(subject, beat.word.encode())
        except nats_errors.Error as error:
            raise LogAbsent(f"{type(error).__name__}: {error}") from error

    async def hear(self, priority: Priority) -> AsyncIterator[Beat]:
        """See Roster. It lives through breaks of the connection, and hears nothing meanwhile."""
        subject = roster_subject(priority)
        while True:
            try:
                subscription = await self._connection.client.subscribe(
                    f"{subject}.*", pending_msgs_limit=MAX_WAITING
                )
            except (LogAbsent, nats_errors.Error):
                await asyncio.sleep(AGAIN_S)
                continue
            try:
                async for message in subscription.messages:
                    if (word := WORDS.get(message.data)) is not None:
                        yield Beat(message.subject.rpartition(".")[2], word)
            finally:
                with contextlib.suppress(nats_errors.Error):
                    await subscription.unsubscribe()
