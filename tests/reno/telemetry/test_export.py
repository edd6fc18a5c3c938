"""Traces and metrics arrive at a real OTLP collector; logs are lines of JSON."""

import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics_pb
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2_grpc as metrics_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as trace_pb
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as trace_grpc

from tests.reno.telemetry.emitting import SPAN_ID, TRACE_ID


class Collector(trace_grpc.TraceServiceServicer, metrics_grpc.MetricsServiceServicer):
    """Keeps what it is sent. The two services share a method's name, so metrics come in by their request's type."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.metrics: dict[str, Any] = {}
        self.resources: list[dict[str, str]] = []

    async def Export(self, request: Any, context: Any) -> Any:
        if isinstance(request, trace_pb.ExportTraceServiceRequest):
            for resource in request.resource_spans:
                self._keep(resource.resource)
                self.spans += [span for scope in resource.scope_spans for span in scope.spans]
            return trace_pb.ExportTraceServiceResponse()
        for resource in request.resource_metrics:
            self._keep(resource.resource)
            for scope in resource.scope_metrics:
                self.metrics |= {metric.name: metric for metric in scope.metrics}
        return metrics_pb.ExportMetricsServiceResponse()

    def _keep(self, resource: Any) -> None:
        self.resources.append({pair.key: pair.value.string_value for pair in resource.attributes})


@asynccontextmanager
async def open_collector() -> AsyncIterator[tuple[Collector, str]]:
    collector, server = Collector(), grpc.aio.server()
    trace_grpc.add_TraceServiceServicer_to_server(collector, server)  # type: ignore[no-untyped-call]
    metrics_grpc.add_MetricsServiceServicer_to_server(collector, server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield collector, f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


async def emit(endpoint: str, log_format: str = "json") -> str:
    """What the process wrote to standard error."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.reno.telemetry.emitting", endpoint, log_format),
        stderr=asyncio.subprocess.PIPE,
    )
    _, written = await process.communicate()
    assert process.returncode == 0, written.decode()
    return written.decode()


@pytest.mark.parametrize("scheme", ["", "http://"])
async def test_a_sampled_hop_is_exported_under_the_events_own_trace(scheme: str) -> None:
    async with open_collector() as (collector, address):
        await emit(scheme + address)
    (span,) = collector.spans
    assert span.name == "published"
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE_ID, SPAN_ID)
    assert (span.start_time_unix_nano, span.end_time_unix_nano) == (1_000, 2_000)
    assert {pair.key: pair.value.int_value for pair in span.attributes} == {"reno.position": 4096}


async def test_metrics_are_exported_with_the_role() -> None:
    async with open_collector() as (collector, address):
        await emit(address)
    (point,) = collector.metrics["reno.ingestion.accepted"].sum.data_points
    assert point.as_int == 3
    assert [point.as_int for point in collector.metrics["reno.test.lag"].gauge.data_points] == [5]
    assert collector.resources
    for resource in collector.resources:
        assert resource["service.name"] == "reno"
        assert resource["service.instance.role"] == "ingestion"


async def test_logs_are_lines_of_json_with_the_role() -> None:
    ours, others = map(json.loads, (await emit("-")).splitlines())
    assert ours.pop("timestamp").endswith("Z")
    assert ours == {"event": "done", "level": "info", "position": 4096, "role": "ingestion"}
    assert others.pop("timestamp").endswith("Z")
    assert others == {"event": "from elsewhere", "level": "warning", "role": "ingestion"}


async def test_logs_for_a_person_are_text() -> None:
    line, _ = (await emit("-", "text")).splitlines()
    assert "done" in line
    assert "position=4096" in line


async def test_a_collector_that_is_not_there_is_said_once_and_holds_up_nothing() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        lines = (await emit(f"127.0.0.1:{taken.getsockname()[1]}")).splitlines()
    said = [json.loads(line)["event"] for line in lines]
    assert len([event for event in said if "Failed to export" in event]) <= 2
    assert not any("Transient" in event for event in said)
