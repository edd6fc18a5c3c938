"""A process of its own for what telemetry sets once a process: `emitting ENDPOINT|- json|text` counts, traces and logs, then ends."""

import logging
import sys
from typing import Final

import structlog
from opentelemetry.metrics import Observation
from opentelemetry.trace import SpanKind

from reno.config.settings import TelemetrySettings
from reno.telemetry.export import exporting
from reno.telemetry.logs import start_logging
from reno.telemetry.metrics import accepted, observe
from reno.telemetry.traces import record_hop

TRACE_ID: Final = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN_ID: Final = "00f067aa0ba902b7"


def main(endpoint: str, log_format: str) -> None:
    settings = TelemetrySettings(
        otlp_endpoint=None if endpoint == "-" else endpoint, log_format=log_format
    )
    start_logging(settings, "ingestion")
    with exporting(settings, "ingestion"):
        accepted.add(3, {"priority": "high"})
        observe("reno.test.lag", "{envelope}", "Read on export", lambda: [Observation(5)])
        for flags, name in (("01", "published"), ("00", "unsampled")):
            parent = f"00-{TRACE_ID}-{SPAN_ID}-{flags}"
            record_hop(parent, name, SpanKind.PRODUCER, 1_000, 2_000, {"reno.position": 4096})
    log = structlog.get_logger("reno.test")
    log.debug("not at this level")
    log.info("done", position=4096)
    logging.getLogger("some.library").warning("from %s", "elsewhere")


if __name__ == "__main__":
    main(*sys.argv[1:])
