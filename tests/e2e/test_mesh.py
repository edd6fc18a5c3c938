"""Envoy in front of two gateways: a device meets one of them, and when that dies or freezes it resumes on the other."""

import asyncio
import json
import os
import signal
import uuid
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, build_opener

import grpc
import pytest

from reno.v1.event_pb2 import Event
from reno.v1.ingestion_service_pb2 import PublishRequest
from reno.v1.ingestion_service_pb2_grpc import IngestionServiceStub
from reno.v1.notification_service_pb2 import AcknowledgeRequest, PullRequest, SubscribeRequest
from reno.v1.notification_service_pb2_grpc import NotificationServiceStub
from reno.v1.presence_service_pb2 import GetPresenceRequest
from reno.v1.presence_service_pb2_grpc import PresenceServiceStub
from tests.e2e.history import History
from tests.e2e.running import EDGES, RunningReno, reno_in
from tests.e2e.settling import online, pulled, until_all
from tests.e2e.traffic import Backend, Listener, as_backend, as_device, connected
from tests.faults.calls import Metadata

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

through_the_mesh = pytest.mark.parametrize("running_reno", ["mesh", "mesh-grpcio"], indirect=True)

WAIT_S = 30
SECONDS = 8
EVENTS_PER_S = 400
BATCH = 20
LOSE_AT_S = 3.0
MEMBERS = [f"m{n}" for n in range(24)]
TYPES = ["profile.changed", "diagnostic.requested"]
ALONE = {
    # What was lost stays lost for the test, and what is frozen is left frozen by the supervisor.
    "RENO_SUPERVISOR__RESTART_DELAY_S": "120",
    "RENO_SUPERVISOR__MAX_RESTART_DELAY_S": "120",
    "RENO_SUPERVISOR__SILENT_AFTER_S": "120",
    "RENO_MESH__DOOR_KEEPALIVE_INTERVAL_S": "1",
    "RENO_MESH__DOOR_KEEPALIVE_TIMEOUT_S": "1",
}
_direct = build_opener(ProxyHandler({}))


def admin(reno: RunningReno, path: str) -> Any:
    with _direct.open(f"http://{reno.address('mesh-admin')}{path}", timeout=WAIT_S) as answer:
        return json.loads(answer.read())


def calls_by_gateway(reno: RunningReno) -> Counter[int]:
    """How many calls Envoy has passed on so far, by the gateway's port."""
    clusters = admin(reno, "/clusters?format=json")["cluster_statuses"]
    (devices,) = (one for one in clusters if one["name"] == "devices")
    found: Counter[int] = Counter()
    for host in devices["host_statuses"]:
        stats = {stat["name"]: int(stat.get("value", 0)) for stat in host["stats"]}
        found[host["address"]["socket_address"]["port_value"]] = stats["rq_total"]
    return found


async def call_as(reno: RunningReno, member: str, device: str) -> None:
    """Each of a device's calls, over a connection of its own."""
    metadata = as_device(member, device)
    async with connected(reno.devices) as channel:
        stub = NotificationServiceStub(channel)
        page = await stub.Pull(PullRequest(), metadata=metadata, timeout=WAIT_S)
        acknowledgement = AcknowledgeRequest(cursor=page.cursor)
        await stub.Acknowledge(acknowledgement, metadata=metadata, timeout=WAIT_S)
        async for _frame in stub.Subscribe(SubscribeRequest(), metadata=metadata, timeout=WAIT_S):
            break


@through_the_mesh
async def test_all_calls_of_a_device_meet_in_one_gateway(running_reno: RunningReno) -> None:
    await until_both_are_asked(running_reno)
    used = Counter[int]()
    for number in range(12):
        before = calls_by_gateway(running_reno)
        for _ in range(2):
            await call_as(running_reno, f"sticky-{number}", "tv-1")
        # Counter's difference leaves out whom nothing was added to.
        (where,) = (calls_by_gateway(running_reno) - before).items()
        assert where[1] == 6
        used[where[0]] += 1
    # The same device id in every household: the member counts too.
    assert len(used) == 2


@through_the_mesh
async def test_each_port_answers_for_its_own_service_only(running_reno: RunningReno) -> None:
    async with connected(running_reno.devices) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await IngestionServiceStub(channel).Publish(
                PublishRequest(event=Event(id="e", type="plan.changed", member_id="anna")),
                metadata=as_backend(),
                timeout=WAIT_S,
            )
    assert refused.value.code() == grpc.StatusCode.UNIMPLEMENTED


@through_the_mesh
async def test_errors_keep_their_details_on_the_way(running_reno: RunningReno) -> None:
    async with connected(running_reno.devices) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await NotificationServiceStub(channel).Pull(PullRequest(), timeout=WAIT_S)
    assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED
    keys = [key for key, _value in refused.value.trailing_metadata() or ()]
    assert "grpc-status-details-bin" in keys


