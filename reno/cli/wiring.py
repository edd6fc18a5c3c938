"""The one place that knows the rooms: gives each role its adapters, and takes them back. What a role needs is imported when it is known which: a process that starts again should be quick."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from reno.config.settings import Settings
from reno.domain.priority import Priority
from reno.ports import Inbox
from reno.server.role import Role

if TYPE_CHECKING:
    from processor.resharding import Resharding
    from reno.adapters.nats_connection import NatsConnection


@asynccontextmanager
async def wired(settings: Settings, role: str, priority: Priority | None) -> AsyncIterator[Role]:
    """The role, not started yet. Raises ValueError for a role that does not exist, CatalogueError and OSError for a catalogue that cannot be used."""
    async with AsyncExitStack() as stack:
        match role:
            case "ingestion":
                yield await _ingestion(settings, stack)
            case "processor" if priority is not None:
                yield await _processor(settings, priority, stack)
            case "gateway":
                yield _gateway(settings, stack)
            case "presence":
                from presence.role import PresenceRole  # noqa: PLC0415

                yield PresenceRole(settings)
            case _:
                raise ValueError(f"no role {role} (a processor needs a priority)")


@asynccontextmanager
async def resharding(
    settings: Settings, priority: Priority, say: Callable[[str], None], patience_s: float
) -> AsyncIterator["Resharding"]:
    """What changes the number of a lane's shards, whose inbox is in Cassandra. Raises TimeoutError where there is no log within patience_s."""
    from processor.resharding import Resharding  # noqa: PLC0415
    from reno.adapters.cassandra_resharded_inbox import CassandraReshardedInbox  # noqa: PLC0415
    from reno.adapters.cassandra_session import CassandraSession  # noqa: PLC0415
    from reno.adapters.cassandra_statements import RESHARDING  # noqa: PLC0415
    from reno.adapters.nats_connection import NatsConnection  # noqa: PLC0415
    from reno.adapters.nats_resharded_log import NatsReshardedLog  # noqa: PLC0415

    async with AsyncExitStack() as stack:
        connection = NatsConnection(settings.log, "reshard")
        stack.push_async_callback(connection.close)
        async with asyncio.timeout(patience_s):
            await connection.connect()
        inbox = CassandraReshardedInbox(CassandraSession(settings.inbox, RESHARDING))
        stack.push_async_callback(inbox.close)
        yield Resharding(priority, NatsReshardedLog(connection), inbox, say, patience_s)


async def _ingestion(settings: Settings, stack: AsyncExitStack) -> Role:
    from gateway.ingestion.role import IngestionRole  # noqa: PLC0415
    from reno.adapters.nats_log_writer import NatsLogWriter  # noqa: PLC0415
    from reno.catalogue.catalogue import load as load_catalogue  # noqa: PLC0415

    catalogue = load_catalogue(settings.catalogue)
    connection = await _connecting(settings, "ingestion", stack)
    return IngestionRole(settings, catalogue, NatsLogWriter(connection), connection.is_synced)


async def _processor(settings: Settings, priority: Priority, stack: AsyncExitStack) -> Role:
    from processor.role import ProcessorRole  # noqa: PLC0415
    from reno.adapters.delivery_client import DeliveryClient  # noqa: PLC0415
    from reno.adapters.gathered_lookup import GatheredLookup  # noqa: PLC0415
    from reno.adapters.inboxes import inbox_of  # noqa: PLC0415
    from reno.adapters.nats_log_reader import NatsLogReader  # noqa: PLC0415
    from reno.adapters.nats_roster import NatsRoster  # noqa: PLC0415
    from reno.adapters.presence_client import PresenceClient  # noqa: PLC0415

    settings = settings.for_lane(priority)
    connection = await _connecting(settings, f"processor-{priority.word}", stack)
    reader = NatsLogReader(connection, settings.log, settings.processor.dead_letter_max_bytes)
    presence = PresenceClient(settings.presence.replicas)
    stack.push_async_callback(presence.close)
    deliverer = DeliveryClient()
    stack.push_async_callback(deliverer.close)

    def open_inbox(shards: int) -> Inbox:
        return inbox_of(settings, priority, shards)

    return ProcessorRole(
        settings,
        priority,
        reader,
        open_inbox,
        GatheredLookup(presence),
        deliverer,
        connection.is_synced,
        NatsRoster(connection),
    )


def _gateway(settings: Settings, stack: AsyncExitStack) -> Role:
    from gateway.devices.role import GatewayRole  # noqa: PLC0415
    from reno.adapters.attachments import Attachments  # noqa: PLC0415
    from reno.adapters.inboxes import inbox_reader_of  # noqa: PLC0415

    inbox = inbox_reader_of(settings)
    stack.push_async_callback(inbox.close)
    presence = settings.presence
    attachments = Attachments(presence.replicas, presence.resolve_s)
    return GatewayRole(settings, inbox, attachments, inbox.part)


async def _connecting(settings: Settings, name: str, stack: AsyncExitStack) -> "NatsConnection":
    """Roles start while the log is not there yet: the connection comes in the background."""
    from reno.adapters.nats_connection import NatsConnection  # noqa: PLC0415

    connection = NatsConnection(settings.log, name)
    stack.push_async_callback(connection.close)
    group = await stack.enter_async_context(asyncio.TaskGroup())
    connecting = group.create_task(connection.connect())
    stack.callback(connecting.cancel)
    return connection
