"""Drivers alone: the inbox's own INSERT, once a row, as many in flight as the adapter may have, and nothing else."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import acsylla  # type: ignore[import-untyped]
from cassandra import ConsistencyLevel  # type: ignore[import-untyped]
from cassandra.cluster import Cluster  # type: ignore[import-untyped]

from bench.cassandra_rows import LANE, Append
from reno.adapters.cassandra_connection import qualified
from reno.adapters.cassandra_layout import KEEP_S, stored_row
from reno.adapters.cassandra_statements import STORING
from reno.config.cassandra_settings import CassandraSettings


async def acsylla_alone(settings: CassandraSettings, appends: Sequence[Append]) -> None:
    """With a connection of its own."""
    cluster = acsylla.create_cluster(
        list(settings.contact_hosts),
        port=settings.contact_port,
        request_timeout=settings.request_timeout_s,
        connect_timeout=settings.connect_timeout_s,
        consistency=settings.consistency,
        log_level="disabled",
    )
    session = await cluster.create_session()
    keep = await session.create_prepared(qualified(STORING["keep"], settings.keyspace))
    rows = _values(appends)

    async def asker() -> None:
        for values in rows:
            await session.execute(keep(values))

    await asyncio.gather(*(asker() for _ in range(settings.max_in_flight)))
    await session.close()
    cluster.destroy()


async def cassandra_driver_alone(settings: CassandraSettings, appends: Sequence[Append]) -> None:
    """Its answers come in its own thread and are handed to the loop, as a process on asyncio must."""
    cluster = Cluster(
        settings.contact_hosts,
        port=settings.contact_port,
        connect_timeout=settings.connect_timeout_s,
        control_connection_timeout=settings.connect_timeout_s,
    )
    session = await asyncio.to_thread(cluster.connect)
    keep = await asyncio.to_thread(session.prepare, qualified(STORING["keep"], settings.keyspace))
    keep.consistency_level = ConsistencyLevel.name_to_value[settings.consistency.upper()]
    rows = _values(appends)
    loop = asyncio.get_running_loop()

    async def asker() -> None:
        for values in rows:
            answered: asyncio.Future[None] = loop.create_future()
            session.execute_async(keep, values).add_callbacks(
                lambda _rows, it=answered: loop.call_soon_threadsafe(it.set_result, None),
                lambda error, it=answered: loop.call_soon_threadsafe(it.set_exception, error),
            )
            await answered

    await asyncio.gather(*(asker() for _ in range(settings.max_in_flight)))
    await asyncio.to_thread(cluster.shutdown)


def _values(appends: Sequence[Append]) -> Iterator[list[Any]]:
    return iter(
        [
            [
                row.member_key,
                int(LANE),
                row.position,
                row.expires_at_ms,
                stored_row(row.row),
                KEEP_S,
            ]
            for _, writes in appends
            for write in writes
            for row in write.rows
        ]
    )
