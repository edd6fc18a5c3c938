"""A flood of low priority from a process of its own: open loop, so many events a second whatever the door says.

Started by bench.flood: python -m bench.flood_load ADDRESS EVENTS_PER_S SECONDS
"""

import asyncio
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc

from bench.first import PUBLISH
from bench.system import System
from reno.v1.ingestion_service_pb2 import (
    PublishBatchRequest,
    PublishBatchResponse,
    PublishResult,
)
from reno.v1.reason_pb2 import Reason

TYPE = "bench.low"
BATCH = 50
MEMBERS = 100_000
MAX_UNANSWERED = 64
"""Batches; what is due beyond them is not sent, and counted."""

LATE_S = 30.0
LEAST = 19
"""Nice."""


def flood_batches() -> Iterator[bytes]:
    """Serialised, without end; every event id is new."""
    rng, run, number = random.Random(2), f"{time.time_ns():x}", 0
    while True:
        request = PublishBatchRequest()
        for _ in range(BATCH):
            number += 1
            member = f"m{rng.randrange(MEMBERS)}"
            request.events.add(
                id=f"{run}-{number}", type=TYPE, member_id=member, payload=b"x" * 100
            )
        yield request.SerializeToString()


def yield_cpu(pid: int) -> None:
    """The process runs when the others do not want to; by its threads, and where Linux weighs sessions by its session."""
    for thread in os.listdir(f"/proc/{pid}/task"):
        os.setpriority(os.PRIO_PROCESS, int(thread), LEAST)
    session = Path(f"/proc/{pid}/autogroup")
    if session.exists():
        session.write_text(str(LEAST))


async def flood(address: str, events_per_s: float, seconds: float) -> dict[str, float]:
    """Open loop; a line of JSON when the first batch is ready to go, then what became of all."""
    source = flood_batches()
    ready = [next(source) for _ in range(int(events_per_s * seconds / BATCH) + 1)]
    said: Counter[str] = Counter()
    under_way: set[asyncio.Task[None]] = set()
    async with grpc.aio.insecure_channel(address) as channel:
        await channel.channel_ready()
        call = channel.unary_unary(PUBLISH)
        print(json.dumps({"event": "ready"}), flush=True)

        async def send(batch: bytes) -> None:
            try:
                answer = await call(batch, metadata=(("reno-source", "flood"),), timeout=LATE_S)
            except grpc.aio.AioRpcError as error:
                said[error.code().name] += BATCH
                return
            for result in PublishBatchResponse.FromString(answer).results:
                if result.status == PublishResult.STATUS_ACCEPTED:
                    said["accepted"] += 1
                else:
                    said[Reason.Name(result.refusal.reason)] += 1

        started = time.perf_counter()
        for number, batch in enumerate(ready):
            due = started + number * BATCH / events_per_s
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            if len(under_way) >= MAX_UNANSWERED:
                said["not sent"] += BATCH
                continue
            task = asyncio.create_task(send(batch))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
        offered_s = time.perf_counter() - started
        await asyncio.gather(*under_way)
    sent = len(ready) * BATCH - said["not sent"]
    return {
        "offered_per_s": round(sent / offered_s),
        **{what: round(count / offered_s, 1) for what, count in said.items()},
    }


@asynccontextmanager
async def flooding(
    system: System, events_per_s: float, seconds: float
) -> AsyncIterator[asyncio.Task[dict[str, float]]]:
    """In a process of its own, from when it sends its first batch."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.flood_load",
        system.address("ingestion"), str(events_per_s), str(seconds),
        stdout=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    out = process.stdout
    await out.readline()

    async def ended() -> dict[str, float]:
        said: dict[str, float] = json.loads(await out.read())
        await process.wait()
        return said

    ending = asyncio.create_task(ended())
    try:
        yield ending
        await ending
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def main() -> None:
    """Prints a line of JSON when it begins, and one when it has ended."""
    address, events_per_s, seconds = sys.argv[1:]
    yield_cpu(os.getpid())
    print(json.dumps(asyncio.run(flood(address, float(events_per_s), float(seconds)))))


if __name__ == "__main__":
    main()
