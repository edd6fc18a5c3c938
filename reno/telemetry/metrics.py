"""Every metric's name, in one place. Without an OTLP endpoint they cost next to nothing and go nowhere."""

from collections.abc import Callable, Iterable

from opentelemetry.metrics import CallbackOptions, Observation, get_meter

_meter = get_meter("reno")

refused = _meter.create_counter(
    "reno.ingestion.refused", "{event}", "Events refused at the door, by reason"
)
accepted = _meter.create_counter(
    "reno.ingestion.accepted", "{event}", "Events that the log confirmed"
)
uncertain = _meter.create_counter(
    "reno.ingestion.uncertain", "{event}", "Events that the log did not confirm in time"
)
envelopes = _meter.create_counter(
    "reno.ingestion.envelopes", "{envelope}", "Envelopes that the log confirmed"
)
outcomes = _meter.create_counter(
    "reno.outcomes", "{event}", "Events by outcome and priority; push outcomes count once a device"
)
deliver_failures = _meter.create_counter(
    "reno.processor.deliver_failures", "{call}", "Delivers that a gateway did not answer in time"
)
lookup_failures = _meter.create_counter(
    "reno.processor.lookup_failures", "{call}", "Look-ups that no presence replica answered in time"
)
dead_letters_lost = _meter.create_counter(
    "reno.processor.dead_letters_lost",
    "{message}",
    "Messages that could not be processed, nor kept: the dead-letter stream is full",
)
inbox_read_failures = _meter.create_counter(
    "reno.gateway.inbox_read_failures", "{call}", "Inbox reads that a lane did not answer in time"
)
fell_behind = _meter.create_counter(
    "reno.gateway.fell_behind", "{lane}", "Times a session's lane left LIVE, by cause"
)


def observe(
    name: str, unit: str, description: str, read: Callable[[], Iterable[Observation]]
) -> None:
    """A gauge that is read when metrics are exported."""

    def callback(_options: CallbackOptions) -> Iterable[Observation]:
        return read()

    _meter.create_observable_gauge(name, [callback], unit, description)
