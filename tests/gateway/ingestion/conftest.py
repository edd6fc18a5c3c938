"""A door over a log that fails by a schedule."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import pytest

from gateway.ingestion.door import IngestionDoor
from gateway.ingestion.lanes import Lanes
from reno.config.lane_settings import LanesSettings
from reno.config.settings import IngestionSettings, LogSettings, Settings
from tests.gateway.ingestion.examples import CATALOGUE, NOW_MS, MakeDoor
from tests.gateway.ingestion.scripted_log import ScriptedLog


@pytest.fixture
async def log() -> ScriptedLog:
    log = ScriptedLog()
    await log.open_lanes()
    return log


@pytest.fixture
async def make_door(log: ScriptedLog) -> AsyncIterator[MakeDoor]:
    lanes = Lanes(log)
    assert await lanes.read_all()
    doors: list[IngestionDoor] = []

    def make(
        now_s: Callable[[], float] = time.monotonic,
        own: LanesSettings | None = None,
        **limits: object,
    ) -> IngestionDoor:
        limits = {"deadline_s": 1.0, **limits}
        settings = Settings(
            lanes=own or LanesSettings(),
            ingestion=IngestionSettings.model_validate(limits),
            log=LogSettings(publish_timeout_s=0.1),
        )
        door = IngestionDoor(
            settings, CATALOGUE, log, lanes, now_ns=lambda: NOW_MS * 1_000_000, now_s=now_s
        )
        door.is_open = True
        doors.append(door)
        return door

    yield make
    log.gate.set()
    for door in doors:
        await asyncio.wait_for(door.drain(), 10)
