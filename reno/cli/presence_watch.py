"""A watcher in the terminal: says what it is told once, and comes back after breaks."""

import asyncio
import random
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

import grpc

from reno.adapters.channels import open_channel
from reno.cli.doors import Metadata, Trouble, trouble_of
from reno.cli.reconnecting import FIRST_FRAME_TIMEOUT_S, Next, after, delay_s
from reno.v1.presence_service_pb2 import MemberPresence, WatchRequest, WatchResponse
from reno.v1.presence_service_pb2_grpc import PresenceServiceStub
from reno.wire.clock import to_ms


class PresenceWatch:
    """`say` is called with each member whose presence is another than was said of it last."""

    def __init__(
        self,
        address: str,
        metadata: Metadata,
        members: Sequence[str],
        say: Callable[[MemberPresence], None],
    ) -> None:
        self._address = address
        self._metadata = metadata
        self._request = WatchRequest(member_ids=members)
        self._say = say
        self._said: dict[str, MemberPresence] = {}
        self._failures = 0

    async def run(self) -> NoReturn:
        """Until cancelled. Raises Fault when coming back would not help."""
        while True:
            # A channel for each watch: a dead connection must not be met again.
            async with open_channel(self._address) as channel:
                wait_s = await self._watch(channel)
            await asyncio.sleep(wait_s)

    async def _watch(self, channel: grpc.aio.Channel) -> float:
        """Seconds to wait before the next one."""
        call = PresenceServiceStub(channel).Watch(self._request, metadata=self._metadata)
        silence_s = FIRST_FRAME_TIMEOUT_S
        trouble: Trouble | None = None
        try:
            while True:
                async with asyncio.timeout(silence_s):
                    frame = await call.read()
                if not isinstance(frame, WatchResponse):
                    break
                self._failures = 0
                if frame.HasField("alive_interval"):
                    silence_s = max(0.1, 2 * to_ms(frame.alive_interval) / 1000)
                self._take(frame)
            why = "the watch ended"
        except TimeoutError:
            why = f"no sign of life for {silence_s:.0f} s"
        except grpc.aio.AioRpcError as error:
            trouble = trouble_of(error)
            if after(trouble.code) is not Next.COME_BACK:
                raise trouble.as_fault(self._address) from error
            why = f"{self._address}: {trouble.message}"
        finally:
            call.cancel()
        self._failures += 1
        retry_after_s = trouble.retry_after_s if trouble else None
        wait_s = delay_s(self._failures, random.random(), retry_after_s)
        print(f"-- {why}; again in {wait_s:.1f} s", file=sys.stderr, flush=True)
        return wait_s

    def _take(self, frame: WatchResponse) -> None:
        for member in frame.members:
            if self._said.get(member.member_id) != member:
                self._said[member.member_id] = member
                self._say(member)
        sys.stdout.flush()
