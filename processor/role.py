"""The processor role: one lane's owners, and the service that gateways read the lane's inbox by."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog
from opentelemetry.metrics import Observation

from processor.inbox_door import InboxDoor
from processor.inbox_service import InboxServicer
from processor.owner import Owner
from processor.owners import Owners
from processor.share import Share
from processor.stopping import Stopping
from reno.config.settings import Settings
from reno.domain.priority import Priority
from reno.domain.shard_set import ALL_SHARDS, SHARED, parse_shards
from reno.errors import Unavailable
from reno.ports import (
    Deliverer,
    Inbox,
    LaneInfo,
    LogAbsent,
    LogReader,
    PresenceLookup,
    Roster,
    Shard,
)
from reno.server.grpc_server import GrpcServer, Service
from reno.server.identity import nobody
from reno.telemetry.metrics import observe
from reno.v1.inbox_service_pb2_grpc import add_InboxServiceServicer_to_server

_log = structlog.get_logger("reno.processor")

LOOK_S = 2.0
"""How often the lane is read: the generation that one owner raised the lane's others follow, and all of them another number of shards."""

FIRST_PAUSE_S = 0.01
"""The log's connection comes a moment after the process: the first looks at it are soon after one another."""

MAX_REQUEST_BYTES = 4 * 1024 * 1024
INBOX_SERVICE = "reno.v1.InboxService"


class ProcessorRole:
    """A reno.server.role.Role. It owns the shards of its lane that the settings give it, or its share of them."""

    def __init__(
        self,
        settings: Settings,
        priority: Priority,
        log: LogReader,
        inbox_factory: Callable[[int], Inbox],
        presence: PresenceLookup,
        deliverer: Deliverer,
        synced: Callable[[], Awaitable[bool]],
        roster: Roster,
    ) -> None:
        """`inbox_factory` is called with the lane's number of shards, whenever that is another one; `synced` says whether the log's server writes to disk before it confirms."""
        self._settings = settings
        self._priority = priority
        self._log = log
        self._inbox_factory = inbox_factory
        self._presence = presence
        self._deliverer = deliverer
        self._synced = synced
        self._roster = roster
        is_shared = settings.processor.shards == SHARED
        self._shards = None if is_shared else parse_shards(settings.processor.shards)
        self._stopping = Stopping()
        self._leaving = Stopping()
        """Said as well when the lane gets another number of shards."""
        self._door = InboxDoor()
        self._inbox: Inbox | None = None
        self._owners: Owners | None = None
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
            or settings.inbox.address(self._priority, self._shards or ALL_SHARDS),
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
        self._leaving.say()
        if self._owners is not None:
            self._owners.own(())
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
        while (lane := await self._open_lane()) is not None:
            await self._process(lane)
            if self._stopping.said:
                return
            inbox, self._inbox, self._leaving = self._door.close(), None, Stopping()
            await inbox.close()

    async def _process(self, lane: LaneInfo) -> None:
        """Until the process stops or the lane gets another number of shards."""
        leaving = self._leaving
        owned = None if self._shards is None else self._shards.of(lane.shards)
        self._inbox = inbox = self._inbox_factory(lane.shards)
        self._door.open(inbox)

        def begin(number: int, stopping: Stopping) -> Owner:
            return Owner(
                Shard(self._priority, number, lane.shards),
                lane.generation,
                self._settings.processor,
                self._log,
                inbox,
                self._presence,
                self._deliverer,
                stopping,
            )

        share: Share | None = None
        async with asyncio.TaskGroup() as tasks:
            self._owners = owners = Owners(begin, tasks, leaving)
            if owned is None:
                share = Share(
                    self._roster,
                    self._priority,
                    lane.shards,
                    self._settings.processor.lease_s,
                    leaving,
                    owners.own,
                )
                tasks.create_task(share.run())
            else:
                owners.own(owned)
            tasks.create_task(self._announce(owners, share, leaving))
            tasks.create_task(self._watch_lane(owners, lane.shards, leaving))
            tasks.create_task(self._watch_lag(owners, leaving))
        if share is not None:
            await share.say_goodbye()

    async def _open_lane(self) -> LaneInfo | None:
        """None when the process stops first."""
        said = ""
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                return await self._log.open_lane(self._priority)
            except (LogAbsent, Unavailable) as error:
                if str(error) != said:
                    said = str(error)
                    _log.info("log is not there yet", why=said)
            pause_s = min(2 * pause_s, self._settings.processor.retry_s)
            if await self._stopping.said_within(pause_s):
                return None

    async def _announce(self, owners: Owners, share: Share | None, leaving: Stopping) -> None:
        """SERVING once the log is synced, while every owner is past its journal; where shards are shared, when it is known which are this process's."""
        is_synced = is_serving = said = False
        while not leaving.said:
            is_ready = owners.ready and (share is None or share.is_known)
            if is_ready and not is_synced:
                is_synced = not self._settings.log.require_synced or await self._synced()
                if not is_synced and not said:
                    said = True
                    _log.error("the log's server does not sync before it confirms: NOT_SERVING")
            if (is_ready and is_synced) != is_serving:
                is_serving = not is_serving
                await self._server.all_ready(is_serving)
                if is_serving:
                    _log.info("serving", priority=self._priority.word, shards=len(owners.numbers))
            await leaving.said_within(self._settings.processor.retry_s)
        if is_serving and not self._stopping.said:
            await self._server.all_ready(False)

    async def _watch_lane(self, owners: Owners, shards: int, leaving: Stopping) -> None:
        """Also makes a lane anew that is gone."""
        while not await leaving.said_within(LOOK_S):
            try:
                lane = await self._log.open_lane(self._priority)
            except (LogAbsent, Unavailable) as error:
                _log.debug("lane unknown", why=str(error))
                continue
            if lane.shards != shards:
                _log.info(
                    "the lane has another number of shards", shards=lane.shards, before=shards
                )
                leaving.say()
                owners.own(())
                return
            for owner in owners:
                owner.heed(lane.generation)

    async def _watch_lag(self, owners: Owners, leaving: Stopping) -> None:
        while True:
            for owner in owners:
                try:
                    self._lag[owner.shard.number] = await self._log.lag(owner.shard)
                except (LogAbsent, Unavailable) as error:
                    _log.debug("lag unknown", shard=owner.shard.number, why=str(error))
            if await leaving.said_within(self._settings.telemetry.metrics_interval_s):
                return

    def _lags(self) -> list[Observation]:
        owned = () if self._owners is None else self._owners.numbers
        return [
            Observation(messages, {"priority": self._priority.word, "shard": number})
            for number, messages in self._lag.items()
            if number in owned
        ]
