"""Prints the tables of docs/capacity.md: what a load takes, from bench/figures.py by bench/sizing.py.

.venv/bin/python -m bench.capacity [--write docs/capacity.md]
"""

import argparse
import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.figures import FIGURES, value
from bench.markdown import amount, size, table
from bench.sizing import (
    CELL_OF_10,
    LOADS,
    MAX_COURIERS,
    SHIPPED_1M,
    TUNED_10M,
    Load,
    call_everybody_s,
    checkpoints_per_s,
    confirm_s,
    cores,
    deliver_cores,
    delivers_per_s,
    device_bytes_per_s,
    doors,
    engine_cores,
    envoy_cores,
    envoys,
    gateways,
    idle_cores,
    inbox_bytes,
    inbox_nodes,
    inbox_read_cores,
    looks_per_s,
    partitions,
    processes,
    processors,
    push_cores,
    pushes_per_s,
    reno_cores,
    replica_sessions,
    round_s,
    sessions_of_partition,
)

TABLE = r"(?s)(<!-- table (\w+) -->)\n.*?\n?(<!-- end -->)"
"""Where a table stands in the page."""


def summary_rows() -> list[tuple[str, ...]]:
    """The answer: counts and cores, 30 days of inbox."""
    wholes = [(SHIPPED_1M, 1), (TUNED_10M, 1), (CELL_OF_10, 10)]
    lines: list[tuple[str, Callable[[Load], float]]] = [
        ("doors", doors),
        ("NATS servers", lambda _: value("replicas")),
        ("processors", processors),
        ("presence replicas, two a partition", lambda of: 2 * partitions(of)),
        ("gateways", gateways),
        ("Envoys", envoys),
        ("cores of RENO", reno_cores),
        ("Cassandra nodes, 30 days kept", lambda of: max(inbox_nodes(of, 30))),
        ("cores of NATS, Envoy, Cassandra", engine_cores),
    ]
    return [
        (name, *(amount(math.ceil(count(load)) * times) for load, times in wholes))
        for name, count in lines
    ]


def network_rows(load: Load) -> list[tuple[str, ...]]:
    """Payload and protobuf at each hop; without the framing of TCP, NATS and CQL."""
    logged = load.events_per_s * value("log_bytes")
    stored = load.events_per_s * value("row_bytes")
    others = value("replicas") - 1
    hops = [
        ("doors to the log", logged),
        ("between the log's servers", logged * others),
        ("log to processors", logged),
        ("processors to Cassandra", stored),
        ("between Cassandra's nodes", stored * others),
        ("processors to gateways", pushes_per_s(load) * value("row_bytes")),
        ("gateways to Envoys, and Envoys to devices, each", device_bytes_per_s(load)),
    ]
    total = sum(rate for _, rate in hops) + device_bytes_per_s(load)
    return [
        (name, f"{size(rate)}/s", f"{rate * 8 / 1e9:.2f} Gbit/s")
        for name, rate in [*hops, ("all of it", total)]
    ]


def event_rows(load: Load) -> list[tuple[str, ...]]:
    """What the events take, whoever is connected."""
    stages: tuple[tuple[str, float, float], ...] = (
        ("ingestion, batches of 500", value("door_us"), 1.0),
        ("ingestion, one event a call", value("door_us") + value("unary_us"), 1.0),
        ("NATS, all copies", value("log_us"), value("replicas")),
        ("processors, embedded inbox", value("processor_us"), 1.0),
        ("presence, look-ups", value("presence_us"), 1.0),
        ("processors, Cassandra driver on top", value("driver_us"), 1.0),
        (
            "Cassandra, all copies",
            value("inbox_insert_us") * value("compaction"),
            value("replicas"),
        ),
    )
    rows: list[tuple[str, ...]] = []
    for name, us, copies in stages:
        used = cores(us * copies, load.events_per_s)
        count = "servers" if "all copies" in name else str(processes(used))
        rows.append((name, f"{us:.1f}", f"{copies:.0f}", f"{used:.1f}", count))
    return rows


def device_rows(loads: Sequence[Load]) -> list[tuple[str, ...]]:
    """One line a quantity, one column a load."""
    lines: list[tuple[str, Callable[[Load], str]]] = [
        (
            "look, checkpoint, lease",
            lambda of: f"{of.look_s:g}, {of.checkpoint_s:g}, {of.lease_s:g} s",
        ),
        ("events/s", lambda of: amount(of.events_per_s)),
        ("looks/s", lambda of: amount(looks_per_s(of))),
        ("checkpoints/s", lambda of: amount(checkpoints_per_s(of))),
        ("new streams/s", lambda of: amount(of.devices / value("stream_life_s"))),
        ("gateways' cores while nothing happens", lambda of: amount(idle_cores(of))),
        ("gateways' cores for pushes", lambda of: amount(push_cores(of))),
        ("gateway processes", lambda of: amount(gateways(of))),
        (
            f"more gateways than a shard remembers ({MAX_COURIERS})",
            lambda of: "yes" if gateways(of) > MAX_COURIERS else "no",
        ),
        ("gateways' memory", lambda of: size(of.devices * value("stream_bytes"))),
        ("Envoys", lambda of: amount(envoys(of))),
        ("Envoys' cores", lambda of: amount(envoy_cores(of))),
        ("Deliver calls/s", lambda of: amount(delivers_per_s(of))),
        ("processors' cores for Deliver", lambda of: amount(deliver_cores(of))),
        (
            "processors, with rounds of 50 ms where the shards allow",
            lambda of: amount(processors(of)),
        ),
        ("a round of the low lane, a process a shard", lambda of: f"{round_s(of):.2f} s"),
        (
            f"CPU to call every gateway once, of {value('deliver_timeout_s'):g} s",
            lambda of: f"{call_everybody_s(of):.2f} s",
        ),
        ("Cassandra's cores for looks", lambda of: amount(inbox_read_cores(of))),
        ("sessions a presence replica may hold", lambda of: amount(replica_sessions(of))),
        ("presence partitions", lambda of: amount(partitions(of))),
        (
            "memory of a replica",
            lambda of: size(sessions_of_partition(of) * value("session_bytes")),
        ),
        (
            "CPU to learn them",
            lambda of: f"{sessions_of_partition(of) * value('learn_us') / 1e6:.1f} s",
        ),
        ("to the devices", lambda of: f"{size(device_bytes_per_s(of))}/s"),
    ]
    return [(name, *(show(load) for load in loads)) for name, show in lines]


