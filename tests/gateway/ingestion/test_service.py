"""The door through real gRPC."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from gateway.ingestion.role import IngestionRole
from gateway.ingestion.service import NAME
from reno.config.settings import IngestionSettings, LogSettings, ServerSettings, Settings
from reno.config.transport import GRPCIO, H2
from reno.domain.position import position_of
from reno.ports import LogFull, LogUnconfirmed
from reno.v1 import ingestion_service_pb2 as contract
from reno.v1.event_pb2 import Event
from reno.v1.ingestion_service_pb2_grpc import IngestionServiceStub
from reno.v1.reason_pb2 import Reason
from reno.wire.envelope import open_envelope
from reno.wire.joining import repeated
from tests.gateway.ingestion.examples import CATALOGUE, TRACED, at, event
from tests.gateway.ingestion.scripted_log import ScriptedLog

WHO = (("reno-source", "billing"),)
PATIENCE_S = 10.0
SETTINGS = Settings(
    ingestion=IngestionSettings(
        listen="127.0.0.1:0", deadline_s=0.5, max_unanswered_batches=2, stream_life_s=60
    ),
    log=LogSettings(publish_timeout_s=0.2),
    server=ServerSettings(drain_s=1),
)
Stub = Any


async def synced() -> bool:
    return True


async def until_serving(
    channel: grpc.aio.Channel, service: str = NAME, *, is_serving: bool = True
) -> None:
    health = health_pb2_grpc.HealthStub(channel)
    async for answer in health.Watch(
        health_pb2.HealthCheckRequest(service=service), timeout=PATIENCE_S
    ):
        if (answer.status == health_pb2.HealthCheckResponse.SERVING) is is_serving:
            return
    raise AssertionError("the watch ended")


@pytest.fixture
async def log() -> ScriptedLog:
    log = ScriptedLog()
    await log.open_lanes()
    return log


@pytest.fixture(params=[GRPCIO, H2])
async def role(log: ScriptedLog, request: pytest.FixtureRequest) -> AsyncIterator[IngestionRole]:
    ingestion = SETTINGS.ingestion.model_copy(update={"transport": request.param})
    role = IngestionRole(
        SETTINGS.model_copy(update={"ingestion": ingestion}), CATALOGUE, log, synced
    )
    await role.start()
    yield role
    log.gate.set()
    await asyncio.wait_for(role.drain(), PATIENCE_S)


@pytest.fixture
async def channel(role: IngestionRole) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(role.addresses["ingestion"]) as channel:
        await until_serving(channel)
        yield channel


@pytest.fixture
def stub(channel: grpc.aio.Channel) -> Stub:
    return IngestionServiceStub(channel)


def details(error: grpc.aio.AioRpcError) -> tuple[str, str, float | None]:
    """(reason, field, retry_after_s)."""
    status = rpc_status.from_call(error)
    assert status is not None
    reason, field, retry = "", "", None
    for detail in status.details:
        info, bad, again = ErrorInfo(), BadRequest(), RetryInfo()
        if detail.Unpack(info):
            reason = info.reason
        elif detail.Unpack(bad):
            field = bad.field_violations[0].field
        elif detail.Unpack(again):
            retry = again.retry_delay.ToMilliseconds() / 1000
    return reason, field, retry


async def refused(call: Any) -> tuple[grpc.StatusCode, str, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    reason, field, _ = details(caught.value)
    return caught.value.code(), reason, field


async def publish(stub: Stub, given: Event, metadata: Sequence[tuple[str, str]] = WHO) -> Any:
    return await stub.Publish(
        contract.PublishRequest(event=given), metadata=metadata, timeout=PATIENCE_S
    )


async def test_a_receipt(stub: Stub) -> None:
    receipt = await publish(stub, event())
    assert (receipt.priority, receipt.position) == (1, position_of(0, 1, 0))


@pytest.mark.parametrize(
    ("given", "code", "reason", "field"),
    [
        (event(id=""), "INVALID_ARGUMENT", "INVALID", "event.id"),
        (event(id="x" * 50_000), "INVALID_ARGUMENT", "INVALID", "event.id"),
        (event(member_id="ann a"), "INVALID_ARGUMENT", "INVALID", "event.member_id"),
        (event(type="unheard-of"), "INVALID_ARGUMENT", "UNKNOWN_TYPE", "event.type"),
        (event(type="merging"), "INVALID_ARGUMENT", "MERGE_KEY_REQUIRED", "event.merge_key"),
        (event(payload=b"x" * 32_769), "INVALID_ARGUMENT", "TOO_LARGE", "event.payload"),
        (
            event(occurred_at=at(4_000_000_000_000)),
            "INVALID_ARGUMENT",
            "FUTURE_TIME",
            "event.occurred_at",
        ),
        (event(occurred_at=at(0)), "FAILED_PRECONDITION", "STALE", "event.occurred_at"),
    ],
)
async def test_bad_events(stub: Stub, given: Event, code: str, reason: str, field: str) -> None:
    assert await refused(publish(stub, given)) == (grpc.StatusCode[code], reason, field)


async def test_no_event_and_no_identity(stub: Stub) -> None:
    invalid = grpc.StatusCode.INVALID_ARGUMENT
    empty = stub.Publish(contract.PublishRequest(), metadata=WHO)
    assert await refused(empty) == (invalid, "INVALID", "event")
    nobody = grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED", ""
    assert await refused(publish(stub, event(), ())) == nobody
    batch = contract.PublishBatchRequest(events=[event()])
    assert await refused(stub.PublishBatch(batch)) == nobody


async def test_bounded_a_full_log_says_when_to_come_back(stub: Stub, log: ScriptedLog) -> None:
    log.failures.append(LogFull())
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await publish(stub, event())
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert details(caught.value) == ("FULL", "", 1.0)


async def test_uncertain_is_unavailable(stub: Stub, log: ScriptedLog) -> None:
    log.always = LogUnconfirmed()
    assert await refused(publish(stub, event())) == (
        grpc.StatusCode.UNAVAILABLE,
        "UNCERTAIN",
        "",
    )
    log.always = None


async def test_a_callers_earlier_deadline_is_its_own(stub: Stub, log: ScriptedLog) -> None:
    log.gate.clear()
    hasty = stub.Publish(contract.PublishRequest(event=event(0)), metadata=WHO, timeout=0.2)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await hasty
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    log.gate.set()
    receipt = await publish(stub, event(1))
    assert receipt.position == position_of(0, 2, 0)


async def test_a_batch_has_a_result_for_each_event(channel: grpc.aio.Channel, stub: Stub) -> None:
    send: Any = channel.unary_unary(
        f"/{NAME}/PublishBatch",
        response_deserializer=contract.PublishBatchResponse.FromString,
    )
    wrong_utf8 = b"\x0a\x02\xff\xfe"
    parts = [event(0), event(0), event(1, type="unheard-of"), event(2)]
    body = repeated(1, [*(part.SerializeToString() for part in parts), wrong_utf8])
    response = await send(body, metadata=WHO, timeout=PATIENCE_S)
    assert [(each.status, each.refusal.reason) for each in response.results] == [
        (contract.PublishResult.STATUS_ACCEPTED, 0),
        (contract.PublishResult.STATUS_REFUSED, Reason.REASON_DUPLICATE),
        (contract.PublishResult.STATUS_REFUSED, Reason.REASON_UNKNOWN_TYPE),
        (contract.PublishResult.STATUS_ACCEPTED, 0),
        (contract.PublishResult.STATUS_REFUSED, Reason.REASON_MALFORMED),
    ]
    assert response.results[4].refusal.field == "events[4]"
    assert response.results[3].position == response.results[0].position + 1


async def test_batches_that_are_none(channel: grpc.aio.Channel, stub: Stub) -> None:
    invalid = grpc.StatusCode.INVALID_ARGUMENT
    send: Any = channel.unary_unary(f"/{NAME}/PublishBatch")
    garbage = send(b"\xff" * 50, metadata=WHO, timeout=PATIENCE_S)
    assert await refused(garbage) == (invalid, "MALFORMED", "")

    async def batch(events: list[Event]) -> tuple[grpc.StatusCode, str, str]:
        request = contract.PublishBatchRequest(events=events)
        return await refused(stub.PublishBatch(request, metadata=WHO, timeout=PATIENCE_S))

    assert await batch([]) == (invalid, "INVALID", "events")
    assert await batch([event(n) for n in range(1001)]) == (invalid, "TOO_LARGE", "events")
    large = [event(n, payload=b"x" * 30_000) for n in range(40)]
    assert await batch(large) == (invalid, "TOO_LARGE", "events")


def a_batch(number: int, *events: Event) -> contract.PublishStreamRequest:
    return contract.PublishStreamRequest(batch_id=number, events=events)


async def test_a_stream_answers_each_batch_and_goes_on_after_a_bad_one(stub: Stub) -> None:
    async def batches() -> AsyncIterator[contract.PublishStreamRequest]:
        yield a_batch(1, event(1), event(2))
        yield a_batch(2)
        yield a_batch(3, event(3))

    answers = [
        answer async for answer in stub.PublishStream(batches(), metadata=WHO, timeout=PATIENCE_S)
    ]
    by_id = {answer.batch_id: answer for answer in answers}
    assert {number: len(answer.results) for number, answer in by_id.items()} == {1: 2, 2: 0, 3: 1}
    assert by_id[2].refusal.reason == Reason.REASON_INVALID
    # Ordered: the later batch stands behind the earlier one.
    assert by_id[3].results[0].position > by_id[1].results[1].position


async def test_bounded_a_stream_reads_no_further_than_its_unanswered_batches(
    stub: Stub, log: ScriptedLog
) -> None:
    log.gate.clear()
    call = stub.PublishStream(metadata=WHO, timeout=PATIENCE_S)
    for number in range(5):
        await call.write(a_batch(number, event(number)))
    await call.done_writing()
    # A call that began later is answered, so whatever the stream would read it has read.
    assert await refused(publish(stub, event(type="unheard-of")))
    log.gate.set()
    answered = [answer.batch_id async for answer in call]
    assert answered == [0, 1, 2, 3, 4]
    assert await call.code() is grpc.StatusCode.OK
    assert max(len(open_envelope(payload).rows) for _, payload, _, _ in log.attempts) <= 2


async def test_garbage_ends_a_stream_after_what_came_before_is_answered(
    channel: grpc.aio.Channel,
) -> None:
    send: Any = channel.stream_stream(
        f"/{NAME}/PublishStream",
        response_deserializer=contract.PublishStreamResponse.FromString,
    )

    async def batches() -> AsyncIterator[bytes]:
        yield a_batch(1, event(1)).SerializeToString()
        yield b"\xff" * 9

    call = send(batches(), metadata=WHO, timeout=PATIENCE_S)
    assert (await call.read()).batch_id == 1
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert details(caught.value)[0] == "MALFORMED"


async def test_a_caller_who_drops_its_stream_harms_nobody(stub: Stub, log: ScriptedLog) -> None:
    log.gate.clear()
    call = stub.PublishStream(metadata=WHO, timeout=PATIENCE_S)
    await call.write(a_batch(1, event(1)))
    while not log.attempts:
        await asyncio.sleep(0.01)
    call.cancel()
    log.gate.set()
    receipt = await publish(stub, event(2), (*WHO, ("traceparent", TRACED)))
    assert receipt.position == position_of(0, 2, 0)


async def test_a_drain_answers_what_was_read_and_ends_streams(
    role: IngestionRole, stub: Stub, log: ScriptedLog
) -> None:
    call = stub.PublishStream(metadata=WHO, timeout=PATIENCE_S)
    await call.write(a_batch(1, event(1)))
    assert (await call.read()).batch_id == 1
    log.gate.clear()
    await call.write(a_batch(2, event(2)))
    while len(log.attempts) < 2:
        await asyncio.sleep(0.01)
    draining = asyncio.create_task(role.drain())
    deadline = time.monotonic() + PATIENCE_S
    while True:
        code, reason, _ = await refused(publish(stub, event(type="unheard-of")))
        if code is grpc.StatusCode.UNAVAILABLE:
            break
        assert time.monotonic() < deadline
    assert reason == "DRAINING"
    log.gate.set()
    assert (await call.read()).results[0].status == contract.PublishResult.STATUS_ACCEPTED
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert details(caught.value)[0] == "DRAINING"
    await asyncio.wait_for(draining, PATIENCE_S)
