"""One process's connections to Cassandra: prepared statements, bounded in flight, and what timed out sent again."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

import acsylla  # type: ignore[import-untyped]
import structlog
from acsylla import errors

from reno.adapters.cassandra_connection import CassandraConnection, connect
from reno.adapters.overdue import Overdue
from reno.adapters.places import Places
from reno.config.cassandra_settings import CassandraSettings
from reno.domain.reason import Reason
from reno.errors import Unavailable

_log = structlog.get_logger()

Values = list[Any]
Found = list[tuple[Any, ...]]

PASSING = (
    errors.CassErrorLibRequestTimedOut,
    errors.CassErrorLibNoHostsAvailable,
    errors.CassErrorLibNoStreams,
    errors.CassErrorLibRequestQueueFull,
    errors.CassErrorLibWriteError,
    errors.CassErrorLibUnableToConnect,
    errors.CassErrorLibHostResolution,
    errors.CassErrorServerUnavailable,
    errors.CassErrorServerOverloaded,
    errors.CassErrorServerIsBootstrapping,
    errors.CassErrorServerTruncateError,
    errors.CassErrorServerWriteTimeout,
    errors.CassErrorServerWriteFailure,
    errors.CassErrorServerReadTimeout,
    errors.CassErrorServerReadFailure,
    errors.CassErrorServerServerError,
    errors.CassExceptionConnectionError,
    TimeoutError,
)
"""What may go well the next time. After any of them a write may or may not have been done."""

UNANSWERED = (
    errors.CassErrorLibRequestTimedOut,
    errors.CassErrorLibNoHostsAvailable,
    errors.CassErrorLibUnableToConnect,
    errors.CassErrorLibWriteError,
    TimeoutError,
)
"""Of these: no node said anything."""

FORGOTTEN_AFTER = 1.5
"""Of request_timeout_s. Where a speculation finds no further node, the driver gives up its own time-out for the request, and with the first
node's connection it forgets the request: nobody would ever be answered."""


class CassandraSession:
    """Connects with the first request, again after it could not, and anew when no node answers any more; it belongs to the event loop of that request.

    Every request is idempotent, and is sent up to `attempts` times. Raises errors.Unavailable when none was answered, or when the
    schema is not there; anything else that Cassandra refuses is a defect and is raised as it is.
    """

    def __init__(self, settings: CassandraSettings, statements: dict[str, str]) -> None:
        """`statements`: CQL by the name that requests use."""
        self._settings = settings
        self._statements = statements
        self._opening: asyncio.Task[None] | None = None
        self._places = Places(settings.max_in_flight)
        self._overdue = Overdue(settings.request_timeout_s * FORGOTTEN_AFTER)
        self._connection: CassandraConnection | None = None
        self._unanswered_since_s: float | None = None
        self._is_closed = False

    @property
    def max_in_flight(self) -> int:
        """More askers than this only wait."""
        return self._settings.max_in_flight

    async def read(self, name: str, values: Values) -> Found:
        """The rows that a statement finds."""
        connection = self._connection or await self._connected()
        statement = connection.prepared[name](values)
        statement.set_is_idempotent(True)
        result = await self._send(connection, connection.session.execute, statement)
        return [row.as_tuple() for row in result.all()]

    async def write(self, name: str, values: Values) -> None:
        """Returns when it is confirmed."""
        connection = self._connection or await self._connected()
        statement = connection.prepared[name](values)
        statement.set_is_idempotent(True)
        await self._send(connection, connection.session.execute, statement)

    async def write_together(self, name: str, many: Sequence[Values]) -> None:
        """One unlogged batch; all of one partition, so that all of it is seen or nothing."""
        connection = self._connection or await self._connected()
        prepared = connection.prepared[name]
        batch = acsylla.create_batch_unlogged()
        for values in many:
            batch.add_statement(prepared(values))
        batch.set_is_idempotent(True)
        await self._send(connection, connection.session.execute_batch, batch)

    async def close(self) -> None:
        """Waits for what is in flight; idempotent."""
        self._is_closed = True
        if self._opening is not None:
            await asyncio.wait({self._opening})
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _connected(self) -> CassandraConnection:
        while self._connection is None:
            if self._is_closed:
                raise Unavailable(Reason.NOT_READY, "the inbox is closed")
            # An asker that gives up must not break off what the driver's threads still write to.
            await asyncio.shield(self._open())
        return self._connection

    async def _send(
        self, connection: CassandraConnection, request: Callable[[Any], Any], what: Any
    ) -> Any:
        pause_s = self._settings.retry_s
        for attempt in range(1, self._settings.attempts + 1):
            try:
                if not self._places.is_taken():
                    await self._places.wait()
                try:
                    with self._overdue:
                        answer = await request(what)
                finally:
                    self._places.give_back()
                self._unanswered_since_s = None
            except PASSING as error:
                self._look_elsewhere(error)
                if attempt == self._settings.attempts or self._is_closed:
                    why = str(error) or "no answer"
                    raise Unavailable(Reason.NOT_READY, f"Cassandra: {why}") from error
            except RuntimeError as error:
                if connection is self._connection:
                    raise
                raise Unavailable(Reason.NOT_READY, "the connection was closed") from error
            else:
                return answer
            await asyncio.sleep(pause_s)
            pause_s *= 2
        raise AssertionError("unreachable")

    def _look_elsewhere(self, error: Exception) -> None:
        """The driver asks for ever where it once found the nodes."""
        now_s = time.monotonic()
        if not isinstance(error, UNANSWERED):
            self._unanswered_since_s = None
        elif self._unanswered_since_s is None:
            self._unanswered_since_s = now_s
        elif now_s - self._unanswered_since_s >= self._settings.reconnect_after_s:
            self._unanswered_since_s = now_s
            if not self._is_closed:
                self._open()

    def _open(self) -> "asyncio.Task[None]":
        if self._opening is None:
            self._opening = asyncio.create_task(self._connect())
            self._opening.add_done_callback(self._opened)
        return self._opening

    def _opened(self, opening: "asyncio.Task[None]") -> None:
        self._opening = None
        # Looked at, though every asker may be gone.
        if not opening.cancelled():
            opening.exception()

    async def _connect(self) -> None:
        connection = await connect(self._settings, self._statements)
        former, self._connection = self._connection, connection
        if former is not None:
            _log.warning("cassandra connected to anew")
            await former.close()