def log_rows(load: Load) -> list[tuple[str, ...]]:
    """What the log takes, and when it is full."""
    into = load.events_per_s * value("log_bytes")
    syncs = value("log_syncs_per_s")
    rows: list[tuple[str, ...]] = [
        ("into the log", f"{size(into)}/s"),
        ("between its servers, R3", f"{size(into * (value('replicas') - 1))}/s"),
        ("full as shipped, nothing processed", f"{value('log_max_bytes') / into:.0f} s"),
        ("for an hour of nothing processed", size(into * 3600)),
        ("events an envelope must have at the disk's syncs", f"{load.events_per_s / syncs:.0f}"),
        (
            "the low lane's leader",
            f"{cores(value('log_us'), load.events_per_s * value('low_share')):.2f} cores",
        ),
    ]
    for count, shards in ((3, 16), (8, 16), (8, 64), (32, 64)):
        waits = confirm_s(count, shards, syncs)
        verdict = "confirmed"
        if waits > value("publish_timeout_s"):
            verdict = "sent again" if waits < value("deadline_s") else "UNCERTAIN"
        rows.append(
            (
                f"PubAck at worst, {count} doors x {shards} shards",
                f"{waits * 1e3:.0f} ms, {verdict}",
            )
        )
    known = load.events_per_s * value("window_s")
    rows.append(
        ("ids in the duplicate window", f"{amount(known)}, {size(known * value('known_id_bytes'))}")
    )
    return rows


def inbox_rows(load: Load) -> list[tuple[str, ...]]:
    """Days of inbox."""
    rows: list[tuple[str, ...]] = []
    for days in (1, 7, 30):
        one = inbox_bytes(load, days)
        by_disk, by_cpu = inbox_nodes(load, days)
        rows.append(
            (
                f"{days}",
                amount(one / value("row_bytes")),
                size(one),
                size(one * value("replicas")),
                f"{by_disk}",
                f"{by_cpu}",
            )
        )
    return rows


def today_rows() -> list[tuple[str, ...]]:
    """How far one presence partition, which is what exists, stays truthful after a restart."""
    rows: list[tuple[str, ...]] = []
    for lease_s in (5, 15, 30, 60):
        held = replica_sessions(Load("", 1, lease_s=lease_s))
        memory = size(held * value("session_bytes"))
        rows.append(
            (f"{lease_s} s", amount(held), memory, amount(held / value("gateway_sessions")))
        )
    return rows


def tables() -> dict[str, str]:
    """Every table of the page, by its name there."""
    inputs = [
        (name, f"{one.value:g}", one.unit, one.known.value, one.source)
        for name, one in FIGURES.items()
    ]
    base = TUNED_10M
    return {
        "summary": table(
            ("150,000 events/s and", "1 M devices, as shipped", "10 M, tuned", "100 M, ten cells"),
            summary_rows(),
        ),
        "network": table(("hop", "", ""), network_rows(base)),
        "events": table(
            ("at 150,000 events/s", "µs each", "copies", "cores", "processes"), event_rows(base)
        ),
        "log": table(("the log at 150,000 events/s", ""), log_rows(base)),
        "devices": table(("", *(load.name for load in LOADS)), device_rows(LOADS)),
        "presence": table(("lease", "sessions a replica", "its memory", "gateways"), today_rows()),
        "inbox": table(
            ("days", "rows", "one copy", "three copies", "nodes by disk", "by CPU"),
            inbox_rows(base),
        ),
        "inputs": table(("name", "value", "unit", "known", "from"), inputs),
    }


def written(page: str) -> str:
    """The page with its tables as they are computed now. Raises KeyError for a table that does not exist."""
    shown = tables()

    def put(found: "re.Match[str]") -> str:
        return f"{found[1]}\n{shown[found[2]]}\n{found[3]}"

    return re.sub(TABLE, put, page)


def main() -> None:
    """Prints the tables, or writes them into a page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", type=Path)
    chosen = parser.parse_args()
    if chosen.write:
        chosen.write.write_text(written(chosen.write.read_text("utf-8")), "utf-8")
    else:
        for name, text in tables().items():
            print(f"{name}\n\n{text}\n")


if __name__ == "__main__":
    main()
