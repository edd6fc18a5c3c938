"""One event's way as a trace, across gRPC and NATS: the spans of three processes under the backend's own context."""

import asyncio
import uuid
from pathlib import Path

import pytest

from reno.v1.event_pb2 import Event
from tests.e2e.running import reno_in
from tests.e2e.test_ways import Tv, publish
from tests.reno.telemetry.test_export import open_collector

pytestmark = pytest.mark.e2e

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT_ID = "00f067aa0ba902b7"
HOPS = {"reno.publish", "reno.process", "reno.push"}


async def test_an_events_hops_share_its_trace(tmp_path: Path) -> None:
    async with open_collector() as (collector, address):
        environment = {
            "RENO_TELEMETRY__OTLP_ENDPOINT": address,
            "RENO_TELEMETRY__METRICS_INTERVAL_S": "0.5",
        }
        # The system starts in a thread: the collector answers meanwhile.
        running = reno_in(tmp_path / "data", environment)
        reno = await asyncio.to_thread(running.__enter__)
        try:
            member = f"m-{uuid.uuid4()}"
            traced = f"00-{TRACE_ID}-{PARENT_ID}-01"
            plain = f"00-{TRACE_ID[::-1]}-{PARENT_ID}-00"
            async with Tv(reno, member) as tv:
                await publish(
                    reno,
                    [
                        Event(
                            id="traced", type="plan.changed", member_id=member, traceparent=traced
                        ),
                        Event(
                            id="plain", type="profile.changed", member_id=member, traceparent=plain
                        ),
                    ],
                )
                seen = {one.event_id: one.traceparent for one in await tv.until(2)}
            assert seen == {"traced": traced, "plain": plain}
            async with asyncio.timeout(20):
                while not {span.name for span in collector.spans} >= HOPS:
                    await asyncio.sleep(0.05)
                while "reno.processor.lag" not in collector.metrics:
                    await asyncio.sleep(0.05)
        finally:
            await asyncio.to_thread(running.__exit__, None, None, None)
    assert {span.trace_id.hex() for span in collector.spans} == {TRACE_ID}
    assert {span.parent_span_id.hex() for span in collector.spans} == {PARENT_ID}
    roles = {one["service.instance.role"] for one in collector.resources}
    assert {"ingestion", "processor-high", "gateway"} <= roles
