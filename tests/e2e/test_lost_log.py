"""Durable, Resumable: the log is wiped while everything is stopped. After the restart events flow again without an operator, devices are told, and nothing that was kept is gone."""

import asyncio
import shutil
from pathlib import Path

import pytest

from reno.domain.position import generation_of
from reno.v1.ingestion_service_pb2 import PublishResult
from reno.v1.notification_pb2 import Gap
from reno.v1.notification_service_pb2 import START_AT_START, PullRequest, PullResponse
from reno.v1.notification_service_pb2_grpc import NotificationServiceStub
from tests.e2e.running import RunningReno, reno_in
from tests.e2e.test_ways import Tv, profile_changed, publish
from tests.e2e.traffic import as_device, connected

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

WAIT_S = 30
PROMPT = {"RENO_PROCESSOR__FORK_AFTER_S": "0.5"}


async def pull(reno: RunningReno, device: str, cursor: str = "") -> PullResponse:
    async with connected(reno.devices) as channel:
        page: PullResponse = await NotificationServiceStub(channel).Pull(
            PullRequest(cursor=cursor, start_at=START_AT_START),
            metadata=as_device("anna", device),
            timeout=WAIT_S,
        )
        return page


async def pulled(reno: RunningReno, device: str, count: int, cursor: str = "") -> PullResponse:
    async with asyncio.timeout(WAIT_S):
        while len((page := await pull(reno, device, cursor)).notifications) < count:
            await asyncio.sleep(0.05)
    return page


async def test_a_wiped_log_stops_nothing_and_is_said(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with reno_in(data, PROMPT) as reno:
        first = await publish(
            reno, [profile_changed("anna", "e-1"), profile_changed("anna", "e-2")]
        )
        cursor = (await pulled(reno, "tv", 2)).cursor
        unseen = await publish(reno, [profile_changed("anna", "e-3")])
        await pulled(reno, "audit", 3)
        reno.stop()
    shutil.rmtree(data / "nats")

    with reno_in(data, PROMPT) as reno:
        told = await pull(reno, "tv", cursor)
        assert told.gap.reason == Gap.REASON_LOG_LOST
        assert positions(told) == [unseen[0].position], "what was kept is still pullable"
        await receipts_follow(reno)
        async with Tv(reno, "anna", "phone", "phone") as phone:
            after = await publish(reno, [profile_changed("anna", "e-4")])
            seen = await phone.until(4)
        assert [each.position for each in seen] == [
            *(each.position for each in (*first, *unseen, *after))
        ]
        assert generation_of(after[0].position) == 1
        page = await pulled(reno, "tv", 1, told.cursor)
        assert positions(page) == [after[0].position]
        assert not page.HasField("gap"), "once for a cursor"
        repeated = await publish(
            reno, [profile_changed("anna", "e-3"), profile_changed("anna", "e-5")]
        )
        assert all(each.status == PublishResult.STATUS_ACCEPTED for each in repeated)
        page = await pulled(reno, "tv", 1, page.cursor)
        assert [each.event_id for each in page.notifications] == ["e-5"], "known through the fork"


async def receipts_follow(reno: RunningReno) -> None:
    """The door reads the lanes' generation every few seconds."""
    async with asyncio.timeout(WAIT_S):
        while not generation_of((await publish(reno, [profile_changed("somebody")]))[0].position):
            await asyncio.sleep(0.2)


def positions(page: PullResponse) -> list[int]:
    return [each.position for each in page.notifications]
