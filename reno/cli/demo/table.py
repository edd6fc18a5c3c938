"""The demo's sums: what was sent, pushed, pulled, merged, dropped and why, and how long it took. Pure but for drawing."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hdrh.histogram import HdrHistogram
from rich.table import Table

from reno.cli.demo.checking import Seen

LONGEST_MS = 3_600_000
PRIORITIES = ("high", "medium", "low")
HEADINGS = (
    "priority", "accepted", "pushed", "caught up", "pulled", "merged", "p50 ms", "p99 ms",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class PrioritySums:
    """One row: notifications by the way they came, events merged into others, push latency in milliseconds (None where nothing was pushed)."""

    priority: str
    sent: int
    pushed: int
    caught_up: int
    pulled: int
    merged: int
    p50_ms: float | None
    p99_ms: float | None


def sum_up(
    sent: Mapping[str, int], seen: Sequence[Seen], sent_at_ms: Mapping[str, float]
) -> list[PrioritySums]:
    """A row a priority. Latency is from just before Publish to just after the device had it, by this machine's clock, of the events in sent_at_ms: leave those out that had to wait for a device."""
    rows = []
    for priority in PRIORITIES:
        mine = [one for one in seen if one.priority == priority]
        ways = Counter(one.via for one in mine)
        histogram = HdrHistogram(1, LONGEST_MS * 1000, 3)
        for one in mine:
            if one.via == "PUSH" and one.event_id in sent_at_ms:
                elapsed_us = (one.received_at_ms - sent_at_ms[one.event_id]) * 1000
                histogram.record_value(max(1, round(elapsed_us)))
        has_pushed = histogram.get_total_count() > 0
        rows.append(
            PrioritySums(
                priority,
                sent.get(priority, 0),
                ways["PUSH"],
                ways["CATCH_UP"],
                ways["PULL"],
                sum(one.merged for one in mine),
                histogram.get_value_at_percentile(50) / 1000 if has_pushed else None,
                histogram.get_value_at_percentile(99) / 1000 if has_pushed else None,
            )
        )
    return rows


def drawn(rows: Sequence[PrioritySums], dropped: Mapping[str, int]) -> tuple[Table, Table]:
    """For a terminal: by priority, and what was dropped by which gate."""
    ways = Table(title="What became of the events (push latency)", title_justify="left")
    for heading in HEADINGS:
        ways.add_column(heading, justify="left" if heading == "priority" else "right")
    for row in rows:
        counts = (row.sent, row.pushed, row.caught_up, row.pulled, row.merged)
        latencies = (row.p50_ms, row.p99_ms)
        ways.add_row(
            row.priority,
            *(f"{count:,}" for count in counts),
            *("-" if ms is None else f"{ms:,.1f}" for ms in latencies),
        )
    drops = Table(title="Dropped, by gate", title_justify="left")
    drops.add_column("gate")
    drops.add_column("events", justify="right")
    for reason, count in sorted(dropped.items()):
        drops.add_row(reason.lower().replace("_", " "), f"{count:,}")
    return ways, drops
