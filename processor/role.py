"""The processor role: one lane's owners, and the service that gateways read the lane's inbox by."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog
from opentelemetry.metrics import Observation

from processor.inbox_door import InboxDoor
from processor.inbox_service import InboxServicer
from processor.owner import Owner
from processor.stopping import Stopping
from reno.config.settings import Settings
from reno.domain.priority import Priority
from reno.domain.shard_set import parse_shards
from reno.errors import Unavailable
from reno.ports import (
    Deliverer,
    Inbox,
    LaneInfo,
    LogAbsent,
    LogReader,
    PresenceLookup,
    Shard,
)
from reno.server.grpc_server import GrpcServer, Service
from reno.server.identity import nobody
from reno.telemetry.metrics import observe
from reno.v1.inbox_service_pb2_grpc import add_InboxServiceServicer_to_server

_log = structlog.get_logger("reno.processor")

LOOK_S = 2.0
"""How often the lane's generation is read: what one owner raised, the lane's others follow."""

MAX_REQUEST_BYTES = 4 * 1024 * 1024
INBOX_SERVICE = "reno.v1.InboxService"


class LaneChanged(Exception):
    """The lane has another number of shards than when this process began: its members are elsewhere now."""


class ProcessorRole:
    """A reno.server.role.Role. It owns the shards of its lane that the settings give it."""

    def __init__(
        self,
        settings: Settings,
        priority: Priority,
        log: LogReader,
        inbox_factory: Callable[[int], Inbox],
        presence: PresenceLookup,
        deliverer: Deliverer,
        synced: Callable[[], Awaitable[bool]],
    ) -> None:
        """`inbox_factory` is called once, with the lane's number of shards; `synced` says whether the log's server writes to disk before it confirms."""
        self._settings = settings
        self._priority = priority
        self._log = log
        self._inbox_factory = inbox_factory
        self._presence = presence
        self._deliverer = deliverer
        self._synced = synced
        self._shards = parse_shards(settings.processor.shards)
        self._stopping = Stopping()
        self._door = InboxDoor()
        self._inbox: Inbox | None = None
        self._owners: list[Owner] = []
        self._lag: dict[int, int] = {}

    @property
    def addresses(self) -> Mapping[str, str]:
        """inbox (internal)."""
        return {"inbox": self._server.address}

    async def start(self) -> None:
        """Does not wait for the log. SERVING when the inbox is open, every owner is past its journal and the log is synced. Raises ValueError where the settings name no address to listen on."""
        settings = self._settings
        self._server = GrpcServer(
            settings.server,
            settings.processor.listen_internal
            or settings.inbox.address(self._priority, self._shards),
            [
                Service(
                    INBOX_SERVICE,
                    add_InboxServiceServicer_to_server,
                    InboxServicer(self._door, self._priority),
                )
            ],
            nobody,
            public=False,
            max_receive_bytes=MAX_REQUEST_BYTES,
        )
        await self._server.start()
        observe("reno.processor.lag", "{message}", "Messages of a shard not purged yet", self._lags)
        self._running = asyncio.create_task(self._run())

    async def wait(self) -> None:
        """Raises what an owner failed with, often as an ExceptionGroup."""
        await asyncio.wait({self._running})
        self._running.result()

    async def drain(self) -> None:
        """Owners stop reading, deliver and purge what they stored; then the service stops and the inbox is closed."""
        self._stopping.say()
        await self._server.say_goodbye()
        _, late = await asyncio.wait({self._running}, timeout=self._settings.server.drain_s)
        if late:
            _log.warning("drain took too long: the next owner delivers the rest")
            self._running.cancel()
            await asyncio.wait({self._running})
        await self._server.stop()
        if self._inbox is not None:
            await self._inbox.close()

    async def _run(self) -> None:
        lane = await self._open_lane()
        if lane is None:
            return
        owned = self._shards.of(lane.shards)
        self._inbox = inbox = self._inbox_factory(lane.shards)
        self._door.open(inbox)
        async with asyncio.TaskGroup() as tasks:
            for number in owned:
                owner = Owner(
                    Shard(self._priority, number),
                    lane,
                    self._settings.processor,
                    self._log,
                    inbox,
                    self._presence,
                    self._deliverer,
                    self._stopping,
                )
                self._owners.append(owner)
                tasks.create_task(owner.run())
            tasks.create_task(self._announce())
            tasks.create_task(self._watch_lane(lane.shards))
            tasks.create_task(self._watch_lag())

    async def _open_lane(self) -> LaneInfo | None:
        """None when the process stops first."""
        said = ""
        while True:
            try:
                return await self._log.open_lane(self._priority)
            except (LogAbsent, Unavailable) as error:
                if str(error) != said:
                    said = str(error)
                    _log.info("log is not there yet", why=said)
            if await self._stopping.said_within(self._settings.processor.retry_s):
                return None

    async def _announce(self) -> None:
        said = False
        while not self._stopping.said:
            if all(owner.ready.is_set() for owner in self._owners):
                if await self._synced():
                    await self._server.all_ready(True)
                    _log.info("serving", priority=self._priority.word, shards=len(self._owners))
                    return
                if not said:
                    said = True
                    _log.error("the log's server does not sync before it confirms: NOT_SERVING")
            await self._stopping.said_within(self._settings.processor.retry_s)

    async def _watch_lane(self, shards: int) -> None:
        """Also makes a lane anew that is gone. Raises LaneChanged."""
        while not await self._stopping.said_within(LOOK_S):
            try:
                lane = await self._log.open_lane(self._priority)
            except (LogAbsent, Unavailable) as error:
                _log.debug("lane unknown", why=str(error))
                continue
            if lane.shards != shards:
                raise LaneChanged(f"{lane.shards} shards, {shards} when this process began")
            for owner in self._owners:
                owner.heed(lane.generation)

    async def _watch_lag(self) -> None:
        while True:
            for owner in self._owners:
                try:
                    self._lag[owner.shard.number] = await self._log.lag(owner.shard)
                except (LogAbsent, Unavailable) as error:
                    _log.debug("lag unknown", shard=owner.shard.number, why=str(error))
            if await self._stopping.said_within(self._settings.telemetry.metrics_interval_s):
                return

    def _lags(self) -> list[Observation]:
        return [
            Observation(messages, {"priority": self._priority.word, "shard": number})
            for number, messages in self._lag.items()
        ]
