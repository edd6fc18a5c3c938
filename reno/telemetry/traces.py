"""Traces that follow one event across NATS and gRPC: each hop adds a span to the event's own trace context."""

import re

from opentelemetry import trace
from opentelemetry.trace import SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_tracer = trace.get_tracer("reno")
_SAMPLED = frozenset("13579bdf")
_propagator = TraceContextTextMapPropagator()

# A call's own header is as its caller made it: it may be anything.
_TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-([0-9a-f]{2})")


def is_sampled(traceparent: str) -> bool:
    """The caller wants this event traced (W3C flag 01); no for what is no traceparent."""
    match = _TRACEPARENT.fullmatch(traceparent)
    return match is not None and int(match[1], 16) & 1 == 1


def trace_id(traceparent: str) -> str:
    """For logs; empty where there is none."""
    return traceparent[3:35]


def record_hop(
    traceparent: str,
    name: str,
    kind: SpanKind,
    started_ns: int,
    ended_ns: int,
    attributes: dict[str, str | int],
) -> None:
    """A finished span under the event's context. Wall-clock nanoseconds."""
    context = _propagator.extract({"traceparent": traceparent})
    span = _tracer.start_span(name, context, kind, attributes, start_time=started_ns)
    span.end(ended_ns)
