"""Slow devices: a tenth of all devices stop reading, and what that is to the others.

    .venv/bin/python -m bench.slow [--devices 5000] [--stalled 500] [--seconds 15]

A real `reno up`; the devices' streams, many a connection, are held by processes on the same cores, those that stall by one of their own. The same events/s go to all devices in both
measurements. Between them those that stall are sent more than their windows hold.
"""

import argparse
import asyncio
import json
import os
import time
from pathlib import Path

import grpc

from bench.devices import devices_away, event_id, member_of
from bench.first import PUBLISH
from bench.steady import HIGH, LATE_S, Steady, delays
from bench.system import System, running
from reno.v1.ingestion_service_pb2 import PublishBatchRequest

PROCESSES = 2
HIGH_PER_S = 150
STRIDE = 7919
"""A prime: one device after the other, all over."""

PAYLOAD_BYTES = 1000
FILL_BYTES = 16 * 1024
FILL_EVENTS = 12
"""For each that stalls: several times what a stream's window and the layers above it take in."""

BATCH = 25
SETTLE_S = 5.0
LET_GO_S = 35.0
"""After the first blocked write: longer than gateway.stalled_after_s."""


async def fill(system: System, numbers: range) -> None:
    """Events until each of these devices has more than it takes in unread."""
    async with grpc.aio.insecure_channel(system.address("ingestion")) as channel:
        call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(PUBLISH)
        for turn in range(FILL_EVENTS):
            for first in range(numbers.start, numbers.stop, BATCH):
                request = PublishBatchRequest()
                for number in range(first, min(first + BATCH, numbers.stop)):
                    request.events.add(
                        id=event_id(f"fill-{turn}", number, time.monotonic()),
                        type=HIGH,
                        member_id=member_of(number),
                        payload=b"x" * FILL_BYTES,
                    )
                metadata = (("reno-source", "bench"),)
                await call(request.SerializeToString(), metadata=metadata, timeout=LATE_S)


async def measure(system: System, count: int, stalled: int, seconds: float) -> dict[str, object]:
    """Before, and while some stand still."""
    reading = count - stalled
    doors = [system.address("devices")]
    async with (
        devices_away(doors, 0, reading, PROCESSES) as readers,
        devices_away(doors, reading, stalled) as [slow],
        Steady(
            system.address("ingestion"),
            lambda n: member_of(n * STRIDE % count),
            HIGH_PER_S,
            PAYLOAD_BYTES,
        ),
    ):
        await asyncio.sleep(SETTLE_S)
        before_s = time.monotonic()
        await asyncio.sleep(seconds)
        stalled_s = time.monotonic()
        slow.say("stall")
        await fill(system, range(reading, count))
        await asyncio.sleep(SETTLE_S)
        during_s = time.monotonic()
        await asyncio.sleep(seconds)
        during_end_s = time.monotonic()
        memory = system.resident_bytes()["gateway"]
        await asyncio.sleep(max(0.0, stalled_s + LET_GO_S + SETTLE_S - time.monotonic()))
        slow.say("read")
        await asyncio.sleep(SETTLE_S)
        arrivals = [each for one in readers for each in (await one.end()).arrivals]
        ends = (await slow.end()).ends
    before = delays(arrivals, before_s, stalled_s)
    during = delays(arrivals, during_s, during_end_s)
    return {
        "devices": count,
        "stalled": stalled,
        "stalled_let_go": ends,
        "before": before,
        "while_they_stall": during,
        "p99_ratio": round(during["p99_ms"] / before["p99_ms"], 2),
        "gateway_mib": round(memory / (1 << 20)),
    }


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, default=5000)
    parser.add_argument("--stalled", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=15.0)
    chosen = parser.parse_args()
    load = os.getloadavg()
    with running(Path(__file__).with_name("catalogue.toml")) as system:
        found = asyncio.run(measure(system, chosen.devices, chosen.stalled, chosen.seconds))
    print(json.dumps({"load_before": load, **found}, indent=2))


if __name__ == "__main__":
    main()
