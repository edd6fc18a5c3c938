"""The inbox in Cassandra: inserts/s through the adapter and by its driver alone in the same run, and how long a member's pull takes.

    .venv/bin/python -m bench.inbox [--rows 1000000] [--rounds 5] [--pulls 2000] [--contact-point HOST:PORT]

Each round inserts the same rows by acsylla alone, through the adapter and by cassandra-driver alone, in turning order, so that a machine that
warms up, tires or is busy is so for all; figures are medians of the rounds. Then whole pages of random members are pulled, through the adapter
and through a gateway's Pull. Without a contact point it starts a node of its own (Java and Maven needed) and ends it. Everything is on
the same cores, this process included.
"""

import argparse
import asyncio
import json
import platform
import time
from collections.abc import Sequence
from statistics import median

from bench.cassandra_drivers import acsylla_alone, cassandra_driver_alone
from bench.cassandra_node import node
from bench.cassandra_pulls import through_gateway, through_reader
from bench.cassandra_rows import LANE, SHARDS, Append, Source
from reno.adapters import cassandra_schema
from reno.adapters.cassandra_inbox import CassandraInbox
from reno.adapters.cassandra_session import CassandraSession
from reno.adapters.cassandra_statements import STORING
from reno.config.cassandra_settings import CassandraSettings
from reno.domain.priority import LANES
from reno.ports import Shard

ROWS_A_MEMBER = 20
ROUND_ROWS = 32_000


async def through_adapter(inbox: CassandraInbox, appends: Sequence[Append]) -> None:
    """Shards at once, each one append after the other, as owners do."""

    async def owner(shard: int) -> None:
        for number, writes in appends:
            if number == shard:
                await inbox.append(Shard(LANE, shard, SHARDS), writes)

    await asyncio.gather(*map(owner, range(SHARDS)))


def rows_of(appends: Sequence[Append]) -> int:
    """How many."""
    return sum(len(write.rows) for _, writes in appends for write in writes)


async def measure_inserts(
    settings: CassandraSettings, source: Source, rows: int, rounds: int
) -> dict[str, object]:
    """Takes turns. The first round warms all up and does not count; what is left of the rows is stored by the adapter."""
    session = CassandraSession(settings, STORING)
    inbox = CassandraInbox(session, LANE, SHARDS, read_timeout_s=10.0)
    await inbox.last_entry(Shard(LANE, 0, SHARDS))
    names = ["acsylla", "adapter", "cassandra_driver"]
    rates: dict[str, list[float]] = {name: [] for name in names}
    cpu_us: dict[str, list[float]] = {name: [] for name in names}
    stored = 0
    for number in range(rounds + 1):
        appends = source.appends(ROUND_ROWS)
        count = rows_of(appends)
        stored += count
        for turn in range(len(names)):
            name = names[(number + turn) % len(names)]
            cpu_s, started = time.process_time(), time.perf_counter()
            if name == "acsylla":
                await acsylla_alone(settings, appends)
            elif name == "adapter":
                await through_adapter(inbox, appends)
            else:
                await cassandra_driver_alone(settings, appends)
            if number:
                rates[name].append(count / (time.perf_counter() - started))
                cpu_us[name].append((time.process_time() - cpu_s) / count * 1e6)
    while stored < rows:
        appends = source.appends(min(ROUND_ROWS, rows - stored))
        await through_adapter(inbox, appends)
        stored += rows_of(appends)
    await inbox.close()
    pairs = zip(rates["adapter"], rates["acsylla"], strict=True)
    return {
        "stored_rows": stored,
        "rounds": rounds,
        "rows_per_s": {name: round(median(found)) for name, found in rates.items()},
        "client_cpu_us_per_row": {name: round(median(found), 1) for name, found in cpu_us.items()},
        "adapter_to_acsylla": round(median(mine / its for mine, its in pairs), 3),
    }


async def claim_lanes(settings: CassandraSettings) -> None:
    """So that a gateway finds each lane, were it empty."""
    for lane in LANES:
        inbox = CassandraInbox(CassandraSession(settings, STORING), lane, SHARDS, read_timeout_s=10)
        await inbox.last_entry(Shard(lane, 0, SHARDS))
        await inbox.close()


async def measure(
    settings: CassandraSettings, rows: int, rounds: int, pulls: int
) -> dict[str, object]:
    """All of it, in a keyspace of its own that is dropped."""
    await asyncio.to_thread(cassandra_schema.apply, settings)
    try:
        source = Source(max(rows // ROWS_A_MEMBER, SHARDS * 10))
        inserts = await measure_inserts(settings, source, rows, rounds)
        await claim_lanes(settings)
        return {
            "members": source.members,
            "inserts": inserts,
            "pulls_by_adapter": [
                await through_reader(settings, source.members, pulls, n) for n in (1, 16)
            ],
            "pulls_by_gateway": await through_gateway(settings, source.members, pulls, (1, 16)),
        }
    finally:
        await asyncio.to_thread(cassandra_schema.drop, settings)


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
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
            connect_timeout_s=60.0,
        )
        found = asyncio.run(measure(settings, options.rows, options.rounds, options.pulls))
    machine = f"{platform.machine()}, Python {platform.python_version()}"
    print(json.dumps({"machine": machine, "in_flight": options.in_flight, **found}, indent=2))


if __name__ == "__main__":
    main()
