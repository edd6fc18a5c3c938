"""The device in the terminal against a door that does what the test says."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest

from reno.cli.cursor_file import CursorFile
from reno.cli.doors import device_metadata
from reno.cli.fault import Fault
from reno.cli.terminal_device import TerminalDevice, Until
from reno.domain.reason import Reason
from reno.errors import CallerFault, RenoError, Replaced, TryLater, Unavailable
from reno.server.status import status_of
from reno.v1.event_pb2 import PRIORITY_HIGH
from reno.v1.notification_pb2 import VIA_PUSH, Gap, Notification
from reno.v1.notification_service_pb2 import (
    START_AT_START,
    Reconnect,
    Session,
    SubscribeRequest,
    SubscribeResponse,
)
from reno.v1.notification_service_pb2_grpc import (
    NotificationServiceServicer,
    add_NotificationServiceServicer_to_server,
)
from reno.wire.clock import duration

Life = list[SubscribeResponse | RenoError | float]
"""One stream: frames to send, an error to end with, seconds of silence."""


class Door(NotificationServiceServicer):
    """Plays one life a call; the last one again for every further call."""

    def __init__(self) -> None:
        self.lives: list[Life] = []
        self.requests: list[SubscribeRequest] = []

    async def Subscribe(
        self, request: SubscribeRequest, context: Any
    ) -> AsyncIterator[SubscribeResponse]:
        self.requests.append(request)
        life = self.lives[min(len(self.requests), len(self.lives)) - 1]
        for step in life:
            if isinstance(step, RenoError):
                status = status_of(step)
                await context.abort(status.code, status.details, status.trailing_metadata)
            elif isinstance(step, float):
                await asyncio.sleep(step)
            else:
                yield step

    def Pull(self, request: Any, context: Any) -> Any:
        raise NotImplementedError

    def Acknowledge(self, request: Any, context: Any) -> Any:
        raise NotImplementedError


def frame(*ids: str, cursor: str = "", **more: Any) -> SubscribeResponse:
    notifications = [Notification(event_id=one, via=VIA_PUSH) for one in ids]
    return SubscribeResponse(notifications=notifications, cursor=cursor, **more)


def session(interval_s: float) -> SubscribeResponse:
    return SubscribeResponse(session=Session(id="s", checkpoint_interval=duration(interval_s)))


Device = Callable[[Until], TerminalDevice]


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.fixture
def cursors(tmp_path: Path) -> CursorFile:
    return CursorFile(tmp_path / "cursor")


@pytest.fixture
async def device(door: Door, cursors: CursorFile) -> AsyncIterator[Device]:
    server = grpc.aio.server()
    add_NotificationServiceServicer_to_server(door, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()

    def make(until: Until) -> TerminalDevice:
        metadata = device_metadata("anna", "tv-1", "tv")
        address = f"127.0.0.1:{port}"
        return TerminalDevice(address, metadata, cursors, START_AT_START, until, as_json=True)

    yield make
    await server.stop(None)


async def run(device: TerminalDevice) -> None:
    async with asyncio.timeout(30):
        await device.run()


async def test_lines_then_the_cursor(
    door: Door, device: Device, cursors: CursorFile, capsys: pytest.CaptureFixture[str]
) -> None:
    gap = Gap(reason=Gap.REASON_OVERFLOW, priorities=[PRIORITY_HIGH])
    door.lives = [
        [
            session(15),
            frame("a", cursor="1"),
            frame("b", "c", cursor="2", gap=gap),
            frame(cursor="3", caught_up=True),
            30.0,
        ]
    ]
    await run(device(Until(caught_up=True)))
    out, err = capsys.readouterr()
    assert [json.loads(line)["eventId"] for line in out.splitlines()] == ["a", "b", "c"]
    assert [json.loads(line)["kind"] for line in err.splitlines()] == ["session", "gap", "caughtUp"]
    assert cursors.read() == "3"
    assert door.requests[0].start_at == START_AT_START


async def test_a_count_asks_for_frames_of_one(
    door: Door, device: Device, cursors: CursorFile
) -> None:
    door.lives = [
        [session(15), frame("a", cursor="1"), frame("b", cursor="2"), frame("c", cursor="3"), 30.0]
    ]
    await run(device(Until(count=2)))
    assert door.requests[0].max_batch == 1
    assert cursors.read() == "2"


async def test_resumes_after_silence_a_break_and_a_drain(
    door: Door, device: Device, cursors: CursorFile
) -> None:
    later = TryLater(Reason.TOO_MANY_SESSIONS, "full", retry_after_s=0.01)
    door.lives = [
        [session(0.1), frame("a", cursor="1"), 30.0],
        [session(15), frame("b", cursor="2"), Unavailable(Reason.NOT_READY, "gone")],
        [later],
        [session(15), frame(cursor="3", reconnect=Reconnect(delay=duration(0.05))), 30.0],
        [session(15), frame(reconnect=Reconnect(delay=duration(0.05))), Unavailable(Reason.DRAINING, "bye")],
        [session(15), frame(cursor="4", caught_up=True), 30.0],
    ]  # fmt: skip
    await run(device(Until(caught_up=True)))
    assert [request.cursor for request in door.requests] == ["", "1", "2", "2", "3", "3"]
    assert cursors.read() == "4"


async def test_a_replaced_device_does_not_come_back(door: Door, device: Device) -> None:
    door.lives = [[session(15), Replaced(Reason.SESSION_REPLACED, "newer")]]
    with pytest.raises(Fault, match="SESSION_REPLACED"):
        await run(device(Until()))
    assert len(door.requests) == 1


async def test_a_cursor_that_is_refused_is_not_tried_again(
    door: Door, device: Device, cursors: CursorFile
) -> None:
    cursors.write("nonsense")
    door.lives = [[CallerFault(Reason.CURSOR_MALFORMED, "not ours")]]
    with pytest.raises(Fault, match=f"remove {cursors.path}"):
        await run(device(Until()))
    assert len(door.requests) == 1
