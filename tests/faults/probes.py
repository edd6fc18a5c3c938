"""Probes: one event a lane and shard, ten times a second, each on its own; they say when an installation works again."""

import asyncio
import time
from collections import defaultdict
from typing import TYPE_CHECKING

from reno.v1.ingestion_service_pb2_grpc import IngestionServiceStub
from tests.faults.backends import Backend
from tests.faults.calls import connected
from tests.faults.oplog import OpLog
from tests.faults.traffic import LANE_WORDS, SHARDS, Choice, event_of, member_of_shard

if TYPE_CHECKING:
    from reno.v1.ingestion_service_pb2_grpc import IngestionServiceAsyncStub

EVERY_S = 0.1
TIMEOUT_S = 2.0
MAX_UNDER_WAY = 40
MEMBERS = [member_of_shard("probe", shard) for shard in range(SHARDS)]


class Prober(Backend):
    """Its batches are under way beside each other: nobody owes them an order. One that failed is not repeated."""

    def __init__(self, door: str, log: OpLog) -> None:
        super().__init__(
            door, "probe", Choice("probe", 1, dict.fromkeys(MEMBERS, 0), ""), log, len(MEMBERS)
        )
        self._numbers = 0
        self._sent_at: dict[str, float] = {}
        self._arrived: dict[tuple[str, str], float] = defaultdict(float)
        """By watcher and kind of probe: when the newest that arrived there was sent."""
        self._watchers: set[str] = set()

    def watched_by(self, watcher: str) -> None:
        """It will tell `saw`."""
        self._watchers.add(watcher)

    def saw(self, watcher: str, an_id: str) -> None:
        kind = an_id.rpartition("-")[0]
        place = watcher, kind
        self._arrived[place] = max(self._arrived[place], self._sent_at[an_id])

    def is_through(self, since: float) -> bool:
        """At every watcher arrived something of every lane and shard that was sent after the moment, monotonic."""
        return all(
            self._arrived[watcher, f"probe-{lane}-{shard}"] >= since
            for watcher in self._watchers
            for lane in LANE_WORDS
            for shard in range(SHARDS)
        )

    async def run(self, ending: asyncio.Event) -> None:
        """Until it is told to end."""
        under_way: set[asyncio.Task[None]] = set()
        async with connected(self._door) as channel:
            stub = IngestionServiceStub(channel)
            while not ending.is_set():
                if len(under_way) < MAX_UNDER_WAY:
                    task = asyncio.create_task(self._probe(stub))
                    under_way.add(task)
                    task.add_done_callback(under_way.discard)
                await asyncio.sleep(EVERY_S)
            await asyncio.gather(*under_way)

    async def _probe(self, stub: "IngestionServiceAsyncStub") -> None:
        self._numbers += 1
        batch = []
        for lane, word in LANE_WORDS.items():
            for shard, member in enumerate(MEMBERS):
                an_id = f"probe-{lane}-{shard}-{self._numbers}"
                self._sent_at[an_id] = time.monotonic()
                sent = event_of(an_id, member, f"plain.{word}")
                sent.tries = 1
                batch.append(sent)
        await self.attempt(stub, batch, TIMEOUT_S)
