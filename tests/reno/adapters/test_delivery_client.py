"""DeliveryClient against a real gRPC server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest

from reno.adapters.delivery_client import DeliveryClient
from reno.domain.priority import Priority
from reno.errors import Unavailable, WrongState
from reno.ports import DeliveryRow, GatewayAddress, Shard
from reno.v1.delivery_service_pb2 import DeliverRequest, DeliverResponse, Delivery
from reno.v1.delivery_service_pb2_grpc import (
    DeliveryServiceServicer,
    add_DeliveryServiceServicer_to_server,
)
from reno.v1.event_pb2 import PRIORITY_LOW

SHARD = Shard(Priority.LOW, 3, 4)


class Gateway(DeliveryServiceServicer):
    def __init__(self) -> None:
        self.requests: list[DeliverRequest] = []
        self.refuses_with: grpc.StatusCode | None = None
        self.silent = False

    async def Deliver(self, request: DeliverRequest, context: Any) -> DeliverResponse:
        self.requests.append(request)
        if self.silent:
            await asyncio.sleep(3600)
        if self.refuses_with is not None:
            await context.abort(self.refuses_with, "told to refuse")
        return DeliverResponse()


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[Gateway, GatewayAddress]]:
    gateway = Gateway()
    server = grpc.aio.server()
    add_DeliveryServiceServicer_to_server(gateway, server)
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    try:
        yield gateway, GatewayAddress("g1", 9, address)
    finally:
        await server.stop(None)


@asynccontextmanager
async def a_client(unused_s: float = 60.0) -> AsyncIterator[DeliveryClient]:
    client = DeliveryClient(unused_s)
    try:
        yield client
    finally:
        await client.close()


async def deliver(
    client: DeliveryClient, to: GatewayAddress, *rows: DeliveryRow, timeout_s: float = 10.0
) -> None:
    await client.deliver(to, SHARD, rows, resync=True, timeout_s=timeout_s)


async def test_rows_arrive_as_they_are() -> None:
    async with listening() as (gateway, address), a_client() as client:
        rows = [DeliveryRow(5, None, b"a"), DeliveryRow(6, 0, b"b"), DeliveryRow(7, 6, b"c")]
        await deliver(client, address, *rows)
    assert gateway.requests == [
        DeliverRequest(
            gateway_epoch=9,
            priority=PRIORITY_LOW,
            shard=3,
            shards=4,
            resync=True,
            deliveries=[
                Delivery(position=5, row=b"a"),
                Delivery(position=6, previous=0, row=b"b"),
                Delivery(position=7, previous=6, row=b"c"),
            ],
        )
    ]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (grpc.StatusCode.FAILED_PRECONDITION, WrongState),
        (grpc.StatusCode.UNAVAILABLE, Unavailable),
        (grpc.StatusCode.INTERNAL, Unavailable),
    ],
)
async def test_refusals(code: grpc.StatusCode, expected: type[Exception]) -> None:
    async with listening() as (gateway, address), a_client() as client:
        gateway.refuses_with = code
        with pytest.raises(expected):
            await deliver(client, address)


async def test_silent_or_absent_is_unavailable() -> None:
    async with a_client() as client:
        async with listening() as (gateway, address):
            gateway.silent = True
            with pytest.raises(Unavailable):
                await deliver(client, address, timeout_s=0.1)
        with pytest.raises(Unavailable):
            await deliver(client, address)


async def test_bounded_channels_that_nobody_uses_are_closed() -> None:
    async with a_client(unused_s=0.0) as client:
        for _ in range(3):
            async with listening() as (_, address):
                await deliver(client, address)
                assert client.open_channels == 0
