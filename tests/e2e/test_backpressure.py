"""Backpressure through real processes: two lanes' processors and their inboxes stand still, their logs fill, and are drained again."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from reno.cli.doors import trouble_of
from reno.v1.event_pb2 import Event
from reno.v1.ingestion_service_pb2 import PublishRequest
from reno.v1.ingestion_service_pb2_grpc import IngestionServiceStub
from reno.v1.notification_pb2 import VIA_CATCH_UP, VIA_PUSH, Notification
from reno.v1.notification_service_pb2 import START_AT_START, SubscribeRequest
from reno.v1.notification_service_pb2_grpc import NotificationServiceStub
from tests.e2e.history import History
from tests.e2e.many import LANES
from tests.e2e.running import RunningReno, reno_in
from tests.e2e.traffic import Backend, as_backend, as_device, connected

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

MAX_AGE_S = 2.0
MAX_AGES = {"soon-stale": f"{MAX_AGE_S:.0f}s", "plain": "1h"}
CATALOGUE = "\n".join(
    f'["{kind}.{lane}"]\npriority = "{lane}"\nmax_age = "{max_age}"\nttl = "1d"\naction = "act"'
    for kind, max_age in MAX_AGES.items()
    for lane in LANES
)
FROZEN = ("high", "low")
MAX_BYTES = {"high": 1 << 20, "low": 12 << 20}
PAYLOAD = b"x" * 4096
BATCH = 50
MEMBERS = [f"m{number}" for number in range(8)]
WAIT_S = 60.0


@pytest.fixture
def reno(tmp_path: Path) -> Iterator[RunningReno]:
    catalogue = tmp_path / "catalogue.toml"
    catalogue.write_text(CATALOGUE)
    settings = {
        "RENO_CATALOGUE": str(catalogue),
        # A processor that stands still is not to be started again here.
        "RENO_SUPERVISOR__SILENT_AFTER_S": "600",
        "RENO_GATEWAY__LOOK_INTERVAL_S": "3",
        **{f"RENO_LOG__MAX_BYTES_{lane.upper()}": str(size) for lane, size in MAX_BYTES.items()},
    }
    with reno_in(tmp_path / "data", settings) as running:
        yield running


class Devices:
    """One for each member: what each was told, in the order in which all of them were."""

    def __init__(self, reno: RunningReno) -> None:
        self._reno = reno
        self.told: list[Notification] = []
        self.caught_up: set[str] = set()

    async def listen(self, member: str) -> None:
        async with connected(self._reno.devices) as channel:
            request = SubscribeRequest(start_at=START_AT_START)
            metadata = as_device(member, "tv")
            async for frame in NotificationServiceStub(channel).Subscribe(
                request, metadata=metadata
            ):
                self.told += frame.notifications
                if frame.caught_up:
                    self.caught_up.add(member)

    def places(self, ids: set[str]) -> list[int]:
        """Where they stand among all that was told."""
        return [place for place, one in enumerate(self.told) if one.event_id in ids]

    async def until_told(self, ids: set[str]) -> None:
        async with asyncio.timeout(WAIT_S):
            while not ids <= {one.event_id for one in self.told}:
                await asyncio.sleep(0.1)


async def publish(reno: RunningReno, lane: str) -> str:
    """One event, which must be taken; its id. Raises grpc.aio.AioRpcError."""
    event = Event(
        id=f"{lane}-{time.monotonic_ns()}",
        type=f"plain.{lane}",
        member_id=MEMBERS[0],
        payload=PAYLOAD,
    )
    async with connected(reno.ingestion) as channel:
        await IngestionServiceStub(channel).Publish(
            PublishRequest(event=event), metadata=as_backend(), timeout=WAIT_S
        )
    return event.id


async def fill(reno: RunningReno, lane: str) -> set[str]:
    """Until the lane's log is full; the ids that it took."""
    history = History()
    kind = [f"soon-stale.{lane}"]
    backend = Backend(reno.ingestion, history, MEMBERS, kind, len(lane), PAYLOAD)
    async with asyncio.timeout(WAIT_S):
        for batch in (BATCH, 1):
            await backend.publish_until_full(batch)
    return {receipt.event_id for receipt in history.receipts}


async def test_a_full_log_refuses_and_its_backlog_comes_late_but_whole_and_high_first(
    reno: RunningReno,
) -> None:
    """Bounded, Isolated, Durable, Fresh."""
    devices = Devices(reno)
    listening = [asyncio.create_task(devices.listen(member)) for member in MEMBERS]
    pids = [reno.pids[f"processor-{lane}"] for lane in FROZEN]
    try:
        async with asyncio.timeout(WAIT_S):
            while len(devices.caught_up) < len(MEMBERS):
                await asyncio.sleep(0.1)
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        # Low first, so that what is drained first did not come first.
        taken = {lane: await fill(reno, lane) for lane in reversed(FROZEN)}
        filled_at = time.monotonic()
        for lane in FROZEN:
            # Nearly all of the log was used before it refused.
            assert len(taken[lane]) * len(PAYLOAD) > MAX_BYTES[lane] / 2
            with pytest.raises(grpc.aio.AioRpcError) as full:
                await publish(reno, lane)
            trouble = trouble_of(full.value)
            assert trouble.code is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert (trouble.reason, trouble.retry_after_s) == ("FULL", 1.0)
        medium = await publish(reno, "medium")
        await devices.until_told({medium})
        assert not devices.places(taken["high"] | taken["low"])
        await asyncio.sleep(max(0.0, filled_at + MAX_AGE_S + 0.1 - time.monotonic()))
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    backlog = taken["high"] | taken["low"]
    await devices.until_told(backlog)
    assert max(devices.places(taken["high"])) < max(devices.places(taken["low"]))
    # Once: nothing twice; Fresh: nothing of it is called news.
    assert len(devices.places(backlog)) == len(backlog)
    assert {one.via for one in devices.told if one.event_id in backlog} == {VIA_CATCH_UP}
    fresh = {await publish(reno, lane) for lane in LANES}
    await devices.until_told(fresh)
    assert {one.via for one in devices.told if one.event_id in fresh | {medium}} == {VIA_PUSH}
    assert not [task for task in listening if task.done()]
    for task in listening:
        task.cancel()
    await asyncio.gather(*listening, return_exceptions=True)
