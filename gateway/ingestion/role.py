"""The ingestion role: one door, its port, and whether the log behind it can be written."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog

from gateway.ingestion import service as ingestion_service
from gateway.ingestion.door import IngestionDoor
from gateway.ingestion.lanes import Lanes
from gateway.ingestion.service import IngestionService
from reno.catalogue.catalogue import Catalogue
from reno.config.settings import Settings
from reno.ports import LogWriter
from reno.server.grpc_server import GrpcServer, Service
from reno.server.identity import backend_of

_log = structlog.get_logger("gateway.ingestion")

LOOK_S = 1.0
"""How often the lanes are read while the door is not ready."""

READY_LOOK_S = 5.0
"""How often they are read while it is: a generation that rose shows in receipts after this long at most."""

MIN_RECEIVE_BYTES = 4 * 1024 * 1024
"""Above the batch's limit, so that a batch over it gets the door's answer and not the transport's."""


class IngestionRole:
    """Implements reno.server.role.Role. `synced` says whether the log syncs before it confirms; False also when it cannot be asked."""

    def __init__(
        self,
        settings: Settings,
        catalogue: Catalogue,
        log: LogWriter,
        synced: Callable[[], Awaitable[bool]],
    ) -> None:
        self._settings = settings
        self._synced = synced
        self._lanes = Lanes(log)
        self._door = IngestionDoor(settings, catalogue, log, self._lanes)
        self._service = IngestionService(self._door, settings.ingestion)
        self._server = GrpcServer(
            settings.server,
            settings.ingestion.listen,
            [Service(ingestion_service.NAME, ingestion_service.add_to_server, self._service)],
            backend_of,
            public=True,
            max_receive_bytes=max(MIN_RECEIVE_BYTES, 2 * settings.ingestion.max_batch_bytes),
            transport=settings.ingestion.transport,
        )
        self._watching: asyncio.Task[None] | None = None

    @property
    def addresses(self) -> Mapping[str, str]:
        """Where it listens."""
        return {"ingestion": self._server.address}

    async def start(self) -> None:
        """Listens; SERVING once every lane is there and the log is synced, and while it confirms what it is given."""
        await self._server.start()
        self._watching = asyncio.create_task(self._watch(), name="watch the lanes")

    async def wait(self) -> None:
        """Raises what a writer or the watch failed with."""
        assert self._watching is not None
        failing = asyncio.create_task(self._door.wait())
        try:
            done, _ = await asyncio.wait(
                {failing, self._watching}, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                task.result()
        finally:
            failing.cancel()
            await asyncio.gather(failing, return_exceptions=True)

    async def drain(self) -> None:
        """Answers everything that was taken; callers are told to use another door."""
        await self._server.say_goodbye()
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        self._service.close_streams()
        await self._door.drain()
        await self._server.stop()

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        seen_s = loop.time()
        while True:
            could_be_read = await self._lanes.read_all() and await self._is_synced()
            can_write = await self._door.can_write()
            if could_be_read:
                seen_s = loop.time()
            # A restart of the log is shorter than what envelopes wait for it: no reason to send callers away.
            patience_s = self._settings.ingestion.deadline_s if self._door.is_open else 0.0
            is_ready = can_write and (could_be_read or loop.time() - seen_s < patience_s)
            if is_ready is not self._door.is_open:
                _log.info("ready" if is_ready else "not ready: the log does not answer")
                self._door.is_open = is_ready
                await self._server.all_ready(is_ready)
            await asyncio.sleep(READY_LOOK_S if could_be_read and can_write else LOOK_S)

    async def _is_synced(self) -> bool:
        return not self._settings.log.require_synced or await self._synced()
