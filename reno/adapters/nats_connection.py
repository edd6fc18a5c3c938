"""One connection to NATS: it never gives up, and never publishes later what was meant for now."""

import asyncio
import random
from collections.abc import Awaitable
from typing import Any

import structlog
from nats import errors as nats_errors
from nats.aio.client import Client, Srv
from nats.js import JetStreamContext
from nats.js.errors import Error as JetStreamError

from reno.adapters.heeding import Answer, heeding_cancellation
from reno.adapters.nats_names import inbox_prefix
from reno.adapters.nats_refusal import is_decided
from reno.adapters.nats_server import are_synced
from reno.adapters.tls_files import client_context
from reno.config.settings import LogSettings
from reno.ports import LogAbsent

_log = structlog.get_logger()

NOT_SENT = (
    nats_errors.OutboundBufferLimitError,
    nats_errors.ConnectionClosedError,
    nats_errors.ConnectionDrainingError,
    nats_errors.ConnectionReconnectingError,
)
"""What the client raises before it writes anything."""


class Interrupted(nats_errors.Error):
    """The connection broke while a request was under way: it may or may not have been handled."""


class NothingDecided(nats_errors.Error):
    """The server answers, but nothing of the log's is decided through it."""


class FailFastClient(Client):
    """nats-py's client, except that a broken connection forgets what it has not sent, fails what is under way and waits for no peer, and that no error of the server's ends it for good."""

    breaks = 0
    """Of connections that were up."""

    async def _process_op_err(self, e: Exception) -> None:
        if not self.is_closed and not self.is_reconnecting:
            # Subscriptions are replayed from their list; everything else unsent has a caller who gave up.
            self._pending = []
            self._pending_data_size = 0
            for answer in list(self._resp_map.values()):
                if not answer.done():
                    answer.set_exception(Interrupted())
            # close() alone waits until a frozen peer has read what is buffered.
            self._abort()
            self.breaks += 1
        await super()._process_op_err(e)

    async def _connect_to_server(self, s: Srv) -> None:
        # An attempt that failed after the socket was open leaves it so.
        self._abort()
        await super()._connect_to_server(s)

    def _abort(self) -> None:
        writer = getattr(self._transport, "_io_writer", None)
        if writer is not None:
            writer.transport.abort()

    def _connect_command(self) -> bytes:
        # With a server that asks for no TLS it would go on in the clear, the password first.
        if "tls" in self.options and not self._server_info.get("tls_required"):
            raise nats_errors.Error("the server does not require TLS")
        command: bytes = super()._connect_command()
        return command

    async def leave(self, server: str) -> None:
        """Goes to the next server of the list."""
        if self.is_connected:
            # The pool begins with the server that is tried next.
            self._server_pool.sort(key=lambda each: each is self._current_server)
            await self._process_op_err(NothingDecided(f"{server} decided nothing"))

    async def _process_err(self, err_msg: str) -> None:
        if "permissions violation" in err_msg.lower():
            await super()._process_err(err_msg)
            return
        error = nats_errors.Error(f"nats: {err_msg}")
        await self._error_cb(error)
        await self._process_op_err(error)


