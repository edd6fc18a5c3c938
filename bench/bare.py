"""What a transport asks for a push and nothing else: a server that writes one ready frame to each of its streams in turn. With grpc.aio the measure of what RENO adds.

Started by bench.scenarios.push: python -m bench.bare RATE COUNT TRANSPORT. It says its address, takes the word go, and then seconds; it answers with writes, CPU and time.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from bench.system import cpu_s_of
from reno.config.transport import GRPCIO, H2
from reno.server.http2.limits import Limits
from reno.server.http2.server import Http2Server
from reno.v1.event_pb2 import PRIORITY_HIGH
from reno.v1.notification_service_pb2 import SubscribeResponse

SERVICE = "reno.v1.NotificationService"
NOTIFICATION_BYTES = 117
CURSOR_BYTES = 60


def frame() -> bytes:
    """As large as RENO's with one notification."""
    made = SubscribeResponse(cursor="x" * CURSOR_BYTES)
    made.notifications.add(
        event_id="x" * 19,
        type="bench.high",
        action="act",
        payload=b"x" * NOTIFICATION_BYTES,
        priority=PRIORITY_HIGH,
        position=1 << 40,
        source="load",
    ).occurred_at.GetCurrentTime()
    return made.SerializeToString()


async def serve(rate: float, count: int, transport: str) -> None:
    """Until standard input ends."""
    streams: list[asyncio.Queue[bytes]] = []

    async def subscribe(_request: bytes, context: object) -> AsyncIterator[bytes]:
        waiting: asyncio.Queue[bytes] = asyncio.Queue()
        yield SubscribeResponse(caught_up=True).SerializeToString()
        streams.append(waiting)
        while True:
            yield await waiting.get()

    server: Any = grpc.aio.server()
    if transport == H2:
        server = Http2Server(
            lambda _path, handler: handler, Limits(1 << 16, 1 << 14, 10_000, 600, 30, 10)
        )
    handlers = {"Subscribe": grpc.unary_stream_rpc_method_handler(subscribe)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    server.add_registered_method_handlers(SERVICE, handlers)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(json.dumps({"address": f"127.0.0.1:{port}"}), flush=True)
    ready = frame()
    while line := await asyncio.to_thread(sys.stdin.readline):
        while len(streams) < count:
            await asyncio.sleep(0.05)
        writes, started_s = 0, time.monotonic()
        ends_s = started_s + float(line)
        while (now_s := time.monotonic()) < ends_s:
            due = int((now_s - started_s) * rate)
            while writes < due:
                streams[writes % count].put_nowait(ready)
                writes += 1
            await asyncio.sleep(0.005)
        while any(stream.qsize() for stream in streams):
            await asyncio.sleep(0.05)
        print(json.dumps({"writes": writes, "s": time.monotonic() - started_s}), flush=True)
    await server.stop(0)


@dataclass(frozen=True, slots=True)
class Writer:
    """One that runs."""

    process: "subprocess.Popen[str]"
    address: str

    def writes_for(self, seconds: float) -> tuple[int, float, float]:
        """How many, CPU seconds for them, and how long they took."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        before_s = cpu_s_of(self.process.pid)
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        said = json.loads(self.process.stdout.readline())
        return said["writes"], cpu_s_of(self.process.pid) - before_s, said["s"]


@contextmanager
def bare_writer(rate: float, count: int, transport: str = GRPCIO) -> Iterator[Writer]:
    """In a process of its own; ended when left."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.bare", str(rate), str(count), transport],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent.parent,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        yield Writer(process, json.loads(process.stdout.readline())["address"])
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    asyncio.run(serve(float(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
