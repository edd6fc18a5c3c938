"""Many devices in a process of their own: many streams a connection; they come back after breaks as the contract says, and write down when.

Started by bench.herd and bench.slow: python -m bench.devices ADDRESS FIRST COUNT. It says a line of JSON when all are current, takes the words stall, read, returned and end,
and ends with a line of JSON.
"""

import asyncio
import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc

from bench.first import STREAMS_PER_CONNECTION, SUBSCRIBE, device
from reno.cli.reconnecting import delay_s
from reno.v1.notification_service_pb2 import SubscribeRequest, SubscribeResponse
from reno.wire.clock import to_ms

OPENED_AT_ONCE = 100
"""Of a process: so many more than are current."""

CURRENT_WITHIN_S = 300.0
OPTIONS = [
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # A stream that is not read is full after this much, as a small device's would be.
    ("grpc.http2.lookahead_bytes", 16 * 1024),
    ("grpc.http2.bdp_probe", 0),
]


def member_of(number: int) -> str:
    """Whose device it is."""
    return f"online-{number}"


def event_id(run: str, number: int, due_s: float) -> str:
    """Carries when the event was due, by the clock that all processes of a machine share."""
    return f"{run}-{number}-{due_s:.6f}"


@dataclass(slots=True)
class Seen:
    """What the devices of a process saw; times by the monotonic clock."""

    arrivals: list[tuple[float, float]] = field(default_factory=list)
    """Of each notification: when it was due, when it came."""
    returns: list[tuple[float, float, float]] = field(default_factory=list)
    """Of each stream but a device's first: when the one before it was lost, when it had its first frame, when it was current."""
    ends: Counter[str] = field(default_factory=Counter)
    """Of streams, by status and reason."""


class Devices:
    """Of one process. Each keeps its cursor."""

    def __init__(self, address: str, first: int, count: int) -> None:
        self.seen = Seen()
        self.current = 0
        self._reading = asyncio.Event()
        self._reading.set()
        self._numbers = range(first, first + count)
        self._connections = [
            grpc.aio.insecure_channel(address, options=OPTIONS)
            for _ in range(max(1, count // STREAMS_PER_CONNECTION))
        ]
        self._living: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Returns when all are current."""
        async with asyncio.timeout(CURRENT_WITHIN_S):
            for number in self._numbers:
                while len(self._living) - self.current >= OPENED_AT_ONCE:
                    await asyncio.sleep(0.01)
                self._living.append(asyncio.create_task(self._live(number)))
            while self.current < len(self._numbers):
                await asyncio.sleep(0.05)

    def stall(self) -> None:
        """Nobody reads any more."""
        self._reading.clear()

    def read(self) -> None:
        """All read on."""
        self._reading.set()

    async def close(self) -> None:
        """They go offline."""
        for task in self._living:
            task.cancel()
        await asyncio.gather(*self._living, return_exceptions=True)
        for connection in self._connections:
            await connection.close()

    async def _live(self, number: int) -> None:
        connection = self._connections[number % len(self._connections)]
        subscribe: Any = connection.unary_stream(SUBSCRIBE)
        cursor, failures, lost_s = "", 0, 0.0
        while True:
            framed_s = current_s = wait_s = 0.0
            request = SubscribeRequest(cursor=cursor).SerializeToString()
            try:
                async for raw in subscribe(request, metadata=device(member_of(number))):
                    now_s = time.monotonic()
                    frame = SubscribeResponse.FromString(raw)
                    cursor = frame.cursor or cursor
                    framed_s, failures = framed_s or now_s, 0
                    for one in frame.notifications:
                        self.seen.arrivals.append((float(one.event_id.rpartition("-")[2]), now_s))
                    if frame.caught_up and not current_s:
                        current_s = now_s
                        if lost_s:
                            self.seen.returns.append((lost_s, framed_s, current_s))
                        else:
                            self.current += 1
                        lost_s = 0.0
                    if frame.HasField("reconnect"):
                        wait_s = to_ms(frame.reconnect.delay) / 1000
                    if not self._reading.is_set():
                        await self._reading.wait()
            except grpc.aio.AioRpcError as error:
                reason = (error.details() or "").partition(":")[0].strip()
                reason = reason if reason.isupper() else ""
                self.seen.ends[f"{error.code().name} {reason}".strip()] += 1
            if not lost_s and (self.current or current_s):
                lost_s = time.monotonic()
            failures += 1
            await asyncio.sleep(wait_s or delay_s(failures, random.random()))


@dataclass(slots=True)
class Away:
    """Devices in another process."""

    process: asyncio.subprocess.Process

    def say(self, word: str) -> None:
        """stall, read, returned or end."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{word}\n".encode())

    async def hear(self) -> dict[str, Any]:
        """Its next line."""
        assert self.process.stdout is not None
        heard: dict[str, Any] = json.loads(await self.process.stdout.readline())
        return heard

    async def returned(self) -> int:
        """How often one has come back and was current."""
        self.say("returned")
        return int((await self.hear())["returned"])

    async def end(self) -> Seen:
        """What they saw."""
        self.say("end")
        heard = await self.hear()
        await self.process.wait()
        return Seen(
            [(due_s, at_s) for due_s, at_s in heard["arrivals"]],
            [(lost_s, framed_s, current_s) for lost_s, framed_s, current_s in heard["returns"]],
            Counter(heard["ends"]),
        )


@asynccontextmanager
async def devices_away(
    addresses: list[str], first: int, count: int, processes: int = 1
) -> AsyncIterator[list[Away]]:
    """All are current. `addresses`: where they connect, the first that answers; killed at the end."""
    share = count // processes
    address = f"ipv4:{','.join(addresses)}"
    away: list[Away] = []
    try:
        for number in range(processes):
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "bench.devices",
                address, str(first + number * share), str(share),
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, limit=1 << 28,
            )  # fmt: skip
            away.append(Away(process))
        for one in away:
            await one.hear()
        yield away
    finally:
        for one in away:
            if one.process.returncode is None:
                one.process.kill()
                await one.process.wait()


async def _serve(address: str, first: int, count: int) -> None:
    devices = Devices(address, first, count)
    await devices.open()
    print(json.dumps({"current": devices.current}), flush=True)
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(lines), sys.stdin
    )
    seen = devices.seen
    while (word := (await lines.readline()).decode().strip()) in {"stall", "read", "returned"}:
        if word == "stall":
            devices.stall()
        elif word == "read":
            devices.read()
        else:
            print(json.dumps({"returned": len(seen.returns)}), flush=True)
    if word == "end":
        said = {"arrivals": seen.arrivals, "returns": seen.returns, "ends": seen.ends}
        print(json.dumps(said), flush=True)
    await devices.close()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
