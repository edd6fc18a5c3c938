"""One PublishStream call: reads batches while few enough are unanswered, answers each as soon as the log has decided."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial

from gateway.ingestion.door import IngestionDoor
from gateway.ingestion.refusal import batch_refusal
from gateway.ingestion.requests import Batch
from gateway.ingestion.results import Results, stream_refusal, stream_response
from reno.config.settings import IngestionSettings
from reno.domain.identity import Backend
from reno.domain.reason import Reason
from reno.errors import RenoError, Unavailable


class Conversation:
    """Answers come in the order in which they are known. `close` ends it after what was read is answered."""

    def __init__(
        self,
        door: IngestionDoor,
        settings: IngestionSettings,
        backend: Backend,
        traceparent: str,
    ) -> None:
        self._door = door
        self._settings = settings
        self._backend = backend
        self._traceparent = traceparent
        self._slots = asyncio.Semaphore(settings.max_unanswered_batches)
        self._unanswered = 0
        # Never longer than the unanswered batches and the end.
        self._answers: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._reader: asyncio.Task[None] | None = None
        self._is_closing = False

    async def answers(self, requests: AsyncIterator[tuple[int, Batch]]) -> AsyncIterator[bytes]:
        """Ends when the caller half-closed. Raises Unavailable DRAINING after `close`, and what reading raised; in each case every batch that was read is answered before."""
        reader = self._reader = asyncio.create_task(self._read(requests))
        reader.add_done_callback(lambda _: self._end_if_done())
        if self._is_closing:
            reader.cancel()
        try:
            while (answer := await self._answers.get()) is not None:
                yield answer
                self._slots.release()
        finally:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)
        if not reader.cancelled():
            reader.result()
        elif self._is_closing:
            raise Unavailable(Reason.DRAINING, "open another stream; repeat what was not answered")

    def close(self) -> None:
        """Reads no further."""
        self._is_closing = True
        if self._reader is not None:
            self._reader.cancel()

    async def _read(self, requests: AsyncIterator[tuple[int, Batch]]) -> None:
        await self._slots.acquire()
        async for batch_id, batch in requests:
            try:
                await self._door.turn(batch)
            finally:
                # It was read: also one that is told to read no further answers it.
                self._take(batch_id, batch)
            await self._slots.acquire()

    def _take(self, batch_id: int, batch: Batch) -> None:
        self._unanswered += 1
        try:
            pending = self._door.take(self._backend, batch, self._traceparent)
        except RenoError as error:
            refusal = batch_refusal(error, self._settings.retry_after_s)
            self._answer(stream_refusal(batch_id, refusal))
            return
        pending.when_answered(partial(self._answer_results, batch_id))

    def _answer_results(self, batch_id: int, results: Results) -> None:
        self._answer(stream_response(batch_id, results))

    def _answer(self, answer: bytes) -> None:
        self._unanswered -= 1
        self._answers.put_nowait(answer)
        self._end_if_done()

    def _end_if_done(self) -> None:
        if self._unanswered == 0 and self._reader is not None and self._reader.done():
            self._answers.put_nowait(None)
