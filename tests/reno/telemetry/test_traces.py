"""Traceparents: which are sampled, and that a caller's nonsense harms nothing."""

import pytest
from opentelemetry.trace import SpanKind

from reno.telemetry.traces import is_sampled, record_hop, trace_id

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
START = f"00-{TRACE_ID}-00f067aa0ba902b7-"


@pytest.mark.parametrize(
    ("flags", "sampled"), [("00", False), ("01", True), ("02", False), ("03", True), ("ff", True)]
)
def test_the_lowest_flag_says_whether_it_is_sampled(flags: str, sampled: bool) -> None:
    assert is_sampled(START + flags) is sampled


@pytest.mark.parametrize("nonsense", ["", "01", START, START + "zz", START + "011", "x" * 55])
def test_what_is_no_traceparent_is_not_sampled(nonsense: str) -> None:
    assert not is_sampled(nonsense)
    record_hop(nonsense, "published", SpanKind.PRODUCER, 1, 2, {})


def test_the_trace_id_is_for_logs() -> None:
    assert trace_id(START + "01") == TRACE_ID
    assert trace_id("") == ""
