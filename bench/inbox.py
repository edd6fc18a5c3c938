"""The inbox in Cassandra: inserts/s through the adapter and with its driver alone in the same run, and how long a member's pull takes.

    .venv/bin/python -m bench.inbox [--rows 100000] [--pulls 2000] [--contact-point HOST:PORT]

Without a contact point it starts a node of its own (Java and Maven needed) and ends it. Driver and adapter take turns, so that a
machine that warms up or tires does so for both. Everything is on the same cores, this process included.
"""

import argparse
import asyncio
import json
import platform
import random
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import acsylla  # type: ignore[import-untyped]

from reno.adapters import cassandra_schema
from reno.adapters.cassandra_inbox import CassandraInbox
from reno.adapters.cassandra_layout import KEEP_S, stored_row
from reno.adapters.cassandra_reader import CassandraReader
from reno.adapters.cassandra_session import CassandraSession
from reno.adapters.cassandra_statements import READING, STORING
from reno.config.cassandra_settings import CassandraSettings
from reno.domain.member import member_key, shard_of
from reno.domain.position import position_of
from reno.domain.priority import Priority
from reno.ports import EnvelopeWrite, JournalEntry, RowWrite, Shard, Slice

ROOT = Path(__file__).parents[1]
LANE = Priority.HIGH
SHARDS = 4
ROUNDS = 3
ENVELOPE_ROWS = 500
APPEND_ENVELOPES = 8
ROW = b"x" * 175
PAGE_ROWS, PAGE_BYTES = 200, 1 << 20
START_TIMEOUT_S = 100.0


class Source:
    """Envelopes of each shard, of random members."""

    def __init__(self, members: int) -> None:
        self._sequences = [0] * SHARDS
        self._random = random.Random(1)
        keys = [member_key("", f"m{n}") for n in range(members)]
        self._keys = [[key for key in keys if shard_of(key, SHARDS) == n] for n in range(SHARDS)]

    def append(self, shard: int) -> list[EnvelopeWrite]:
        """What one append of a busy processor holds."""
        return [self._envelope(shard) for _ in range(APPEND_ENVELOPES)]

    def _envelope(self, shard: int) -> EnvelopeWrite:
        self._sequences[shard] = sequence = self._sequences[shard] + 1
        now_ms = time.time_ns() // 1_000_000
        entry = JournalEntry(
            0, sequence, now_ms, bytes(16), b"\1" * ENVELOPE_ROWS, b"identity-12b" * ENVELOPE_ROWS
        )
        owners = self._random.choices(self._keys[shard], k=ENVELOPE_ROWS)
        expires_ms = now_ms + 7 * 86_400_000
        rows = [
            RowWrite(owner, position_of(0, sequence, index), expires_ms, ROW)
            for index, owner in enumerate(owners)
        ]
        return EnvelopeWrite(entry, rows)


async def driver_alone(
    settings: CassandraSettings, appends: Sequence[list[EnvelopeWrite]]
) -> float:
    """Seconds for the same rows, one INSERT each, as many in flight as the adapter may have, and nothing else."""
    cluster = acsylla.create_cluster(
        list(settings.contact_hosts),
        port=settings.contact_port,
        request_timeout=settings.request_timeout_s,
        consistency=settings.consistency,
        log_level="disabled",
    )
    session = await cluster.create_session(settings.keyspace)
    keep = await session.create_prepared(STORING["keep"])
    rows = iter([row for writes in appends for write in writes for row in write.rows])

    async def asker() -> None:
        for row in rows:
            await session.execute(
                keep([row.member_key, int(LANE), row.position, row.expires_at_ms, stored_row(row.row), KEEP_S])
            )  # fmt: skip

    started = time.perf_counter()
    await asyncio.gather(*(asker() for _ in range(settings.max_in_flight)))
    took = time.perf_counter() - started
    await session.close()
    cluster.destroy()
    return took


async def through_adapter(
    inbox: CassandraInbox, appends: Sequence[tuple[int, list[EnvelopeWrite]]]
) -> float:
    """Seconds; shards at once, each one append after the other, as owners do."""

    async def owner(shard: int) -> None:
        for number, writes in appends:
            if number == shard:
                await inbox.append(Shard(LANE, shard), writes)

    started = time.perf_counter()
    await asyncio.gather(*map(owner, range(SHARDS)))
    return time.perf_counter() - started


