"""What one Deliver costs, by its number of rows: the real client and a real gRPC server in one process, CPU of both together."""

import asyncio
import time

from bench.sizes import rows_of
from reno.adapters.delivery_client import DeliveryClient
from reno.config.settings import ServerSettings
from reno.domain.position import position_of
from reno.domain.priority import Priority
from reno.ports import DeliveryRow, GatewayAddress, Shard
from reno.server.grpc_server import GrpcServer, Service
from reno.server.identity import nobody
from reno.server.interceptor import Context
from reno.v1.delivery_service_pb2 import DeliverRequest, DeliverResponse
from reno.v1.delivery_service_pb2_grpc import (
    DeliveryServiceServicer,
    add_DeliveryServiceServicer_to_server,
)

IN_FLIGHT = 8
MAX_BYTES = 16 * 1024 * 1024


class Taking(DeliveryServiceServicer):
    """Takes everything and does nothing with it: the call alone is measured."""

    async def Deliver(self, request: DeliverRequest, _context: Context) -> DeliverResponse:
        """Parsed, counted."""
        assert request.deliveries
        return DeliverResponse()


async def measure(calls: int) -> list[dict[str, float]]:
    """CPU microseconds of client and server together, a call and a row."""
    server = GrpcServer(
        ServerSettings(),
        "127.0.0.1:0",
        [Service("reno.v1.DeliveryService", add_DeliveryServiceServicer_to_server, Taking())],
        nobody,
        public=False,
        max_receive_bytes=MAX_BYTES,
    )
    await server.start()
    client = DeliveryClient()
    gateway = GatewayAddress("gateway", 1, server.address)
    shard = Shard(Priority.HIGH, 0, 4)
    stored = rows_of("plan.changed", 100, 1000)
    found = []
    try:
        for count in (1, 10, 100, 1000):
            rows = [
                DeliveryRow(position_of(0, 1, index), None, row)
                for index, row in enumerate(stored[:count])
            ]
            times = max(20, calls // count)

            async def caller(rows: list[DeliveryRow], times: int) -> None:
                for _ in range(times):
                    await client.deliver(gateway, shard, rows, resync=False, timeout_s=10)

            await caller(rows, 20)
            started = time.process_time()
            await asyncio.gather(*(caller(rows, times // IN_FLIGHT + 1) for _ in range(IN_FLIGHT)))
            used_us = (time.process_time() - started) * 1e6 / (IN_FLIGHT * (times // IN_FLIGHT + 1))
            found.append(
                {
                    "rows": count,
                    "cpu_us_per_call": round(used_us, 1),
                    "cpu_us_per_row": round(used_us / count, 2),
                }
            )
    finally:
        await client.close()
        await server.stop()
    return found