@through_the_mesh
async def test_a_device_that_leaves_is_no_fault_in_the_log(running_reno: RunningReno) -> None:
    metadata = as_device(f"leaving-{uuid.uuid4()}", "tv-1")
    async with connected(running_reno.devices) as channel:
        before = await faults(running_reno, channel)
        leaving = NotificationServiceStub(channel).Subscribe(
            SubscribeRequest(), metadata=metadata, timeout=WAIT_S
        )
        await leaving.read()
        leaving.cancel()
        await leave_in_a_browser(running_reno, metadata)
        assert await faults(running_reno, channel) == before + Counter({"UNIMPLEMENTED": 1})


async def faults(reno: RunningReno, channel: grpc.aio.Channel) -> Counter[str]:
    """The devices' calls in Envoy's log by status, once it has a line of a fault that is made here: it writes them every second, in their order."""
    method = f"/reno.v1.NotificationService/Marker-{uuid.uuid4()}"
    unknown: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(method)
    with pytest.raises(grpc.aio.AioRpcError):
        await unknown(b"", timeout=WAIT_S)
    async with asyncio.timeout(WAIT_S):
        while method not in (log := reno.log("mesh")):
            await asyncio.sleep(0.1)
    lines = [json.loads(line) for line in log.splitlines() if line.endswith("}")]
    return Counter(line["status"] for line in lines if line.get("edge") == "devices")


async def leave_in_a_browser(reno: RunningReno, metadata: Metadata) -> None:
    """Subscribes by gRPC-Web over HTTP/1.1, and breaks the connection off after the first bytes."""
    host, _, port = reno.devices.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    headers = {"host": reno.devices, "content-type": "application/grpc-web+proto", **dict(metadata)}
    lines = [
        "POST /reno.v1.NotificationService/Subscribe HTTP/1.1",
        *(f"{name}: {value}" for name, value in headers.items()),
        "content-length: 5",
    ]
    writer.write("\r\n".join([*lines, "", ""]).encode() + bytes(5))
    async with asyncio.timeout(WAIT_S):
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    writer.transport.abort()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
async def test_devices_of_a_lost_gateway_resume_on_the_other(
    tmp_path: Path, how: signal.Signals
) -> None:
    """Durable, Once, Ordered, Resumable, Truthful."""
    with reno_in(tmp_path / "data", ALONE, EDGES["mesh"]) as reno:
        await until_both_are_asked(reno)
        lost = reno.pids["gateway-1"]
        history = History()
        listeners = [Listener(reno.devices, history, member, "tv-1") for member in MEMBERS]
        try:
            async with online(listeners, timeout_s=WAIT_S) as listening:
                assert await gateways(reno) == {"gateway-1", "gateway-2"}
                backend = Backend(reno.ingestion, history, MEMBERS, TYPES, seed=1)
                publishing = asyncio.create_task(backend.publish(SECONDS, EVENTS_PER_S, BATCH))
                await asyncio.sleep(LOSE_AT_S)
                os.kill(lost, how)
                await publishing
                for member in MEMBERS:
                    history.pulled[f"{member}/audit"] = await pulled(reno.devices, history, member)
                for listener, member in zip(listeners, MEMBERS, strict=True):
                    await until_all(listening, listener.seen, history, member)
                async with asyncio.timeout(WAIT_S):
                    while await gateways(reno) != {"gateway-2"}:
                        await asyncio.sleep(0.1)
                assert "gateway-1" not in reno.pids or how is signal.SIGSTOP
        finally:
            if how is signal.SIGSTOP:
                os.kill(lost, signal.SIGCONT)
    assert len(history.receipts) == SECONDS * EVENTS_PER_S
    assert history.broken_promises() == []


async def until_both_are_asked(reno: RunningReno) -> None:
    """Ready is when one gateway is in Envoy's ring; the other one is added by its next health check."""
    before = calls_by_gateway(reno)
    async with asyncio.timeout(WAIT_S):
        while len(calls_by_gateway(reno) - before) < 2:
            await call_as(reno, f"first-{uuid.uuid4()}", "tv-1")


async def gateways(reno: RunningReno) -> set[str]:
    """Where presence says that the members' devices are, each at one place; empty while one is at none or at two."""
    async with connected(reno.presence) as channel:
        answer = await PresenceServiceStub(channel).GetPresence(
            GetPresenceRequest(member_ids=MEMBERS), metadata=as_backend(), timeout=WAIT_S
        )
    if any(len(member.devices) != 1 for member in answer.members):
        return set()
    return {member.devices[0].gateway_id for member in answer.members}