async def measure_inserts(
    settings: CassandraSettings, rows: int, members: int
) -> dict[str, object]:
    """Takes turns; the figure is all rows over all seconds."""
    session = CassandraSession(settings, STORING)
    inbox = CassandraInbox(session, LANE, SHARDS, read_timeout_s=10.0)
    await inbox.last_entry(Shard(LANE, 0))
    source = Source(members)
    per_append = ENVELOPE_ROWS * APPEND_ENVELOPES
    count = max(SHARDS, rows // per_append // ROUNDS)
    seconds = {"driver": 0.0, "adapter": 0.0}
    cpu_s = dict(seconds)
    for number in range(ROUNDS + 1):
        appends = [(n % SHARDS, source.append(n % SHARDS)) for n in range(count)]
        turns = ("adapter", "driver") if number % 2 else ("driver", "adapter")
        for turn in turns:
            cpu = time.process_time()
            if turn == "driver":
                took = await driver_alone(settings, [writes for _, writes in appends])
            else:
                took = await through_adapter(inbox, appends)
            # The first round warms the server up.
            if number:
                seconds[turn] += took
                cpu_s[turn] += time.process_time() - cpu
    await inbox.close()
    inserted = count * per_append * ROUNDS
    return {
        "rows_each": inserted,
        "driver_rows_per_s": round(inserted / seconds["driver"]),
        "adapter_rows_per_s": round(inserted / seconds["adapter"]),
        "adapter_to_driver": round(seconds["driver"] / seconds["adapter"], 3),
        "driver_cpu_us_per_row": round(cpu_s["driver"] / inserted * 1e6, 1),
        "adapter_cpu_us_per_row": round(cpu_s["adapter"] / inserted * 1e6, 1),
    }


async def measure_pulls(
    settings: CassandraSettings, pulls: int, members: int, callers: int
) -> dict[str, object]:
    """A whole page of a random member, from its start, so many at a time."""
    reader = CassandraReader(CassandraSession(settings, READING), timeout_s=10.0)
    picked = iter(random.Random(2).choices(range(members), k=pulls + pulls // 4))
    took_ms: list[float] = []
    rows = 0

    async def caller() -> None:
        nonlocal rows
        for member in picked:
            started = time.perf_counter()
            wanted = Slice("", f"m{member}", "", 0, PAGE_ROWS, PAGE_BYTES)
            (page,) = await reader.read(LANE, [wanted], time.time_ns() // 1_000_000)
            took_ms.append((time.perf_counter() - started) * 1000)
            rows += len(page.rows)

    await asyncio.gather(*(caller() for _ in range(callers)))
    await reader.close()
    measured = sorted(took_ms[pulls // 4 :])
    return {
        "callers": callers,
        "rows_a_page": round(rows / len(took_ms), 1),
        "p50_ms": round(measured[len(measured) // 2], 2),
        "p99_ms": round(measured[len(measured) * 99 // 100], 2),
    }


async def measure(settings: CassandraSettings, rows: int, pulls: int) -> dict[str, object]:
    """Both, in a keyspace of their own that is dropped."""
    members = max(rows // 10, SHARDS * 10)
    await asyncio.to_thread(cassandra_schema.apply, settings)
    try:
        return {
            "rows": rows,
            "members": members,
            "inserts": await measure_inserts(settings, rows, members),
            "pulls": [await measure_pulls(settings, pulls, members, n) for n in (1, 16)],
        }
    finally:
        await asyncio.to_thread(cassandra_schema.drop, settings)


@contextmanager
def node(contact_point: str | None) -> Iterator[str]:
    """The one that is given, or one of our own with 1 GiB of heap."""
    if contact_point:
        yield contact_point
        return
    subprocess.run([ROOT / "scripts" / "cassandra-jars"], check=True, stdout=subprocess.DEVNULL)
    ports = [_free_port() for _ in range(2)]
    directory = Path(tempfile.mkdtemp(prefix="reno-bench-"))
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            ["env", "CASSANDRA_HEAP=1G", ROOT / "scripts" / "cassandra", directory, "127.0.0.1", *map(str, ports)],
            stdout=log, stderr=log,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not _listens(ports[0]):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((directory / "log").read_text()[-2000:])
            time.sleep(0.2)
        yield f"127.0.0.1:{ports[0]}"
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(directory)


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--pulls", type=int, default=2000)
    parser.add_argument("--in-flight", type=int, default=256)
    parser.add_argument("--contact-point")
    options = parser.parse_args()
    with node(options.contact_point) as contact_point:
        settings = CassandraSettings(
            contact_points=(contact_point,),
            keyspace=f"bench_{time.time_ns()}",
            max_in_flight=options.in_flight,
            request_timeout_s=10.0,
        )
        found = asyncio.run(measure(settings, options.rows, options.pulls))
    machine = f"{platform.machine()}, Python {platform.python_version()}"
    print(json.dumps({"machine": machine, "in_flight": options.in_flight, **found}, indent=2))


if __name__ == "__main__":
    main()
