"""High-priority events at a steady rate, and what their delays were."""

import asyncio
import time
from collections.abc import Callable, Iterable

import grpc

from bench.devices import event_id
from reno.v1.event_pb2 import Event
from reno.v1.ingestion_service_pb2 import PublishRequest

PUBLISH_ONE = "/reno.v1.IngestionService/Publish"
HIGH = "bench.high"
LATE_S = 30.0


class Steady:
    """Open loop, from when it is entered until it is left; each event goes to the next member of `members`."""

    def __init__(
        self, address: str, member: Callable[[int], str], per_s: float, payload: int = 100
    ) -> None:
        self._address = address
        self._member = member
        self._per_s = per_s
        self._payload = b"x" * payload
        self._ending = asyncio.Event()
        self.due_s: list[float] = []

    async def __aenter__(self) -> "Steady":
        self._publishing = asyncio.create_task(self._publish())
        return self

    async def __aexit__(self, *_raised: object) -> None:
        self._ending.set()
        await self._publishing

    async def _publish(self) -> None:
        run, started = f"{time.time_ns():x}", time.monotonic()
        under_way: list[asyncio.Task[bytes]] = []
        async with grpc.aio.insecure_channel(self._address) as channel:
            call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(PUBLISH_ONE)

            async def publish(event: Event) -> bytes:
                request = PublishRequest(event=event).SerializeToString()
                return await call(request, metadata=(("reno-source", "bench"),), timeout=LATE_S)

            while not self._ending.is_set():
                number = len(self.due_s)
                due = started + number / self._per_s
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                event = Event(
                    id=event_id(run, number, due),
                    type=HIGH,
                    member_id=self._member(number),
                    payload=self._payload,
                )
                self.due_s.append(due)
                under_way.append(asyncio.create_task(publish(event)))
            await asyncio.gather(*under_way)


def delays(
    arrivals: Iterable[tuple[float, float]], from_s: float, until_s: float
) -> dict[str, float]:
    """Of what was due in that time, in ms."""
    found = sorted((at_s - due_s) * 1000 for due_s, at_s in arrivals if from_s <= due_s < until_s)
    return {
        "events": len(found),
        **({"p50_ms": at_share(found, 0.5), "p99_ms": at_share(found, 0.99)} if found else {}),
    }


def at_share(ordered: list[float], share: float) -> float:
    """By rank; raises IndexError where there is none."""
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))], 2)
