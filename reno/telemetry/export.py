"""Exports traces and metrics over OTLP where an endpoint is configured; otherwise nothing is started."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

from reno.config.settings import TelemetrySettings

LAST_EXPORT_S = 2.0
"""A collector that does not answer holds up the end of a process for no longer."""
SAY_AGAIN_S = 60.0

_EXPORTER_LOG = "opentelemetry.exporter.otlp.proto.grpc.exporter"


@contextmanager
def exporting(settings: TelemetrySettings, role: str) -> Iterator[None]:
    """Once a process, around all of its work. Plain text to the endpoint unless it says https. What is left at the end is sent for LAST_EXPORT_S."""
    if settings.otlp_endpoint is None:
        yield
        return
    # Heavy, and not needed by most: imported only where it is used.
    from opentelemetry import metrics, trace  # noqa: PLC0415
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter  # noqa: PLC0415
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.metrics import MeterProvider  # noqa: PLC0415
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader  # noqa: PLC0415
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    log = logging.getLogger(_EXPORTER_LOG)
    # Every attempt would be said, by every role.
    log.setLevel(logging.ERROR)
    log.addFilter(_Seldom())
    resource = Resource.create({"service.name": "reno", "service.instance.role": role})
    insecure = not settings.otlp_endpoint.startswith("https://")
    spans = TracerProvider(resource=resource, shutdown_on_exit=False)
    spans.add_span_processor(
        BatchSpanProcessor(OTLPSpanExporter(endpoint=settings.otlp_endpoint, insecure=insecure))
    )
    trace.set_tracer_provider(spans)
    reader = PeriodicExportingMetricReader(
        OTLPMetricExporter(endpoint=settings.otlp_endpoint, insecure=insecure),
        export_interval_millis=settings.metrics_interval_s * 1000,
    )
    meters = MeterProvider(resource=resource, metric_readers=[reader], shutdown_on_exit=False)
    metrics.set_meter_provider(meters)
    try:
        yield
    finally:
        until = time.monotonic() + LAST_EXPORT_S
        # The SDK's own limits are those of its retries: half a minute and more.
        endings = [Thread(target=one.shutdown, daemon=True) for one in (spans, meters)]
        for ending in endings:
            ending.start()
        for ending in endings:
            ending.join(max(0.0, until - time.monotonic()))


class _Seldom(logging.Filter):
    """Lets what failed be said of traces and of metrics, each once in SAY_AGAIN_S."""

    def __init__(self) -> None:
        super().__init__()
        self._said_s: dict[object, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        now_s = time.monotonic()
        of_what = record.args[0] if isinstance(record.args, tuple) and record.args else record.msg
        if now_s - self._said_s.get(of_what, -SAY_AGAIN_S) < SAY_AGAIN_S:
            return False
        self._said_s[of_what] = now_s
        return True
