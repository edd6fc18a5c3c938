"""An event's ways to a device, through real processes: push, pull, catch-up, one cursor for all."""

import asyncio
import os
import signal
import time
import uuid
from collections.abc import Sequence
from typing import Any

import grpc
import pytest

from reno.v1.event_pb2 import Event, Targets
from reno.v1.ingestion_service_pb2 import (
    PublishBatchRequest,
    PublishBatchResponse,
    PublishRequest,
    PublishResult,
)
from reno.v1.ingestion_service_pb2_grpc import IngestionServiceStub
from reno.v1.notification_pb2 import VIA_PULL, VIA_PUSH, Notification
from reno.v1.notification_service_pb2 import (
    START_AT_START,
    AcknowledgeRequest,
    PullRequest,
    SubscribeRequest,
    SubscribeResponse,
)
from reno.v1.notification_service_pb2_grpc import NotificationServiceStub
from reno.v1.presence_service_pb2 import (
    PRESENCE_STATE_OFFLINE,
    PRESENCE_STATE_ONLINE,
    MemberPresence,
    WatchRequest,
)
from reno.v1.presence_service_pb2_grpc import PresenceServiceStub
from reno.v1.reason_pb2 import Reason
from tests.e2e.running import RunningReno
from tests.e2e.traffic import as_backend, as_device, connected, pull_all

pytestmark = pytest.mark.e2e

WAIT_S = 20

Raw = grpc.aio.UnaryUnaryMultiCallable[bytes, Any]


def new_member() -> str:
    return f"m-{uuid.uuid4()}"


async def publish(
    reno: RunningReno, events: Sequence[Event], source: str = "test"
) -> list[PublishResult]:
    async with connected(reno.ingestion) as channel:
        answer = await IngestionServiceStub(channel).PublishBatch(
            PublishBatchRequest(events=events), metadata=as_backend(source), timeout=WAIT_S
        )
        return list(answer.results)


def profile_changed(member: str, event_id: str = "", **more: object) -> Event:
    event_id = event_id or f"e-{uuid.uuid4()}"
    return Event(id=event_id, type="profile.changed", member_id=member, **more)  # type: ignore[arg-type]


