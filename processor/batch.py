"""What is stored in one go, and then delivered in one go."""

from dataclasses import dataclass, field

from processor.fold import Deliverables, Folded
from reno.domain.outcome import Outcome
from reno.ports import EnvelopeWrite, LogRecord

MAX_BATCH_BYTES = 8 * 1024 * 1024
"""Of envelopes, of one shard."""

COUNTED = (Outcome.STORED, Outcome.DUPLICATE, Outcome.DEAD)


@dataclass(slots=True)
class Batch:
    """Consecutive log messages of a shard, folded."""

    started_ns: int
    writes: list[EnvelopeWrite] = field(default_factory=list)
    deliverables: Deliverables = field(default_factory=Deliverables)
    through_sequence: int = 0
    log_time_ms: int = 0
    """Of the newest message to store; 0: there is none."""
    events: int = 0
    bytes: int = 0

    def add(self, record: LogRecord, folded: Folded) -> None:
        """A message to store and deliver."""
        self.writes.append(folded.write)
        self.log_time_ms = folded.write.entry.log_time_ms
        self.events += len(folded.write.entry.verdicts)
        self.add_again(record, folded.deliverables)

    def add_again(self, record: LogRecord, deliverables: Deliverables) -> None:
        """A message that was stored before."""
        self.deliverables.extend(deliverables)
        self.through_sequence = record.sequence
        self.bytes += len(record.payload)

    def is_full(self, max_events: int) -> bool:
        """What comes next is another batch."""
        return self.events >= max_events or self.bytes >= MAX_BATCH_BYTES

    def outcomes(self) -> dict[Outcome, int]:
        """How many events of those to store came to what."""
        verdicts = b"".join(write.entry.verdicts for write in self.writes)
        return {outcome: verdicts.count(outcome) for outcome in COUNTED}
