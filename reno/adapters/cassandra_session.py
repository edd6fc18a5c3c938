"""One process's connections to Cassandra: prepared statements, bounded in flight, and what timed out sent again."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import acsylla  # type: ignore[import-untyped]
from acsylla import errors

from reno.config.cassandra_settings import CassandraSettings
from reno.domain.reason import Reason
from reno.errors import Unavailable

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
)
"""What may go well the next time. After any of them a write may or may not have been done."""


class CassandraSession:
    """Connects with the first request, and again after it could not; it belongs to the event loop of that request.

    Every request is idempotent, and is sent up to `attempts` times. Raises errors.Unavailable when none was answered, or when the
    schema is not there; anything else that Cassandra refuses is a defect and is raised as it is.
    """

    def __init__(self, settings: CassandraSettings, statements: dict[str, str]) -> None:
        """`statements`: CQL by the name that requests use."""
        self._settings = settings
        self._statements = statements
        self._opening: asyncio.Task[None] | None = None
        self._slots = asyncio.Semaphore(settings.max_in_flight)
        self._cluster: Any = None
        self._session: Any = None
        self._prepared: dict[str, Any] = {}
        self._is_closed = False

    @property
    def max_in_flight(self) -> int:
        """More askers than this only wait."""
        return self._settings.max_in_flight

    async def read(self, name: str, values: Values) -> Found:
        """The rows that a statement finds."""
        statement = (await self._statement(name))(values)
        statement.set_is_idempotent(True)
        result = await self._send(self._session.execute, statement)
        return [row.as_tuple() for row in result.all()]

    async def write(self, name: str, values: Values) -> None:
        """Returns when it is confirmed."""
        prepared = self._prepared.get(name) or await self._statement(name)
        statement = prepared(values)
        statement.set_is_idempotent(True)
        await self._send(self._session.execute, statement)

    async def write_together(self, name: str, many: Sequence[Values]) -> None:
        """One unlogged batch; all of one partition, so that all of it is seen or nothing."""
        prepared = await self._statement(name)
        batch = acsylla.create_batch_unlogged()
        for values in many:
            batch.add_statement(prepared(values))
        batch.set_is_idempotent(True)
        await self._send(self._session.execute_batch, batch)

    async def close(self) -> None:
        """Waits for what is in flight; idempotent."""
        self._is_closed = True
        if self._opening is not None:
            await asyncio.wait({self._opening})
        await self._disconnect()

    async def _statement(self, name: str) -> Any:
        while (prepared := self._prepared.get(name)) is None or self._is_closed:
            if self._is_closed:
                raise Unavailable(Reason.NOT_READY, "the inbox is closed")
            if self._opening is None:
                self._opening = asyncio.create_task(self._open())
                self._opening.add_done_callback(self._opened)
            # An asker that gives up must not break off what the driver's threads still write to.
            await asyncio.shield(self._opening)
        return prepared

    def _opened(self, opening: "asyncio.Task[None]") -> None:
        self._opening = None
        # Looked at, though every asker may be gone.
        if not opening.cancelled():
            opening.exception()

    async def _send(self, request: Callable[[Any], Any], what: Any) -> Any:
        pause_s = self._settings.retry_s
        for attempt in range(1, self._settings.attempts + 1):
            try:
                async with self._slots:
                    return await request(what)
            except PASSING as error:
                if attempt == self._settings.attempts or self._is_closed:
                    raise Unavailable(Reason.NOT_READY, f"Cassandra: {error}") from error
            except RuntimeError as error:
                if not self._is_closed:
                    raise
                raise Unavailable(Reason.NOT_READY, "the inbox is closed") from error
            await asyncio.sleep(pause_s)
            pause_s *= 2
        raise AssertionError("unreachable")

    async def _open(self) -> None:
        try:
            await self._connect()
        except errors.CassException as error:
            await self._disconnect()
            raise Unavailable(Reason.NOT_READY, f"Cassandra: {_advised(error)}") from error

    async def _connect(self) -> None:
        settings = self._settings
        password = settings.password
        self._cluster = acsylla.create_cluster(
            list(settings.contact_hosts),
            port=settings.contact_port,
            username=settings.user,
            password=None if password is None else password.get_secret_value(),
            connect_timeout=settings.connect_timeout_s,
            request_timeout=settings.request_timeout_s,
            consistency=settings.consistency,
            load_balance_dc_aware=settings.local_dc,
            # A node that was away is wanted back in seconds, not in the driver's minute.
            exponential_reconnect_base_delay_ms=500,
            exponential_reconnect_max_delay_ms=5000,
            heartbeat_interval_sec=5,
            idle_timeout_sec=15,
            # What fails is raised here.
            log_level="disabled",
            application_name="reno",
        )
        self._session = await self._cluster.create_session(settings.keyspace)
        prepared = {}
        for name, statement in self._statements.items():
            prepared[name] = await self._session.create_prepared(statement)
        # All or none: a statement that cannot be prepared says that the schema is not there.
        self._prepared = prepared

    async def _disconnect(self) -> None:
        session, cluster = self._session, self._cluster
        self._session = self._cluster = None
        self._prepared = {}
        if session is not None:
            await session.close()
        if cluster is not None:
            cluster.destroy()


def _advised(error: Exception) -> str:
    if isinstance(
        error, errors.CassErrorLibUnableToSetKeyspace | errors.CassErrorServerInvalidQuery
    ):
        return f"{error} (reno schema apply makes it)"
    return str(error)
