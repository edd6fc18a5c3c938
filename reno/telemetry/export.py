"""Exports traces and metrics over OTLP where an endpoint is configured; otherwise nothing is started."""

from opentelemetry import metrics, trace
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from reno.config.settings import TelemetrySettings


def start_export(settings: TelemetrySettings, role: str) -> None:
    """Once a process, before the first call. Plain text to the endpoint unless it says https."""
    if settings.otlp_endpoint is None:
        return
    resource = Resource.create({"service.name": "reno", "service.instance.role": role})
    insecure = not settings.otlp_endpoint.startswith("https://")
    spans = TracerProvider(resource=resource)
    spans.add_span_processor(
        BatchSpanProcessor(OTLPSpanExporter(endpoint=settings.otlp_endpoint, insecure=insecure))
    )
    trace.set_tracer_provider(spans)
    reader = PeriodicExportingMetricReader(
        OTLPMetricExporter(endpoint=settings.otlp_endpoint, insecure=insecure),
        export_interval_millis=settings.metrics_interval_s * 1000,
    )
    metrics.set_meter_provider(MeterProvider(resource=resource, metric_readers=[reader]))
