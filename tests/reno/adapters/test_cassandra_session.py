"""A process's connection: what it asks for, and what it lives through."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from reno.adapters.cassandra_connection import qualified
from reno.adapters.cassandra_session import CassandraSession
from reno.adapters.cassandra_statements import READING, STORING
from reno.config.cassandra_settings import CassandraSettings
from reno.errors import Unavailable
from tests.servers.cassandra import SHARED
from tests.servers.forwarding import forwarding
from tests.servers.nats import free_port

MARK = [1, 4, 0]
KEEP = [b"anna", 1, 7, 10**15, b"x", 3600]


@asynccontextmanager
async def opened(session: CassandraSession) -> AsyncIterator[CassandraSession]:
    try:
        yield session
    finally:
        await session.close()


def test_a_statement_names_its_keyspace() -> None:
    known = [qualified(statement, "k") for statement in STORING.values()]
    assert all(statement.count(" k.") == 1 for statement in known)


async def test_durable_every_request_goes_at_the_settings_consistency(
    cassandra: CassandraSettings,
) -> None:
    class Traced(CassandraSession):
        asked: list[str]

        async def _send(self, connection: Any, request: Any, what: Any) -> Any:
            what.set_tracing(True)
            answer = await super()._send(connection, request, what)
            self.asked.append(answer.tracing_id)
            return answer

    session = Traced(cassandra, STORING)
    session.asked = []
    async with opened(session):
        await session.read("claim", [1, 4])
        await session.write("keep", KEEP)
        await session.write_together("keep", [KEEP, KEEP])
        await session.read("mark", MARK)
    for trace in session.asked:
        async with asyncio.timeout(30):
            while not (found := traced(trace)):
                await asyncio.sleep(0.05)
        assert found["consistency_level"] == "LOCAL_QUORUM"
        assert found["serial_consistency_level"] == "LOCAL_SERIAL"
    assert len(session.asked) == 4


def traced(trace: str) -> dict[str, str]:
    found = SHARED.execute(
        f"SELECT parameters FROM system_traces.sessions WHERE session_id = {trace}"
    )
    return dict(found[0][0] or {}) if found else {}  # type: ignore[call-overload]


async def test_statements_that_a_node_forgot_are_prepared_again(
    cassandra: CassandraSettings,
) -> None:
    async with opened(CassandraSession(cassandra, STORING)) as session:
        await session.write("keep", KEEP)
        # As after a restart or a schema change: every statement on the table is gone.
        SHARED.execute("ALTER TABLE rows WITH comment = 'again'")
        await session.write_together("keep", [KEEP, [b"anna", 1, 8, 10**15, b"y", 3600]])
        SHARED.execute("ALTER TABLE rows WITH comment = ''")
        await session.write("keep", KEEP)
        found = await session.read("rows", [b"anna", 1, 0, 9, 10])
        assert [(position, row) for position, _, row in found] == [(7, b"x"), (8, b"y")]


async def test_askers_that_go_away_leave_nothing_behind(cassandra: CassandraSettings) -> None:
    settings = cassandra.model_copy(update={"max_in_flight": 5})
    async with opened(CassandraSession(settings, STORING)) as session:
        for delay_s in (0, 0, 0.001, 0.002, 0.005):
            asking = [asyncio.create_task(session.write("keep", KEEP)) for _ in range(50)]
            await asyncio.sleep(delay_s)
            for task in asking:
                task.cancel()
            await asyncio.gather(*asking, return_exceptions=True)
        # Each of the five places is free again.
        await asyncio.gather(*(session.read("mark", MARK) for _ in range(20)))


async def test_a_wrong_data_centre_is_said(cassandra: CassandraSettings) -> None:
    wrong = cassandra.model_copy(update={"local_dc": "elsewhere"})
    async with opened(CassandraSession(wrong, READING)) as session:
        with pytest.raises(Unavailable, match="data centre elsewhere"):
            await session.read("mark", MARK)


async def test_nodes_that_come_back_under_other_addresses_are_found(
    cassandra: CassandraSettings,
) -> None:
    port, former, later = free_port(), "127.0.0.8", "127.0.0.9"
    settings = cassandra.model_copy(
        update={
            "contact_points": (f"{former}:{port}", f"{later}:{port}"),
            "reconnect_after_s": 0.5,
            "attempts": 1,
        }
    )
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(opened(CassandraSession(settings, READING)))
        async with forwarding(former, port, cassandra.contact_port):
            await session.read("mark", MARK)
        await stack.enter_async_context(forwarding(later, port, cassandra.contact_port))
        refused = 0
        async with asyncio.timeout(60):
            while True:
                try:
                    await session.read("mark", MARK)
                    break
                except Unavailable:
                    refused += 1
                    await asyncio.sleep(0.1)
        assert refused


async def test_bounded_a_node_that_falls_silent_is_said_though_speculation_finds_no_other(
    cassandra: CassandraSettings,
) -> None:
    hasty = cassandra.model_copy(
        update={"request_timeout_s": 1.0, "speculate_after_s": 0.05, "attempts": 2}
    )
    async with opened(CassandraSession(hasty, STORING)) as session:
        await session.write("keep", KEEP)
        node = SHARED.node()
        node.freeze()
        try:
            async with asyncio.timeout(60):
                with pytest.raises(Unavailable):
                    await session.write("keep", KEEP)
        finally:
            node.thaw()
        async with asyncio.timeout(60):
            while True:
                try:
                    await session.write("keep", KEEP)
                    break
                except Unavailable:
                    await asyncio.sleep(0.1)
