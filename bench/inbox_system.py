"""The whole of RENO with its inbox in Cassandra: events/s from PublishBatch until all can be pulled, and the driver alone in the same run.

    .venv/bin/python -m bench.inbox_system [--seconds 10] [--rounds 3] [--contact-point HOST:PORT]

In turns the driver alone inserts rows, and a real `reno up --inbox cassandra` takes events that are published for so many seconds, and stores them. Generator,
doors, log, processors, presence and Cassandra share the cores, the driver alone shares them with Cassandra only: what a row costs the processors, from their
CPU accounts, is the figure that travels between machines.
"""

import argparse
import asyncio
import json
import platform
import time
from pathlib import Path
from statistics import median

from bench.cassandra_drivers import acsylla_alone
from bench.cassandra_node import node
from bench.cassandra_rows import Source
from bench.first import MEMBERS, TYPES, WEIGHTS, batches, publish_for, until_stored
from bench.system import System, running
from reno.adapters import cassandra_schema
from reno.config.cassandra_settings import CassandraSettings


async def measure(
    system: System, settings: CassandraSettings, seconds: float, rounds: int
) -> dict[str, object]:
    """Medians of the rounds; one before them warms all up."""
    events = batches([f"m{n}" for n in range(MEMBERS)], TYPES, WEIGHTS)
    rows = Source(MEMBERS)
    alone: list[float] = []
    stored: list[float] = []
    cpu_us: dict[str, list[float]] = {}
    accepted, _ = await publish_for(system.address("ingestion"), 1.0, events)
    await until_stored(system)
    for _ in range(rounds):
        appends = rows.appends(max(accepted, 1))
        count = sum(len(write.rows) for _, writes in appends for write in writes)
        started = time.perf_counter()
        await acsylla_alone(settings, appends)
        alone.append(count / (time.perf_counter() - started))

        before, started = system.cpu_s(), time.perf_counter()
        accepted, _ = await publish_for(system.address("ingestion"), seconds, events)
        await until_stored(system)
        stored.append(accepted / (time.perf_counter() - started))
        for name, used in system.cpu_s().items():
            cpu_us.setdefault(name, []).append((used - before[name]) * 1e6 / accepted)
    pairs = zip(stored, alone, strict=True)
    return {
        "driver_alone_rows_per_s": round(median(alone)),
        "stored_events_per_s": round(median(stored)),
        "reno_to_driver": round(median(mine / its for mine, its in pairs), 3),
        "cpu_us_per_event": {name: round(median(found), 1) for name, found in cpu_us.items()},
    }


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--contact-point")
    options = parser.parse_args()
    with node(options.contact_point) as contact_point:
        alone, whole = (
            CassandraSettings(
                contact_points=(contact_point,),
                keyspace=f"bench_{what}_{time.time_ns()}",
                request_timeout_s=10.0,
                connect_timeout_s=60.0,
            )
            for what in ("alone", "whole")
        )
        environment = {
            "RENO_INBOX__CONTACT_POINTS": json.dumps(whole.contact_points),
            "RENO_INBOX__KEYSPACE": whole.keyspace,
            "RENO_INBOX__REQUEST_TIMEOUT_S": "10",
        }
        catalogue = Path(__file__).with_name("catalogue.toml")
        cassandra_schema.apply(alone)
        try:
            with running(catalogue, ("--inbox", "cassandra"), environment) as system:
                found = asyncio.run(measure(system, alone, options.seconds, options.rounds))
        finally:
            for settings in (alone, whole):
                cassandra_schema.drop(settings)
    machine = f"{platform.machine()}, Python {platform.python_version()}"
    print(json.dumps({"machine": machine, **found}, indent=2))


if __name__ == "__main__":
    main()