class Tv:
    """A subscribed device of one test."""

    def __init__(
        self, reno: RunningReno, member: str, device: str = "tv", kind: str = "tv"
    ) -> None:
        self._reno = reno
        self.metadata = as_device(member, device, kind)
        self.frames: list[SubscribeResponse] = []
        self.caught_up = asyncio.Event()

    @property
    def seen(self) -> list[Notification]:
        return [one for frame in self.frames for one in frame.notifications]

    @property
    def cursor(self) -> str:
        return self.frames[-1].cursor

    async def listen(self, cursor: str = "") -> None:
        async with connected(self._reno.devices) as channel:
            request = SubscribeRequest(cursor=cursor, start_at=START_AT_START)
            async for frame in NotificationServiceStub(channel).Subscribe(
                request, metadata=self.metadata
            ):
                self.frames.append(frame)
                if frame.caught_up:
                    self.caught_up.set()

    async def __aenter__(self) -> "Tv":
        self._task = asyncio.create_task(self.listen())
        await asyncio.wait_for(self.caught_up.wait(), WAIT_S)
        return self

    async def __aexit__(self, *_raised: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def until(self, count: int) -> list[Notification]:
        end = time.monotonic() + WAIT_S
        while len(self.seen) < count and time.monotonic() < end:
            await asyncio.sleep(0.02)
        return self.seen


async def until_pulled(reno: RunningReno, member: str, count: int) -> list[Notification]:
    end = time.monotonic() + WAIT_S
    while True:
        seen = await pull_all(reno.devices, member, f"audit-{uuid.uuid4()}")
        if len(seen) >= count or time.monotonic() > end:
            return seen
        await asyncio.sleep(0.05)


async def test_a_tv_that_was_off_pulls_what_the_phone_was_pushed(running_reno: RunningReno) -> None:
    member = new_member()
    async with Tv(running_reno, member, "phone-1", "phone") as phone:
        event = Event(
            id="watched",
            type="viewing.progressed",
            member_id=member,
            merge_key="kids",
            payload=b"{}",
        )
        (result,) = await publish(running_reno, [event])
        assert result.status == PublishResult.STATUS_ACCEPTED
        (pushed,) = await phone.until(1)
        assert (pushed.via, pushed.action) == (VIA_PUSH, "sync_continue_watching")
        assert pushed.position == result.position
        assert await pull_all(running_reno.devices, member, "phone-1", phone.cursor) == []
    (pulled,) = await pull_all(running_reno.devices, member, "tv-1")
    assert (pulled.via, pulled.action) == (VIA_PULL, "refresh_row")
    assert pulled.position == result.position


async def test_a_pull_cursor_resumes_a_stream(running_reno: RunningReno) -> None:
    member = new_member()
    await publish(running_reno, [profile_changed(member, f"e{n}") for n in range(3)])
    await until_pulled(running_reno, member, 3)
    async with connected(running_reno.devices) as channel:
        stub = NotificationServiceStub(channel)
        page = await stub.Pull(
            PullRequest(page_size=2, start_at=START_AT_START), metadata=as_device(member, "tv")
        )
        assert [one.event_id for one in page.notifications] == ["e0", "e1"]
        assert page.more
        async for frame in stub.Subscribe(
            SubscribeRequest(cursor=page.cursor), metadata=as_device(member, "tv")
        ):
            if frame.notifications:
                assert [one.event_id for one in frame.notifications] == ["e2"]
                break


async def test_what_a_device_acknowledged_is_kept(running_reno: RunningReno) -> None:
    member = new_member()
    await publish(running_reno, [profile_changed(member, f"e{n}") for n in range(2)])
    await until_pulled(running_reno, member, 2)
    async with connected(running_reno.devices) as channel:
        stub = NotificationServiceStub(channel)
        page = await stub.Pull(
            PullRequest(page_size=1, start_at=START_AT_START), metadata=as_device(member, "tv")
        )
        await stub.Acknowledge(
            AcknowledgeRequest(cursor=page.cursor), metadata=as_device(member, "tv")
        )
        left = await stub.Pull(PullRequest(), metadata=as_device(member, "tv"))
        assert [one.event_id for one in left.notifications] == ["e1"]


async def test_targets_and_origin_are_kept_from_the_others(running_reno: RunningReno) -> None:
    member = new_member()
    async with (
        Tv(running_reno, member, "tv-1") as tv,
        Tv(running_reno, member, "phone-1", "phone") as phone,
    ):
        for_tvs = profile_changed(member, "for-tvs", targets=Targets(device_classes=["tv"]))
        by_phone = profile_changed(member, "by-phone", origin_device_id="phone-1")
        await publish(running_reno, [for_tvs, by_phone, profile_changed(member, "for-all")])
        seen_by_tv = [one.event_id for one in await tv.until(3)]
        seen_by_phone = [one.event_id for one in await phone.until(1)]
    assert seen_by_tv == ["for-tvs", "by-phone", "for-all"]
    assert seen_by_phone == ["for-all"]


async def test_a_duplicate_is_dropped_also_after_the_processor_was_killed(
    running_reno: RunningReno,
) -> None:
    member = new_member()
    await publish(running_reno, [profile_changed(member, "again")])
    first = await until_pulled(running_reno, member, 1)
    await publish(running_reno, [profile_changed(member, "again")])
    pid = running_reno.pids["processor-medium"]
    os.kill(pid, signal.SIGKILL)
    await publish(running_reno, [profile_changed(member, "again")])
    await publish(running_reno, [profile_changed(member, "again")], source="another")
    await publish(running_reno, [profile_changed(member, "last")])
    seen = await until_pulled(running_reno, member, 3)
    assert [(one.event_id, one.source) for one in seen] == [
        ("again", "test"),
        ("again", "another"),
        ("last", "test"),
    ]
    assert seen[0].position == first[0].position


async def test_one_bad_event_never_fails_its_neighbours(running_reno: RunningReno) -> None:
    member = new_member()
    stale, future = profile_changed(member, "stale"), profile_changed(member, "future")
    stale.occurred_at.FromSeconds(int(time.time()) - 90_000)
    future.occurred_at.FromSeconds(int(time.time()) + 90)
    bad = [
        (profile_changed("", "no-member"), Reason.REASON_INVALID),
        (profile_changed(member, "x" * 129), Reason.REASON_INVALID),
        (profile_changed(member, "a b"), Reason.REASON_INVALID),
        (profile_changed(member, "big", payload=b"x" * 32_769), Reason.REASON_TOO_LARGE),
        (Event(id="what", type="what.is_this", member_id=member), Reason.REASON_UNKNOWN_TYPE),
        (Event(id="k", type="list.changed", member_id=member), Reason.REASON_MERGE_KEY_REQUIRED),
        (stale, Reason.REASON_STALE),
        (future, Reason.REASON_FUTURE_TIME),
        (profile_changed(member, "good-0"), Reason.REASON_DUPLICATE),
    ]
    events = [
        profile_changed(member, "good-0"),
        *(event for event, _ in bad),
        profile_changed(member, "good-1"),
    ]
    results = await publish(running_reno, events)
    assert [one.status for one in (results[0], results[-1])] == [PublishResult.STATUS_ACCEPTED] * 2
    assert [one.refusal.reason for one in results[1:-1]] == [reason for _, reason in bad]
    assert results[1].refusal.field == "events[1].member_id"
    seen = await until_pulled(running_reno, member, 2)
    assert [one.event_id for one in seen] == ["good-0", "good-1"]


async def test_wrong_utf8_refuses_only_its_event(running_reno: RunningReno) -> None:
    member = new_member()
    good = profile_changed(member, "good").SerializeToString()
    broken = profile_changed(member, "bad").SerializeToString().replace(b"bad", b"b\xffd")
    request = b"".join(b"\x0a" + bytes([len(part)]) + part for part in (broken, good))
    async with connected(running_reno.ingestion) as channel:
        call: Raw = channel.unary_unary(
            "/reno.v1.IngestionService/PublishBatch",
            response_deserializer=PublishBatchResponse.FromString,
        )
        answer = await call(request, metadata=as_backend(), timeout=WAIT_S)
    assert [one.refusal.reason for one in answer.results] == [Reason.REASON_MALFORMED, 0]
    assert [one.event_id for one in await until_pulled(running_reno, member, 1)] == ["good"]


@pytest.mark.parametrize(
    ("cursor", "code"),
    [
        ("garbage", grpc.StatusCode.INVALID_ARGUMENT),
        ("A" * 58, grpc.StatusCode.INVALID_ARGUMENT),
        ("x" * 600, grpc.StatusCode.INVALID_ARGUMENT),
    ],
)
async def test_a_forged_cursor_is_refused(
    running_reno: RunningReno, cursor: str, code: grpc.StatusCode
) -> None:
    async with connected(running_reno.devices) as channel:
        stub = NotificationServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.Pull(PullRequest(cursor=cursor), metadata=as_device(new_member(), "tv"))
        assert refused.value.code() == code


async def test_anothers_cursor_is_refused(running_reno: RunningReno) -> None:
    async with connected(running_reno.devices) as channel:
        stub = NotificationServiceStub(channel)
        mine = await stub.Pull(PullRequest(), metadata=as_device(new_member(), "tv"))
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.Pull(PullRequest(cursor=mine.cursor), metadata=as_device(new_member(), "tv"))
        assert refused.value.code() == grpc.StatusCode.PERMISSION_DENIED
        assert "CURSOR_FOREIGN" in str(refused.value.details())


async def test_a_watcher_is_told_when_a_device_comes_and_goes(running_reno: RunningReno) -> None:
    """Truthful."""
    member = new_member()
    async with connected(running_reno.presence) as channel:
        call = PresenceServiceStub(channel).Watch(
            WatchRequest(member_ids=[member]), metadata=as_backend(), timeout=2 * WAIT_S
        )

        async def told(state: int) -> MemberPresence:
            async for frame in call:
                for one in frame.members:
                    if one.state == state:
                        return one
            raise AssertionError("the watch ended")

        await told(PRESENCE_STATE_OFFLINE)
        async with Tv(running_reno, member, "tv-1"):
            (device,) = (await told(PRESENCE_STATE_ONLINE)).devices
            assert (device.device_id, device.device_class) == ("tv-1", "tv")
            assert device.gateway_id
        assert not (await told(PRESENCE_STATE_OFFLINE)).devices
        call.cancel()


async def test_garbage_on_every_port_leaves_the_system_running(running_reno: RunningReno) -> None:
    for address in (running_reno.ingestion, running_reno.devices, running_reno.presence):
        host, port = address.split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(os.urandom(4096))
        await writer.drain()
        writer.close()
    async with connected(running_reno.ingestion) as channel:
        call: Raw = channel.unary_unary("/reno.v1.IngestionService/Publish")
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call(b"\xff\xff\xff", metadata=as_backend(), timeout=WAIT_S)
        assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        event = PublishRequest(event=profile_changed(new_member()))
        await IngestionServiceStub(channel).Publish(event, metadata=as_backend(), timeout=WAIT_S)
