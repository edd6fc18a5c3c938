"""Bounded: what was delivered leaves the log, however the way to it breaks."""

import asyncio

from reno.adapters.nats_connection import NatsConnection
from reno.adapters.nats_log_reader import NatsLogReader
from reno.adapters.nats_log_writer import NatsLogWriter
from reno.domain.priority import Priority
from reno.ports import LogAbsent, LogRecord, LogUnconfirmed
from tests.reno.adapters.log_contract import HIGH_0, append_until_confirmed, eventually
from tests.servers.nats import NatsProcess
from tests.servers.proxy import ProxyThread


async def test_after_a_break_it_can_be_purged_though_nothing_comes(
    fresh_nats: NatsProcess,
) -> None:
    """The server may go on with a reader's request when the same client is soon back: nothing falls silent then."""
    proxies = ProxyThread()
    way = proxies.proxy(fresh_nats.port)
    through = fresh_nats.settings(servers=(f"nats://127.0.0.1:{way.port}",))
    connection = NatsConnection(through, "test", reconnect_wait_s=0.01)
    await connection.connect()
    reader, writer = NatsLogReader(connection, through, 1 << 20), NatsLogWriter(connection)
    await reader.open_lane(Priority.HIGH)
    seen: list[LogRecord] = []

    async def read() -> None:
        async for batch in reader.read(HIGH_0, 1):
            seen.extend(batch)

    async def is_purged() -> bool:
        try:
            await reader.purge(HIGH_0, seen[-1].sequence, seen[-1].reading)
        except (LogAbsent, LogUnconfirmed):
            return False
        return True

    following = asyncio.create_task(read())
    try:
        for number in range(3):
            last = await append_until_confirmed(writer, HIGH_0, b"%d" % number)
            await eventually(lambda last=last: _is_seen(seen, last))  # type: ignore[misc]
            connected_for = connection.connected_for
            way.cut()
            way.mend()
            await eventually(lambda before=connected_for: _is_another(connection, before))  # type: ignore[misc]
            await eventually(is_purged)
            assert await reader.lag(HIGH_0) == 0
        # As where the answer to a purge was lost with the connection: there is nothing to read again.
        assert await is_purged()
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await connection.close()
        proxies.close()


async def _is_seen(seen: list[LogRecord], sequence: int) -> bool:
    return bool(seen) and seen[-1].sequence >= sequence


async def _is_another(connection: NatsConnection, before: int) -> bool:
    return connection.connected_for != before
