"""A device that prints: subscribes, keeps its cursor, and comes back after breaks."""

import asyncio
import json
import random
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import grpc

from reno.adapters.channels import open_channel
from reno.cli.cursor_file import CursorFile
from reno.cli.doors import Metadata, Trouble, trouble_of
from reno.cli.fault import Fault
from reno.cli.notification_lines import as_json, as_text, gap_json, gap_text, words_of
from reno.cli.reconnecting import FIRST_FRAME_TIMEOUT_S, Next, after, delay_s
from reno.v1.notification_service_pb2 import StartAt, SubscribeRequest, SubscribeResponse
from reno.v1.notification_service_pb2_grpc import NotificationServiceStub
from reno.wire.clock import to_ms


@dataclass(frozen=True, slots=True)
class Until:
    """When the device ends by itself; without either it does not."""

    count: int | None = None
    caught_up: bool = False


class _Done(Exception):
    """What the device was to wait for has come."""


class _Broken(Exception):
    """The stream ended or fell silent."""

    def __init__(self, trouble: Trouble | None, why: str) -> None:
        super().__init__(why)
        self.trouble = trouble
        self.why = why


class TerminalDevice:
    """One device; `run` ends when `until` has come. Raises Fault when coming back would not help."""

    def __init__(
        self,
        address: str,
        metadata: Metadata,
        cursor_file: CursorFile,
        start_at: StartAt.ValueType,
        until: Until,
        *,
        as_json: bool,
    ) -> None:
        self._address = address
        self._metadata = metadata
        self._cursor_file = cursor_file
        self._start_at = start_at
        self._until = until
        self._as_json = as_json
        self._seen = 0
        self._failures = 0
        self._silence_s = FIRST_FRAME_TIMEOUT_S
        self._return_at_s: float | None = None

    async def run(self) -> None:
        """See the class."""
        while True:
            # A channel for each stream: a dead connection must not be met again.
            async with open_channel(self._address) as channel:
                try:
                    await self._stream(channel)
                except _Done:
                    return
                except _Broken as broken:
                    wait_s = self._wait_s(broken)
                    why = broken.why
            self._status(
                {"kind": "reconnect", "why": why, "delayS": round(wait_s, 1)},
                f"{why}; again in {wait_s:.1f} s",
            )
            await asyncio.sleep(wait_s)

    async def _stream(self, channel: grpc.aio.Channel) -> None:
        self._silence_s = FIRST_FRAME_TIMEOUT_S
        self._return_at_s = None
        request = SubscribeRequest(
            cursor=self._cursor_file.read(),
            start_at=self._start_at,
            # A cursor stands for its whole frame: to end after exactly so many, frames of one.
            max_batch=1 if self._until.count else 0,
        )
        call = NotificationServiceStub(channel).Subscribe(request, metadata=self._metadata)
        try:
            while True:
                async with asyncio.timeout(self._patience_s()):
                    frame = await call.read()
                if not isinstance(frame, SubscribeResponse):
                    raise _Broken(None, "the stream ended")
                self._failures = 0
                self._take(frame)
        except TimeoutError:
            if self._return_at_s is not None:
                raise _Broken(None, "the server is going away") from None
            raise _Broken(None, f"no sign of life for {self._silence_s:.0f} s") from None
        except grpc.aio.AioRpcError as error:
            trouble = trouble_of(error)
            self._judge(trouble)
            raise _Broken(trouble, f"{self._address}: {trouble.message}") from error
        finally:
            call.cancel()

    def _patience_s(self) -> float:
        if self._return_at_s is None:
            return self._silence_s
        return max(0.01, min(self._silence_s, self._return_at_s - time.monotonic()))

    def _judge(self, trouble: Trouble) -> None:
        match after(trouble.code):
            case Next.REPLACED:
                raise Fault(
                    "the same device subscribed elsewhere; this one ends (SESSION_REPLACED)"
                )
            case Next.GIVE_UP:
                hint = ""
                if trouble.reason.startswith("CURSOR_"):
                    hint = f"\nremove {self._cursor_file.path} to begin without a cursor"
                raise Fault(f"{trouble.message}{hint}")
            case Next.COME_BACK:
                pass

    def _wait_s(self, broken: _Broken) -> float:
        self._failures += 1
        if self._return_at_s is not None:
            return max(0.0, self._return_at_s - time.monotonic())
        retry_after_s = broken.trouble.retry_after_s if broken.trouble else None
        return delay_s(self._failures, random.random(), retry_after_s)

    def _take(self, frame: SubscribeResponse) -> None:
        """Prints, then keeps the cursor."""
        if frame.HasField("session"):
            self._silence_s = max(0.1, 2 * to_ms(frame.session.checkpoint_interval) / 1000)
            self._status({"kind": "session", "id": frame.session.id}, f"session {frame.session.id}")
        if frame.HasField("gap"):
            self._status(gap_json(frame.gap), gap_text(frame.gap))
        for notification in frame.notifications:
            print(
                json.dumps(as_json(notification, time.time_ns() // 1_000_000))
                if self._as_json
                else as_text(notification)
            )
        sys.stdout.flush()
        self._cursor_file.write(frame.cursor)
        self._seen += len(frame.notifications)
        if frame.missing:
            lanes = words_of(frame.missing)
            text = f"not answered now: {', '.join(lanes)}; the others are served"
            self._status({"kind": "missing", "priorities": lanes}, text)
        if frame.HasField("reconnect"):
            delay = to_ms(frame.reconnect.delay) / 1000
            self._return_at_s = time.monotonic() + delay
        if frame.caught_up:
            self._status({"kind": "caughtUp"}, "current")
        if (self._until.count and self._seen >= self._until.count) or (
            self._until.caught_up and frame.caught_up
        ):
            raise _Done

    def _status(self, line: Mapping[str, Any], text: str) -> None:
        """On standard error: standard output has notifications and nothing else."""
        said = json.dumps(line) if self._as_json else f"-- {text}"
        print(said, file=sys.stderr, flush=True)
