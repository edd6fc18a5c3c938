"""Exports traces and metrics over OTLP where an endpoint is configured; otherwise nothing is started."""

from reno.config.settings import TelemetrySettings


def start_export(settings: TelemetrySettings, role: str) -> None:
    """Once a process, before the first call. Plain text to the endpoint unless it says https."""
    if settings.otlp_endpoint is None:
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
