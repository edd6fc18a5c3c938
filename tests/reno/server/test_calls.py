"""What a caller meets at every door: identity, clear errors for broken bytes, one table of statuses."""

from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo

from reno.domain.identity import Backend
from reno.domain.reason import Reason
from reno.errors import (
    CallerFault,
    NotAllowed,
    RenoError,
    Replaced,
    TryLater,
    Unauthenticated,
    Unavailable,
    WrongState,
)
from reno.server.identity import device_of, nobody
from reno.v1 import ingestion_service_pb2 as pb
from reno.v1.event_pb2 import Event
from tests.reno.server.door import BACKEND, Echo, details_of, open_door, raw, stub

pytestmark = pytest.mark.usefixtures("each_transport")

BROKEN = b"\xff\xff\xff"
REQUEST = pb.PublishRequest(event=Event(id="e-1"))
ROUNDED_UP_S = 0.1
"""gRPC sends a deadline of 10 to 100 s in tenths, and never a shorter one than was asked for."""


async def test_an_answer_comes_back_and_the_call_is_known() -> None:
    echo = Echo()
    parent = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    async with open_door(echo) as (_, channel):
        metadata = (*BACKEND, ("traceparent", parent))
        answer = await stub(channel).Publish(REQUEST, metadata=metadata, timeout=60)
    assert answer.position == 3
    (call,) = echo.calls
    assert call.caller == Backend("", "billing")
    assert call.traceparent == parent
    assert call.seconds_left is not None
    assert 0 < call.seconds_left <= 60 + ROUNDED_UP_S


async def test_without_a_deadline_none_is_told() -> None:
    echo = Echo()
    async with open_door(echo) as (_, channel):
        await stub(channel).Publish(REQUEST, metadata=BACKEND)
    assert echo.calls[0].seconds_left is None
    assert echo.calls[0].traceparent == ""


async def test_a_service_may_answer_with_bytes() -> None:
    async with open_door(Echo()) as (_, channel):
        request = pb.PublishBatchRequest(events=[Event(id="a"), Event(id="bb")])
        answer = await stub(channel).PublishBatch(request, metadata=BACKEND)
    assert [result.position for result in answer.results] == [1, 2]


@pytest.mark.parametrize(
    ("metadata", "reason", "word"),
    [
        ((), "UNAUTHENTICATED", "reno-source"),
        ((("reno-source", ""),), "UNAUTHENTICATED", "reno-source"),
        ((("reno-source", "two words"),), "UNAUTHENTICATED", "reno-source"),
        ((("reno-source", "x" * 129),), "UNAUTHENTICATED", "reno-source"),
        ((*BACKEND, ("reno-tenant", "acme")), "TENANT_UNKNOWN", "reno-tenant"),
    ],
)
async def test_a_caller_without_identity_is_refused(
    metadata: tuple[tuple[str, str], ...], reason: str, word: str
) -> None:
    echo = Echo()
    async with open_door(echo) as (_, channel):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub(channel).Publish(REQUEST, metadata=metadata)
    assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED
    assert word in (refused.value.details() or "")
    (info,) = details_of(refused.value, ErrorInfo)
    assert (info.reason, info.domain) == (reason, "reno")
    assert echo.calls == []


async def test_a_stream_without_identity_is_refused() -> None:
    async with open_door(Echo()) as (_, channel):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub(channel).PublishStream().read()
    assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize("missing", ["reno-member", "reno-device", "reno-class"])
async def test_a_device_names_its_member_itself_and_its_class(missing: str) -> None:
    whole = {"reno-member": "anna", "reno-device": "tv-1", "reno-class": "tv"}
    echo = Echo()
    async with open_door(echo, identify=device_of) as (_, channel):
        await stub(channel).Publish(REQUEST, metadata=tuple(whole.items()))
        del whole[missing]
        with pytest.raises(grpc.aio.AioRpcError, match=missing):
            await stub(channel).Publish(REQUEST, metadata=tuple(whole.items()))
    assert len(echo.calls) == 1


