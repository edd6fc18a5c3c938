"""Backends and devices of the end-to-end tests: real gRPC clients that write down what they did and saw."""

import asyncio
import itertools
import random
from typing import TYPE_CHECKING

import grpc

from reno.v1.event_pb2 import Event
from reno.v1.ingestion_service_pb2 import PublishBatchRequest, PublishResult
from reno.v1.ingestion_service_pb2_grpc import IngestionServiceStub
from reno.v1.notification_pb2 import Gap, Notification
from reno.v1.notification_service_pb2 import START_AT_START, PullRequest, SubscribeRequest
from reno.v1.notification_service_pb2_grpc import NotificationServiceStub
from reno.v1.reason_pb2 import REASON_FULL
from tests.e2e.history import Arrival, History, Receipt
from tests.faults.calls import FAILURES_THAT_PASS, as_backend, as_device, connected

if TYPE_CHECKING:
    from reno.v1.ingestion_service_pb2_grpc import IngestionServiceAsyncStub

__all__ = ["Backend", "Listener", "arrival", "as_backend", "as_device", "connected", "pull_all"]

TRY_AGAIN_S = 0.1


def arrival(member: str, seen: Notification) -> Arrival:
    """What a device notes of a notification."""
    return Arrival(seen.event_id, member, int(seen.priority), seen.position)


class Backend:
    """Publishes batches one after the other, each until every event of it is accepted, always with the same ids."""

    def __init__(
        self,
        address: str,
        history: History,
        members: list[str],
        types: list[str],
        seed: int,
        payload: bytes = b"{}",
    ) -> None:
        self._address = address
        self._payload = payload
        self._history = history
        self._members = members
        self._types = types
        self._random = random.Random(seed)
        self._numbers = itertools.count()
        self._name = f"b{seed}"

    async def publish(self, seconds: float, events_per_s: int, batch: int) -> None:
        """Open loop: batches are due at fixed times and are sent late rather than left out."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        async with connected(self._address) as channel:
            stub = IngestionServiceStub(channel)
            for number in range(int(seconds * events_per_s / batch)):
                due = started + number * batch / events_per_s
                await asyncio.sleep(max(0.0, due - loop.time()))
                await self._deliver(stub, [self._event() for _ in range(batch)])

    async def publish_until(self, ending: asyncio.Event, events_per_s: int, batch: int) -> None:
        """As publish, until it is told to end."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        async with connected(self._address) as channel:
            stub = IngestionServiceStub(channel)
            while not ending.is_set():
                await asyncio.sleep(max(0.0, due - loop.time()))
                await self._deliver(stub, [self._event() for _ in range(batch)])
                due += batch / events_per_s

    async def repeat(self, member: str, kind: str, event_ids: list[str]) -> None:
        """Once more what was accepted before: as a backend does that did not hear so."""
        async with connected(self._address) as channel:
            events = [
                Event(id=event_id, type=kind, member_id=member, payload=self._payload)
                for event_id in event_ids
            ]
            await self._attempt(IngestionServiceStub(channel), events, clean=False)

    def _event(self) -> Event:
        event_id = f"{self._name}-{next(self._numbers)}"
        self._history.published.add(event_id)
        member, kind = self._random.choice(self._members), self._random.choice(self._types)
        return Event(id=event_id, type=kind, member_id=member, payload=self._payload)

    async def publish_until_full(self, batch: int) -> list[str]:
        """Until the log takes no more; the ids that it refused at once, so that none of them is stored."""
        async with connected(self._address) as channel:
            stub = IngestionServiceStub(channel)
            while True:
                left = await self._attempt(stub, [self._event() for _ in range(batch)], clean=True)
                if full := [event.id for event, reason in left if reason == REASON_FULL]:
                    return full
                while left and all(reason != REASON_FULL for _, reason in left):
                    await asyncio.sleep(TRY_AGAIN_S)
                    left = await self._attempt(stub, [event for event, _ in left], clean=False)

    async def _deliver(self, stub: "IngestionServiceAsyncStub", events: list[Event]) -> None:
        left = await self._attempt(stub, events, clean=True)
        while left:
            await asyncio.sleep(TRY_AGAIN_S)
            left = await self._attempt(stub, [event for event, _ in left], clean=False)

    async def _attempt(
        self, stub: "IngestionServiceAsyncStub", events: list[Event], *, clean: bool
    ) -> list[tuple[Event, int]]:
        """What was not accepted, with the reason; 0 where none was given."""
        try:
            answer = await stub.PublishBatch(
                PublishBatchRequest(events=events), metadata=as_backend(self._name), timeout=10
            )
        except grpc.aio.AioRpcError as error:
            if error.code() not in FAILURES_THAT_PASS:
                raise
            self._history.uncertain.update(event.id for event in events)
            return [(event, 0) for event in events]
        left: list[tuple[Event, int]] = []
        for event, result in zip(events, answer.results, strict=True):
            if result.status == PublishResult.STATUS_ACCEPTED:
                lane, position = int(result.priority), result.position
                receipt = Receipt(event.id, event.member_id, lane, position, clean)
                self._history.receipts.append(receipt)
            else:
                is_uncertain = result.status == PublishResult.STATUS_UNCERTAIN
                assert is_uncertain or result.refusal.HasField("retry_after"), result
                if is_uncertain:
                    self._history.uncertain.add(event.id)
                left.append((event, int(result.refusal.reason)))
        return left


class Listener:
    """A device that stays subscribed through everything and resumes by its cursor."""

    def __init__(self, address: str, history: History, member: str, device_id: str) -> None:
        self._address = address
        self._member = member
        self._metadata = as_device(member, device_id)
        self.seen = history.received[f"{member}/{device_id}"]
        self.caught_up = asyncio.Event()
        self.cursor = ""
        self.gaps: list[str] = []
        """What it was told that it may miss."""

    async def listen(self) -> None:
        """Until cancelled."""
        async with connected(self._address) as channel:
            stub = NotificationServiceStub(channel)
            while True:
                try:
                    request = SubscribeRequest(cursor=self.cursor, start_at=START_AT_START)
                    async for frame in stub.Subscribe(request, metadata=self._metadata):
                        self.seen += [arrival(self._member, one) for one in frame.notifications]
                        self.cursor = frame.cursor or self.cursor
                        if frame.HasField("gap"):
                            self.gaps.append(Gap.Reason.Name(frame.gap.reason))
                        if frame.caught_up:
                            self.caught_up.set()
                except grpc.aio.AioRpcError as error:
                    if error.code() not in FAILURES_THAT_PASS:
                        raise
                await asyncio.sleep(TRY_AGAIN_S)


async def pull_all(
    address: str, member: str, device_id: str, cursor: str = ""
) -> list[Notification]:
    """Every page from the cursor, or from the start."""
    found: list[Notification] = []
    async with connected(address) as channel:
        stub = NotificationServiceStub(channel)
        while True:
            page = await stub.Pull(
                PullRequest(cursor=cursor, start_at=START_AT_START),
                metadata=as_device(member, device_id),
                timeout=10,
            )
            found += page.notifications
            cursor = page.cursor
            if not page.more:
                return found
            if page.missing:
                await asyncio.sleep(TRY_AGAIN_S)
