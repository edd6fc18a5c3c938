"""What connected devices cost while nothing happens: memory a stream, CPU a checkpoint and CPU a look.

    .venv/bin/python -m bench.idle [--streams 2000] [--seconds 15]

A real `reno up` holds the streams; their inboxes are empty. Each cost is the slope between a system in which it hardly happens and one in which it happens often.
"""

import argparse
import asyncio
import json
import os
from collections.abc import Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import grpc

from bench.first import STREAMS_PER_CONNECTION, SUBSCRIBE, device
from bench.system import System, running
from reno.v1.notification_service_pb2 import SubscribeRequest, SubscribeResponse

if TYPE_CHECKING:
    from collections.abc import Iterator

SELDOM_S = 3600.0
OFTEN_S = 2.0


@contextmanager
def environment(values: Mapping[str, str]) -> "Iterator[None]":
    """For children that are started meanwhile."""
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


async def hold(system: System, streams: int, seconds: float) -> dict[str, dict[str, float]]:
    """With a quarter of the streams, then all: resident bytes of each process; then CPU seconds of each over `seconds`."""
    frames = 0
    current = 0
    connections = [
        grpc.aio.insecure_channel(
            system.address("devices"), options=[("grpc.use_local_subchannel_pool", 1)]
        )
        for _ in range(max(1, streams // STREAMS_PER_CONNECTION))
    ]

    async def listen(number: int) -> None:
        nonlocal frames, current
        call: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = connections[
            number % len(connections)
        ].unary_stream(SUBSCRIBE)
        is_current = False
        async for raw in call(
            SubscribeRequest().SerializeToString(), metadata=device(f"idle-{number}")
        ):
            frames += 1
            if not is_current and SubscribeResponse.FromString(raw).caught_up:
                is_current = True
                current += 1

    listeners: list[asyncio.Task[None]] = []

    async def open_until(number: int) -> None:
        while len(listeners) < number:
            listeners.append(asyncio.create_task(listen(len(listeners))))
            if len(listeners) % 50 == 0:
                await asyncio.sleep(0.1)
        async with asyncio.timeout(60):
            while current < number:
                await asyncio.sleep(0.1)

    await open_until(streams // 4)
    few_bytes = system.resident_bytes()
    await open_until(streams)
    many_bytes = system.resident_bytes()
    before_s, before_frames = system.cpu_s(), frames
    await asyncio.sleep(seconds)
    after_s = system.cpu_s()
    sent = frames - before_frames
    for task in listeners:
        task.cancel()
    await asyncio.gather(*listeners, return_exceptions=True)
    for connection in connections:
        await connection.close()
    added = streams - streams // 4
    return {
        "bytes_per_stream": {
            name: round((many_bytes[name] - few_bytes[name]) / added)
            for name in ("gateway", "presence")
        },
        "cpu_s": {name: after_s[name] - before_s[name] for name in after_s},
        "frames": {"received": sent},
    }


def held(
    streams: int, seconds: float, checkpoint_s: float, look_s: float
) -> dict[str, dict[str, float]]:
    """On a fresh system with these intervals."""
    intervals = {
        "RENO_GATEWAY__CHECKPOINT_INTERVAL_S": str(checkpoint_s),
        "RENO_GATEWAY__LOOK_INTERVAL_S": str(look_s),
    }
    with environment(intervals), running() as system:
        return asyncio.run(hold(system, streams, seconds))


def measure(streams: int, seconds: float) -> dict[str, object]:
    """Three systems, one after the other."""
    quiet = held(streams, seconds, SELDOM_S, SELDOM_S)
    checkpoints = held(streams, seconds, OFTEN_S, SELDOM_S)
    looks = held(streams, seconds, SELDOM_S, OFTEN_S)
    looked = streams * seconds / OFTEN_S

    def us_each(run: dict[str, dict[str, float]], times: float) -> dict[str, float]:
        return {
            name: round((run["cpu_s"][name] - quiet["cpu_s"][name]) * 1e6 / times, 1)
            for name in quiet["cpu_s"]
        }

    return {
        "streams": streams,
        "bytes_per_stream": quiet["bytes_per_stream"],
        "cpu_us_per_checkpoint": us_each(checkpoints, checkpoints["frames"]["received"]),
        "checkpoints": checkpoints["frames"]["received"],
        "cpu_us_per_look_of_all_lanes": us_each(looks, looked),
        "looks_expected": round(looked),
        "frames_after_looks": looks["frames"]["received"],
    }


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=15.0)
    chosen = parser.parse_args()
    print(json.dumps(measure(chosen.streams, chosen.seconds), indent=2))


if __name__ == "__main__":
    main()
