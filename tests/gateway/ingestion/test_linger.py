"""Priorities tuned apart: a lane that lingers writes fewer envelopes, the others do as before."""

import asyncio

from gateway.ingestion.confirmations import Confirmations
from gateway.ingestion.lanes import Lanes
from gateway.ingestion.shard_writer import ShardWriter
from reno.adapters.memory_log import MemoryLog
from reno.config.lane_settings import LaneSettings, LanesSettings
from reno.config.settings import Settings
from reno.domain.priority import Priority
from reno.ports import Shard
from reno.server.turns import Turns
from reno.wire.logged_row import logged_row

ROW = logged_row(b"", b"\0anna", bytes(12), 0, 0, False, "")
SETTINGS = Settings(lanes=LanesSettings(low=LaneSettings(linger_s=0.2)))


async def envelopes_of(lane: Priority, batches: int) -> int:
    """How many envelopes so many batches make that come one turn of the loop after the other."""
    log = MemoryLog(shards=1)
    await log.open_lane(lane)
    lanes = Lanes(log)
    await lanes.read_again(lane)
    loop = asyncio.get_running_loop()
    writer = ShardWriter(
        Shard(lane, 0, 1),
        SETTINGS.for_lane(lane),
        log,
        lanes,
        Confirmations(3),
        Turns(1),
        loop.time,
    )
    running = asyncio.create_task(writer.run())
    for _ in range(batches):
        assert writer.offer([ROW], loop.time(), lambda *_answer: None) == 1
        for _ in range(5):
            await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await writer.idle.wait()
    running.cancel()
    await asyncio.wait({running})
    return await log.last_sequence(lane)


async def test_a_lingering_lane_gathers_and_the_others_do_not() -> None:
    assert await envelopes_of(Priority.LOW, 10) == 1
    assert await envelopes_of(Priority.HIGH, 10) == 10
