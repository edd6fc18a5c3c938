"""What the door says about a batch besides its answer: metrics, a span for each sampled event, lines for refusals."""

from collections import Counter
from logging import DEBUG, INFO

import structlog
from opentelemetry.trace import SpanKind

from gateway.ingestion.columns import Columns
from gateway.ingestion.refusal import Refusal
from gateway.ingestion.results import Results
from reno.domain.outcome import Outcome
from reno.domain.priority import Priority
from reno.domain.reason import Reason
from reno.telemetry import metrics, traces

_log = structlog.get_logger("gateway.ingestion")

SPAN = "reno.publish"


def account_refusals(results: Results, columns: Columns, call_traceparent: str) -> None:
    """Counts and logs what was not accepted; what was is counted where the log confirmed it."""
    counts: Counter[tuple[Reason, str]] = Counter()
    said: set[Reason] = set()
    for index in results.refused:
        answer = results.answers[index]
        assert isinstance(answer, Refusal)
        counts[answer.reason, _word(results.priorities[index])] += 1
        # A batch that is refused as a whole must not drown the log: one line a reason, the others for who debugs.
        level = DEBUG if answer.reason in said else INFO
        said.add(answer.reason)
        if not _log.is_enabled_for(level):
            continue
        _log.log(
            level,
            "event refused",
            event_id=columns.ids[index],
            trace_id=traces.trace_id(columns.traceparents[index] or call_traceparent),
            reason=answer.reason.name,
            field=answer.field,
            message=answer.message,
        )
    for (reason, word), count in counts.items():
        if reason is Reason.UNCERTAIN:
            metrics.uncertain.add(count, {"priority": word})
            continue
        metrics.refused.add(count, {"reason": reason.name, "priority": word})
        if reason is Reason.STALE:
            metrics.outcomes.add(count, {"outcome": Outcome.STALE.name, "priority": word})


def record_spans(
    results: Results,
    columns: Columns,
    call_traceparent: str,
    started_ns: int,
    ended_ns: int,
) -> None:
    """The door's hop in the trace of every sampled event."""
    if not call_traceparent and not any(columns.traceparents):
        return
    for index, (priority, answer) in enumerate(
        zip(results.priorities, results.answers, strict=True)
    ):
        traceparent = columns.traceparents[index] or call_traceparent
        if not traces.is_sampled(traceparent):
            continue
        attributes: dict[str, str | int] = {
            "reno.event_id": columns.ids[index],
            "reno.type": columns.types[index],
            "reno.priority": _word(priority),
        }
        if isinstance(answer, Refusal):
            attributes["reno.reason"] = answer.reason.name
        else:
            attributes["reno.position"] = answer
        traces.record_hop(traceparent, SPAN, SpanKind.PRODUCER, started_ns, ended_ns, attributes)


def _word(priority: Priority | None) -> str:
    return priority.word if priority is not None else "unknown"
