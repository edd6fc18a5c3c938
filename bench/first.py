"""First figures: events/s from PublishBatch to the inbox, CPU per event by role, pushes/s to 1,000 streams.

    .venv/bin/python -m bench.first [--seconds 10] [--streams 1000]

The load comes from this Python process on the same cores, so the figures are what the whole machine does, generator included.
"""

import argparse
import asyncio
import json
import platform
import random
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import grpc

from bench.system import System, running
from reno.v1.ingestion_service_pb2 import PublishBatchRequest, PublishBatchResponse, PublishResult
from reno.v1.notification_service_pb2 import (
    PullRequest,
    PullResponse,
    SubscribeRequest,
    SubscribeResponse,
)

BATCH = 500
CALLERS = 32
MEMBERS = 100_000
TYPES = ("bench.high", "bench.medium", "bench.low")
WEIGHTS = (10, 30, 60)
STREAMS_PER_CONNECTION = 100
PUBLISH = "/reno.v1.IngestionService/PublishBatch"
SUBSCRIBE = "/reno.v1.NotificationService/Subscribe"
PULL = "/reno.v1.NotificationService/Pull"


def batches(
    members: list[str], types: tuple[str, ...], weights: tuple[int, ...]
) -> Iterator[bytes]:
    """Serialised PublishBatchRequests without end; every event id is new, about 175 B an event."""
    rng, numbers, run = random.Random(1), count(), f"{time.time_ns():x}"
    while True:
        request = PublishBatchRequest()
        for kind in rng.choices(types, weights, k=BATCH):
            event = request.events.add()
            event.id, event.type = f"{run}-{next(numbers)}", kind
            event.member_id, event.payload = rng.choice(members), b"x" * 100
        yield request.SerializeToString()


async def publish_for(address: str, seconds: float, source: Iterator[bytes]) -> tuple[int, float]:
    """Closed loop of CALLERS callers: (accepted events, elapsed seconds). Batches are made beforehand, so that making them is not measured."""
    ready = [next(source) for _ in range(int(seconds * 300))]
    accepted = 0

    async with grpc.aio.insecure_channel(address) as channel:
        call = channel.unary_unary(PUBLISH)

        async def caller() -> None:
            nonlocal accepted
            while ready and time.perf_counter() < end:
                answer = await call(ready.pop(), metadata=(("reno-source", "bench"),), timeout=30)
                results = PublishBatchResponse.FromString(answer).results
                accepted += sum(r.status == PublishResult.STATUS_ACCEPTED for r in results)

        start = time.perf_counter()
        end = start + seconds
        await asyncio.gather(*(caller() for _ in range(CALLERS)))
        return accepted, time.perf_counter() - start


async def until_stored(system: System) -> None:
    """Publishes an event of each type for 64 members (every shard has some) and waits until each can be pulled."""
    request = PublishBatchRequest()
    wanted = {}
    for n in range(64):
        for kind in TYPES:
            event = request.events.add(
                id=f"last-{n}-{kind}-{time.time_ns()}", type=kind, member_id=f"last-{n}"
            )
            wanted.setdefault(event.member_id, set()).add(event.id)
    async with (
        grpc.aio.insecure_channel(system.address("ingestion")) as ingestion,
        grpc.aio.insecure_channel(system.address("devices")) as devices,
    ):
        await ingestion.unary_unary(PUBLISH)(
            request.SerializeToString(), metadata=(("reno-source", "bench"),)
        )
        pull = devices.unary_unary(PULL)
        while wanted:
            for member, ids in list(wanted.items()):
                answer = await pull(PullRequest().SerializeToString(), metadata=device(member))
                page = PullResponse.FromString(answer)
                if ids <= {one.event_id for one in page.notifications}:
                    del wanted[member]
            await asyncio.sleep(0.02)


def device(member: str) -> tuple[tuple[str, str], ...]:
    """A device's metadata."""
    return (("reno-member", member), ("reno-device", "d"), ("reno-class", "tv"))


async def measure_ingestion(system: System, seconds: float) -> dict[str, object]:
    """To the log, then to the inbox."""
    members = [f"m{n}" for n in range(MEMBERS)]
    source = batches(members, TYPES, WEIGHTS)
    await publish_for(system.address("ingestion"), 1.0, source)
    await until_stored(system)
    before = system.cpu_s()
    started = time.perf_counter()
    accepted, elapsed = await publish_for(system.address("ingestion"), seconds, source)
    await until_stored(system)
    total = time.perf_counter() - started
    after = system.cpu_s()
    return {
        "accepted_events_per_s": round(accepted / elapsed),
        "stored_events_per_s": round(accepted / total),
        "cpu_us_per_event": {
            name: round((after[name] - before[name]) * 1e6 / accepted, 2) for name in after
        },
    }


async def measure_push(system: System, streams: int, seconds: float) -> dict[str, object]:
    """Every event goes to one online device; counts what the devices got."""
    got = 0
    live = 0
    all_live = asyncio.Event()
    members = [f"online-{n}" for n in range(streams)]
    connections = [
        grpc.aio.insecure_channel(
            system.address("devices"), options=[("grpc.use_local_subchannel_pool", 1)]
        )
        for _ in range(max(1, streams // STREAMS_PER_CONNECTION))
    ]

    async def listen(number: int) -> None:
        nonlocal got, live
        call = connections[number % len(connections)].unary_stream(SUBSCRIBE)
        caught_up = False
        request = SubscribeRequest().SerializeToString()
        async for raw in call(request, metadata=device(members[number])):
            frame = SubscribeResponse.FromString(raw)
            got += len(frame.notifications)
            if frame.caught_up and not caught_up:
                caught_up = True
                live += 1
                if live == streams:
                    all_live.set()

    listeners = []
    for number in range(streams):
        listeners.append(asyncio.create_task(listen(number)))
        if number % 50 == 49:
            await asyncio.sleep(
                0.05
            )  # new streams are paced: this measures pushing, not connecting
    await asyncio.wait_for(all_live.wait(), 60)
    source = batches(members, TYPES[:1], (1,))
    # The first row of each member finds its sessions without `previous`: they read once, then are LIVE.
    warm, _ = await publish_for(system.address("ingestion"), 2.0, source)
    while got < warm:
        await asyncio.sleep(0.02)
    before, started, already = system.cpu_s(), time.perf_counter(), got
    accepted, _ = await publish_for(system.address("ingestion"), seconds, source)
    while got - already < accepted:
        await asyncio.sleep(0.02)
    elapsed = time.perf_counter() - started
    after = system.cpu_s()
    for task in listeners:
        task.cancel()
    await asyncio.gather(*listeners, return_exceptions=True)
    for connection in connections:
        await connection.close()
    return {
        "streams": streams,
        "pushes_per_s": round(accepted / elapsed),
        "cpu_us_per_push": {
            name: round((after[name] - before[name]) * 1e6 / accepted, 1) for name in after
        },
    }


async def measure(seconds: float, streams: int) -> dict[str, object]:
    """Both, on fresh systems."""
    catalogue = Path(__file__).with_name("catalogue.toml")
    with running(catalogue) as system:
        ingestion = await measure_ingestion(system, seconds)
    with running(catalogue) as system:
        push = await measure_push(system, streams, seconds)
    return {"python": platform.python_version(), "ingestion": ingestion, "push": push}


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--streams", type=int, default=1000)
    chosen = parser.parse_args()
    print(json.dumps(asyncio.run(measure(chosen.seconds, chosen.streams)), indent=2))


if __name__ == "__main__":
    main()
