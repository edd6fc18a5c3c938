"""How long a whole page of a random member takes: by the adapter's reader, and by a gateway's Pull."""

import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import grpc

from bench.cassandra_node import free_port
from bench.cassandra_rows import LANE
from reno.adapters.cassandra_reader import CassandraReader
from reno.adapters.cassandra_session import CassandraSession
from reno.adapters.cassandra_statements import READING
from reno.config.cassandra_settings import CassandraSettings
from reno.ports import Slice
from reno.v1.notification_service_pb2 import PullRequest, PullResponse

PAGE_ROWS, PAGE_BYTES = 200, 1 << 20
PULL = "/reno.v1.NotificationService/Pull"

Pull = Callable[[str], Awaitable[int]]
"""Of a member: how many rows came."""


async def timed(pull: Pull, members: int, pulls: int, callers: int) -> dict[str, object]:
    """The first fifth warms up and does not count."""
    picked = iter(random.Random(2).choices(range(members), k=pulls + pulls // 4))
    took_ms: list[float] = []
    rows = 0

    async def caller() -> None:
        nonlocal rows
        for member in picked:
            started = time.perf_counter()
            got = await pull(f"m{member}")
            rows += got
            took_ms.append((time.perf_counter() - started) * 1000)

    await asyncio.gather(*(caller() for _ in range(callers)))
    measured = sorted(took_ms[pulls // 4 :])
    return {
        "callers": callers,
        "rows_a_page": round(rows / len(took_ms), 1),
        "p50_ms": round(measured[len(measured) // 2], 2),
        "p99_ms": round(measured[len(measured) * 99 // 100], 2),
    }


async def through_reader(
    settings: CassandraSettings, members: int, pulls: int, callers: int
) -> dict[str, object]:
    """One lane; each pull is three requests to Cassandra, one after the other."""
    reader = CassandraReader(CassandraSession(settings, READING), timeout_s=10.0)

    async def pull(member: str) -> int:
        wanted = Slice("", member, "d", 0, PAGE_ROWS, PAGE_BYTES)
        (page,) = await reader.read(LANE, [wanted], time.time_ns() // 1_000_000)
        return len(page.rows)

    found = await timed(pull, members, pulls, callers)
    await reader.close()
    return found


async def through_gateway(
    settings: CassandraSettings, members: int, pulls: int, callers: Sequence[int]
) -> list[dict[str, object]]:
    """All three lanes, by gRPC, the page rendered; a gateway process of its own."""
    with gateway(settings) as address:
        async with grpc.aio.insecure_channel(address) as channel:
            await asyncio.wait_for(channel.channel_ready(), 60)
            call = channel.unary_unary(PULL)

            async def pull(member: str) -> int:
                device = (("reno-member", member), ("reno-device", "d"), ("reno-class", "tv"))
                answer = await call(PullRequest().SerializeToString(), metadata=device, timeout=30)
                page = PullResponse.FromString(answer)
                if page.missing:
                    raise RuntimeError(f"lanes {page.missing} did not answer")
                return len(page.notifications)

            return [await timed(pull, members, pulls, number) for number in callers]


@contextmanager
def gateway(settings: CassandraSettings) -> Iterator[str]:
    """Its door's address. Nobody else of the mesh is needed to pull."""
    port = free_port()
    environment = os.environ | {
        "RENO_GATEWAY__LISTEN": f"127.0.0.1:{port}",
        "RENO_GATEWAY__LISTEN_INTERNAL": f"127.0.0.1:{free_port()}",
        "RENO_GATEWAY__READ_TIMEOUT_S": "10",
        "RENO_INBOX__ENGINE": "cassandra",
        "RENO_INBOX__CONTACT_POINTS": json.dumps(settings.contact_points),
        "RENO_INBOX__KEYSPACE": settings.keyspace,
        "RENO_PRESENCE__REPLICAS": json.dumps([f"127.0.0.1:{free_port()}"]),
    }
    with (
        tempfile.TemporaryDirectory(prefix="reno-bench-") as folder,
        Path(folder, "log").open("wb") as log,
    ):
        child = subprocess.Popen(
            [sys.executable, "-m", "reno.cli.main", "serve", "gateway"],
            env=environment,
            stdout=log,
            stderr=log,
        )
        try:
            yield f"127.0.0.1:{port}"
        finally:
            child.terminate()
            child.wait(60)