async def test_an_internal_port_asks_nobody() -> None:
    echo = Echo()
    async with open_door(echo, identify=nobody) as (_, channel):
        await stub(channel).Publish(REQUEST)
    assert echo.calls[0].caller is None


async def test_broken_bytes_are_the_callers_fault() -> None:
    async with open_door(Echo()) as (_, channel):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await raw(channel, "Publish")(BROKEN, metadata=BACKEND)
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    (info,) = details_of(refused.value, ErrorInfo)
    assert info.reason == "MALFORMED"


async def test_broken_bytes_end_a_stream_with_the_same_word() -> None:
    async with open_door(Echo()) as (_, channel):
        method: Any = channel.stream_stream("/reno.v1.IngestionService/PublishStream")
        call = method(metadata=BACKEND)
        await call.write(b"\x08\x07")
        assert pb.PublishStreamResponse.FromString(await call.read()).batch_id == 7
        await call.write(BROKEN)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call.read()
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    (info,) = details_of(refused.value, ErrorInfo)
    assert info.reason == "MALFORMED"


ERRORS = [
    (CallerFault(Reason.INVALID, "no"), grpc.StatusCode.INVALID_ARGUMENT),
    (NotAllowed(Reason.CURSOR_FOREIGN, "no"), grpc.StatusCode.PERMISSION_DENIED),
    (WrongState(Reason.STALE, "no"), grpc.StatusCode.FAILED_PRECONDITION),
    (TryLater(Reason.FULL, "no", retry_after_s=1.5), grpc.StatusCode.RESOURCE_EXHAUSTED),
    (Unavailable(Reason.UNCERTAIN, "no"), grpc.StatusCode.UNAVAILABLE),
    (Replaced(Reason.SESSION_REPLACED, "no"), grpc.StatusCode.ABORTED),
    (Unauthenticated(Reason.UNAUTHENTICATED, "no"), grpc.StatusCode.UNAUTHENTICATED),
]


@pytest.mark.parametrize(("error", "code"), ERRORS, ids=lambda value: type(value).__name__)
async def test_every_error_has_its_code_and_its_reason(
    error: RenoError, code: grpc.StatusCode
) -> None:
    echo = Echo()
    echo.error = error
    async with open_door(echo) as (_, channel):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub(channel).Publish(REQUEST, metadata=BACKEND)
        # Written by hand: a request iterator of grpc.aio may meet the end while it sends, and report INTERNAL.
        stream = stub(channel).PublishStream(metadata=BACKEND)
        await stream.write(pb.PublishStreamRequest())
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await stream.read()
    for raised in (refused.value, ended.value):
        assert raised.code() == code
        assert raised.details() == f"{error.reason.name}: no"
        (info,) = details_of(raised, ErrorInfo)
        assert info.reason == error.reason.name


def test_no_error_is_without_a_code() -> None:
    assert {type(error) for error, _ in ERRORS} == set(RenoError.__subclasses__())


async def test_the_field_at_fault_is_named() -> None:
    echo = Echo()
    echo.error = CallerFault(Reason.INVALID, "too long", field="event.id")
    async with open_door(echo) as (_, channel):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub(channel).Publish(REQUEST, metadata=BACKEND)
    assert refused.value.details() == "INVALID: event.id: too long"
    (bad,) = details_of(refused.value, BadRequest)
    (violation,) = bad.field_violations
    assert (violation.field, violation.description) == ("event.id", "too long")


async def test_bounded_who_meets_a_limit_is_told_when_to_come_back() -> None:
    echo = Echo()
    echo.error = TryLater(Reason.FULL, "the log is full", retry_after_s=1.5)
    async with open_door(echo) as (_, channel):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub(channel).Publish(REQUEST, metadata=BACKEND)
    (retry,) = details_of(refused.value, RetryInfo)
    assert retry.retry_delay.ToMilliseconds() == 1500