class NatsConnection:
    """Shared by a role's writer and reader."""

    def __init__(
        self,
        settings: LogSettings,
        name: str,
        *,
        ping_interval_s: float = 5.0,
        max_pings_unanswered: int = 2,
        reconnect_wait_s: float = 0.25,
        request_timeout_s: float = 2.0,
        max_unsent_bytes: int = 8 * 1024 * 1024,
    ) -> None:
        """Raises OSError naming a file of the settings that cannot be used."""
        self._settings = settings
        self._tls = (
            client_context(settings.ca_file, settings.certificate_file, settings.key_file)
            if settings.is_tls
            else None
        )
        self._name = name
        self._ping_interval_s = ping_interval_s
        self._max_pings_unanswered = max_pings_unanswered
        self._reconnect_wait_s = reconnect_wait_s
        self._max_unsent_bytes = max_unsent_bytes
        self._last_error = ""
        self._is_closing = False
        self._unanswered_since_s: dict[str, float] = {}
        self._leaving: asyncio.Task[None] | None = None
        self._client = FailFastClient()
        self._jetstream = JetStreamContext(self._client, timeout=request_timeout_s)

    async def connect(self) -> None:
        """Returns once connected; tries for ever until then. Cancel it to give up. Afterwards the connection comes back by itself."""
        await self._client.connect(
            # Shuffled here, and not again at every break, when the server that was left could be the next.
            servers=random.sample(self._settings.servers, len(self._settings.servers)),
            dont_randomize=True,
            name=self._name,
            error_cb=self._on_error,
            disconnected_cb=self._on_disconnected,
            reconnected_cb=self._on_reconnected,
            closed_cb=self._on_closed,
            connect_timeout=2,
            reconnect_time_wait=self._reconnect_wait_s,  # type: ignore[arg-type]
            max_reconnect_attempts=-1,
            ping_interval=self._ping_interval_s,  # type: ignore[arg-type]
            max_outstanding_pings=self._max_pings_unanswered,
            pending_size=0,
            tls=self._tls,
            **self._identity(),
        )
        self._last_error = ""
        _log.info("log connected", server=self._server)

    async def close(self) -> None:
        """Idempotent; also after a cancelled connect."""
        self._is_closing = True
        if self._leaving is not None:
            await asyncio.gather(self._leaving, return_exceptions=True)
        if self._client.is_connected or self._client.is_reconnecting:
            await self._client.close()

    @property
    def is_connected(self) -> bool:
        """False while reconnecting."""
        return self._client.is_connected

    @property
    def connected_for(self) -> int:
        """Another number for every connection: what was true of the log over one need not be true over the next."""
        return self._client.breaks

    async def is_synced(self, timeout_s: float = 1.0) -> bool:
        """The servers say that they sync before they confirm; see are_synced."""
        return await are_synced(self._settings.monitor_urls, timeout_s)

    @property
    def client(self) -> Client:
        """For subscriptions and plain publishes. Raises LogAbsent while there is no connection."""
        if not self._client.is_connected:
            raise LogAbsent("not connected to the log")
        return self._client

    @property
    def jetstream(self) -> JetStreamContext:
        """Raises LogAbsent while there is no connection, or while it takes nothing more."""
        if self.client.pending_data_size > self._max_unsent_bytes:
            raise LogAbsent("the log's connection is stuck")
        return self._jetstream

    async def ask(self, request: Awaitable[Answer]) -> Answer:
        """Awaits a JetStream request that may be repeated. Raises LogAbsent where it was not answered or refused."""
        try:
            answer = await heeding_cancellation(request)
        except (nats_errors.Error, JetStreamError, TimeoutError) as error:
            self.answered("ask", is_decided(error))
            raise LogAbsent(f"{type(error).__name__}: {error}") from error
        self.answered("ask", True)
        return answer

    def answered(self, what: str, was_decided: bool) -> None:
        """What became of a request. A server that answers pings but has lost its cluster never decides anything: after leave_after_s without a decision another one is tried."""
        now_s = asyncio.get_running_loop().time()
        if was_decided:
            self._unanswered_since_s.pop(what, None)
            return
        since_s = self._unanswered_since_s.setdefault(what, now_s)
        lasts_long = now_s - since_s >= self._settings.leave_after_s
        if lasts_long and len(self._settings.servers) > 1 and self._client.is_connected:
            self._unanswered_since_s.clear()
            if self._leaving is None or self._leaving.done():
                self._leaving = asyncio.create_task(self._client.leave(self._server))

    def _identity(self) -> dict[str, Any]:
        settings = self._settings
        if settings.user is None:
            return {}
        password = settings.password.get_secret_value() if settings.password is not None else ""
        prefix = inbox_prefix(settings.user)
        return {"user": settings.user, "password": password, "inbox_prefix": prefix}

    @property
    def _server(self) -> str:
        url = self._client.connected_url
        return url.netloc if url is not None else ""

    async def _on_error(self, error: Exception) -> None:
        # An attempt a quarter of a second would drown what matters.
        text = f"{type(error).__name__}: {error}"
        if text != self._last_error:
            self._last_error = text
            _log.warning("log connection error", error=text)

    async def _on_disconnected(self) -> None:
        if not self._is_closing:
            _log.warning("log disconnected")

    async def _on_reconnected(self) -> None:
        self._last_error = ""
        _log.info("log reconnected", server=self._server)

    async def _on_closed(self) -> None:
        _log.info("log connection closed")
