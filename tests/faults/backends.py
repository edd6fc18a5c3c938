"""Backends of a run: they publish by a rate, repeat what failed with the same ids, and write down every answer."""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Coroutine, Sequence
from typing import TYPE_CHECKING

import grpc

from reno.v1.ingestion_service_pb2 import PublishBatchRequest, PublishResult
from reno.v1.ingestion_service_pb2_grpc import IngestionServiceStub
from reno.v1.reason_pb2 import Reason
from tests.faults.calls import FAILURES_THAT_PASS, as_backend, connected
from tests.faults.oplog import OpLog, clocks
from tests.faults.traffic import Choice, Sent

if TYPE_CHECKING:
    from reno.v1.ingestion_service_pb2_grpc import IngestionServiceAsyncStub

TRY_AGAIN_S = 0.1
CALL_TIMEOUT_S = 10.0
REPEATED = 0.02
"""Of the batches are sent a second time beside the first, as many right after it, and as many seconds later."""

LATER_S = (3.0, 10.0)

MAX_WAITING_BATCHES = 64
"""While a door does not answer, what would have been published meanwhile is left out beyond this."""


class Backend:
    """One lane's: a batch after the other, so that the door owes it their order."""

    def __init__(self, door: str, name: str, choice: Choice, log: OpLog, batch: int) -> None:
        self.counts: Counter[str] = Counter()
        """Events by what became of a try."""
        self.accepted: dict[str, Sent] = {}
        self._door = door
        self._name = name
        self._choice = choice
        self._log = log
        self._batch = batch
        self._random = random.Random(name)
        self._beside: set[asyncio.Task[None]] = set()

    async def publish(self, ending: asyncio.Event, events_per_s: float) -> None:
        """Until it is told to end; then every event of it is accepted, or refused for good."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        async with connected(self._door) as channel:
            stub = IngestionServiceStub(channel)
            while not ending.is_set():
                await asyncio.sleep(max(0.0, due - loop.time()))
                batch = [self._choice.next() for _ in range(self._batch)]
                # A long silence of the door is not made up for at once.
                interval_s = self._batch / events_per_s
                due = max(due + interval_s, loop.time() - MAX_WAITING_BATCHES * interval_s)
                await self._hand_in(stub, batch, ending)
            if closing := self._choice.closing():
                await self._hand_in(stub, closing, ending)
            await asyncio.gather(*self._beside)

    async def _hand_in(
        self, stub: "IngestionServiceAsyncStub", batch: list[Sent], ending: asyncio.Event
    ) -> None:
        turn = int(self._random.random() / REPEATED)
        if turn == 0:
            for sent in batch:
                # Two calls at once: which is first nobody can say.
                sent.tries += 1
            self._begin(self._repeat(stub, batch))
        left = batch
        while left := await self.attempt(stub, left):
            await asyncio.sleep(TRY_AGAIN_S)
        if turn == 1:
            self._begin(self._repeat(stub, batch))
        elif turn == 2:
            self._begin(self._repeat_later(stub, batch, ending))

    def _begin(self, repeating: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(repeating)
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)

    async def _repeat_later(
        self, stub: "IngestionServiceAsyncStub", batch: Sequence[Sent], ending: asyncio.Event
    ) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._random.uniform(*LATER_S)):
                await ending.wait()
        await self._repeat(stub, batch)

    async def _repeat(self, stub: "IngestionServiceAsyncStub", batch: Sequence[Sent]) -> None:
        """Once, in another order."""
        self.counts["repeated"] += len(batch)
        await self.attempt(
            stub, [Sent(sent.event, sent.lane, sent.words, tries=1) for sent in reversed(batch)]
        )

    async def attempt(
        self,
        stub: "IngestionServiceAsyncStub",
        batch: list[Sent],
        timeout_s: float = CALL_TIMEOUT_S,
    ) -> list[Sent]:
        """Those that must be tried again."""
        try:
            answer = await stub.PublishBatch(
                PublishBatchRequest(events=[sent.event for sent in batch]),
                metadata=as_backend(self._name),
                timeout=timeout_s,
            )
        except grpc.aio.AioRpcError as error:
            if error.code() not in FAILURES_THAT_PASS:
                raise
            for sent in batch:
                self._note(sent, "U", error.code().name)
            return batch
        return [
            sent
            for sent, result in zip(batch, answer.results, strict=True)
            if not self._is_settled(sent, result)
        ]

    def _is_settled(self, sent: Sent, result: PublishResult) -> bool:
        if result.status == PublishResult.STATUS_ACCEPTED:
            self._note(sent, "A", f"{result.position} {0 if sent.tries else 2}")
            sent.position = result.position
            first = self.accepted.get(sent.event.id)
            # Published twice: the one that lies first stands.
            if first is None or sent.position < first.position:
                self.accepted[sent.event.id] = sent
            return True
        reason = Reason.Name(result.refusal.reason).removeprefix("REASON_")
        may_pass = result.refusal.HasField("retry_after")
        if result.status == PublishResult.STATUS_UNCERTAIN:
            self._note(sent, "U", reason)
            return False
        if may_pass:
            # Nothing was stored: no word in the log but the count.
            self.counts[reason] += 1
            sent.tries += 1
            return False
        self._note(sent, "R", reason)
        return True

    def _note(self, sent: Sent, kind: str, end: str) -> None:
        self.counts[kind if kind == "A" else end] += 1
        self._log.line(f"{kind} {clocks()} {sent.words} {end}")
        sent.tries += 1
