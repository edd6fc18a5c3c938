"""What a load takes: pure arithmetic over bench/figures.py.

A core is one core of the machine that measured; a process uses at most `busy` of one. Rates are peaks, and steady.
"""

import math
from dataclasses import dataclass

from bench.figures import value

LANES = 3
SHARES = (
    value("high_share"),
    1 - value("high_share") - value("low_share"),
    value("low_share"),
)
"""Of all events, by lane."""
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
    """By sessions or by CPU, whichever asks for more; more gateways get more calls, of which there are never more than rows."""
    count = math.ceil(load.devices / value("gateway_sessions"))
    while (needed := math.ceil(gateway_cores(load, count) / value("busy"))) > count:
        count = needed
    return count


def gateway_cores(load: Load, count: int) -> float:
    """Of so many gateways, with all that they do."""
    return idle_cores(load) + push_cores(load, count)


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


def calls_of_lane(load: Load, share: float, count: int, batch_s: float) -> float:
    """Deliver calls a second: in each round a shard calls every gateway that one of its rows is for, and rows fall on gateways at random."""
    rows = pushes_per_s(load) * share / load.shards_a_lane * batch_s
    return load.shards_a_lane / batch_s * count * -math.expm1(-rows / count)


def delivers_per_s(load: Load, count: int | None = None) -> float:
    """Calls of all lanes, to so many gateways."""
    to = count or gateways(load)
    return sum(calls_of_lane(load, share, to, load.batch_s) for share in SHARES)


def deliver_cores(load: Load, count: int | None = None) -> float:
    """Of the processors; as much again at the gateways."""
    calls = cores(value("deliver_call_us"), delivers_per_s(load, count))
    return calls + cores(value("deliver_row_us"), pushes_per_s(load))


def lane_cores(load: Load, share: float, batch_s: float) -> float:
    """Of a lane's processors: fold, store, deliver."""
    each = value("processor_us") + value("driver_us") + value("deliver_row_us") * value("pushes")
    calls = cores(value("deliver_call_us"), calls_of_lane(load, share, gateways(load), batch_s))
    return cores(each, load.events_per_s * share) + calls


def processors(load: Load) -> int:
    """Processes of all lanes, each lane with one to lose; a shard has one at most."""
    return sum(
        min(load.shards_a_lane, processes(lane_cores(load, share, load.batch_s)))
        for share in SHARES
    )


def round_s(load: Load) -> float:
    """Of the low lane when each of its shards has a process: rounds get longer, and calls fewer, until they fit. Infinite where storing alone is too much."""
    room = load.shards_a_lane * value("busy")
    shortest, longest = load.batch_s, 1e4
    if lane_cores(load, SHARES[-1], shortest) <= room:
        return shortest
    if lane_cores(load, SHARES[-1], longest) > room:
        return math.inf
    for _ in range(60):
        middle = (shortest + longest) / 2
        if lane_cores(load, SHARES[-1], middle) <= room:
            longest = middle
        else:
            shortest = middle
    return longest


def call_everybody_s(load: Load) -> float:
    """A processor's CPU for one call to each gateway; the calls of a round begin together, so each waits for the others."""
    return value("deliver_call_us") * gateways(load) / 1e6


def replica_sessions(load: Load) -> float:
    """How many a replica that starts learns within one lease on half a core; a full collection must take less than half a lease, and its limit stands."""
    learned = 0.5 * load.lease_s * 1e6 / value("learn_us")
    collected = load.lease_s / 2 / value("collection_s") * 1e6
    return min(learned, collected, value("max_sessions"))


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
    """How long a PubAck waits at worst: every door has an envelope under way for every shard of every lane, each server has a copy of all, and its disk syncs each by itself."""
    return doors * shards * LANES / syncs_per_s


def push_cores(load: Load, count: int | None = None) -> float:
    """Of all gateways, for pushes."""
    return cores(value("gateway_push_us"), pushes_per_s(load)) + deliver_cores(load, count)


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


def doors(load: Load) -> int:
    """Processes, batches of 500."""
    return processes(cores(value("door_us"), load.events_per_s))


def envoys(load: Load) -> int:
    """By connections or by CPU, whichever asks for more."""
    by_cpu = math.ceil(envoy_cores(load) / value("busy"))
    return max(math.ceil(load.devices / value("envoy_connections")), by_cpu)


def reno_cores(load: Load) -> float:
    """Of all roles."""
    ends = cores(value("door_us") + value("presence_us"), load.events_per_s)
    folding = sum(lane_cores(load, share, load.batch_s) for share in SHARES)
    return ends + folding + gateway_cores(load, gateways(load))


def engine_cores(load: Load) -> float:
    """Of what RENO runs on."""
    each = value("log_us") + value("inbox_insert_us") * value("compaction")
    storing = cores(each, load.events_per_s) * value("replicas")
    return storing + inbox_read_cores(load) + envoy_cores(load)
