"""What a load takes: pure arithmetic over bench/figures.py.

A core is one core of the machine that measured; a process uses at most `busy` of one. Rates are peaks, and steady.
"""

import math
from dataclasses import dataclass

from bench.figures import value

LANES = 3
MAX_COURIERS = 4096
"""processor.couriers.MAX_COURIERS (a test holds them together)."""


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked of one installation, and the settings that matter for it."""

    name: str
    devices: float
    events_per_s: float = 150_000
    look_s: float = value("look_s")
    checkpoint_s: float = value("checkpoint_s")
    lease_s: float = value("lease_s")
    shards_a_lane: int = 16
    batch_s: float = 0.05
    """How long a shard's round of store, look up and deliver takes; what arrives meanwhile is the next batch."""


SHIPPED_1M = Load("1 M, as shipped", 1e6)
SHIPPED_10M = Load("10 M, as shipped", 10e6)
TUNED_10M = Load("10 M, tuned", 10e6, look_s=300, checkpoint_s=54, lease_s=15)
ONE_100M = Load("100 M in one", 100e6, look_s=300, checkpoint_s=54, lease_s=30, shards_a_lane=64)
CELL_OF_10 = Load(
    "a cell, one of 10", 10e6, events_per_s=15_000, look_s=300, checkpoint_s=54, lease_s=15
)
LOADS = (SHIPPED_1M, SHIPPED_10M, TUNED_10M, ONE_100M, CELL_OF_10)


def cores(us: float, per_s: float) -> float:
    """Of something that takes so many microseconds so often."""
    return us * per_s / 1e6


def processes(used_cores: float, spare: int = 1) -> int:
    """With one to lose."""
    return math.ceil(used_cores / value("busy")) + spare


def gateways(load: Load) -> int:
    """By sessions or by CPU, whichever asks for more."""
    by_sessions = math.ceil(load.devices / value("gateway_sessions"))
    return max(by_sessions, math.ceil(idle_cores(load) / value("busy")))


def looks_per_s(load: Load) -> float:
    """Sessions that read their inbox though nothing happened."""
    return load.devices / load.look_s


def checkpoints_per_s(load: Load) -> float:
    """Frames that say nothing but the cursor."""
    return load.devices / load.checkpoint_s


def idle_cores(load: Load) -> float:
    """Of all gateways while no event comes."""
    looking = cores(value("look_us"), looks_per_s(load))
    return looking + cores(value("checkpoint_us"), checkpoints_per_s(load))


def inbox_read_cores(load: Load) -> float:
    """Of Cassandra, for the looks: each lane is read from two replicas of three."""
    return cores(value("read_us"), looks_per_s(load) * LANES * 2)


def pushes_per_s(load: Load) -> float:
    """Rows handed to gateways."""
    return load.events_per_s * value("pushes")


def delivers_per_s(load: Load) -> float:
    """Calls: in each round a shard calls every gateway that one of its rows is for, and rows fall on gateways at random."""
    shards = load.shards_a_lane * LANES
    count = gateways(load)
    rows = pushes_per_s(load) / shards * load.batch_s
    return shards / load.batch_s * count * -math.expm1(-rows / count)


def deliver_cores(load: Load) -> float:
    """Of the processors; as much again at the gateways."""
    return cores(value("deliver_call_us"), delivers_per_s(load)) + cores(
        value("deliver_row_us"), pushes_per_s(load)
    )


def replica_sessions(load: Load) -> float:
    """How many a replica that starts learns within one lease on half a core; a full collection must take less than half a lease too."""
    learned = 0.5 * load.lease_s * 1e6 / value("learn_us")
    return min(learned, load.lease_s / 2 / value("collection_s") * 1e6)


def partitions(load: Load) -> int:
    """Of presence, by member hash."""
    return math.ceil(load.devices / replica_sessions(load))


def inbox_bytes(load: Load, days: float) -> float:
    """Of one copy, when everything is kept for so long."""
    rows = load.events_per_s * value("average_of_peak") * 86_400 * days
    return rows * value("row_bytes")


def inbox_nodes(load: Load, days: float) -> tuple[int, int]:
    """(by disk, by CPU of writes and looks)."""
    stored = inbox_bytes(load, days) * value("replicas")
    writing = cores(value("inbox_insert_us") * value("compaction"), load.events_per_s)
    used = writing * value("replicas") + inbox_read_cores(load)
    by_cpu = math.ceil(used / value("busy") / value("node_cores"))
    return math.ceil(stored / value("disk_bytes")), max(3, by_cpu)


def confirm_s(doors: int, shards: int, syncs_per_s: float) -> float:
    """How long a lane's PubAck waits when every door has an envelope under way for every shard, and the log syncs each by itself."""
    return doors * shards / syncs_per_s


def push_cores(load: Load) -> float:
    """Of all gateways, for pushes."""
    return cores(value("gateway_push_us"), pushes_per_s(load)) + deliver_cores(load)


def envoy_cores(load: Load) -> float:
    """Of all Envoys, for frames."""
    frames = pushes_per_s(load) + looks_per_s(load) + checkpoints_per_s(load)
    return cores(value("envoy_us"), frames)


def sessions_of_partition(load: Load) -> float:
    """Each replica of a partition holds them all."""
    return load.devices / partitions(load)


def device_bytes_per_s(load: Load) -> float:
    """To all devices."""
    pushed = pushes_per_s(load) * value("pushed_bytes") * value("tls_bytes")
    return pushed + (looks_per_s(load) + checkpoints_per_s(load)) * value("checkpoint_bytes")
