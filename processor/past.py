"""What a shard's owner knows of messages that the log shows though they were processed. Pure."""

from enum import Enum, auto

from processor.fold import LogChanged, envelope_id_of, remembered_since_ms
from reno.ports import JournalEntry, LogRecord


class Standing(Enum):
    """Of a message of the log."""

    NEW = auto()
    """To be folded."""
    HANDED_ON = auto()
    """This owner stored and handed it on: it is shown again after a break."""
    IN_DOUBT = auto()
    """It was stored; perhaps not delivered."""
    LONG_AGO = auto()
    """It was processed before what the journal must remember: the server forgot that it was purged."""


class Past:
    """One shard's, in one generation of the log."""

    def __init__(self, generation: int, newest: JournalEntry | None) -> None:
        self._generation = generation
        self._since_ms = 0 if newest is None else remembered_since_ms(newest)
        is_this = newest is not None and newest.generation == generation
        self._through = newest.sequence if newest is not None and is_this else 0
        self._older_through = 0
        self._handed_on: dict[int, bytes] = {}
        self._journal: dict[tuple[int, bytes], JournalEntry] | None = None
        self._reading = -1

    @property
    def since_ms(self) -> int:
        """Log time from which on the journal is sure to know everything that was processed."""
        return self._since_ms

    @property
    def through(self) -> int:
        """The last sequence of this generation that was processed, as far as this owner knows."""
        return self._through

    def restore(self, entry: JournalEntry) -> None:
        """Every entry with log time >= since_ms."""
        if entry.generation < self._generation:
            self._older_through = max(self._older_through, entry.sequence)

    def needs_journal(self, record: LogRecord) -> bool:
        """The journal must be read from the record's own time on and given to `remember`. Asked for every record, in order."""
        if record.reading != self._reading:
            self._reading, self._journal = record.reading, None
        return (
            self._journal is None
            and record.sequence <= max(self._through, self._older_through)
            and record.sequence not in self._handed_on
        )

    def remember(self, entries: list[JournalEntry]) -> None:
        """The journal as it is now."""
        # What no generation could read is new in each: to bury it again does no harm.
        self._journal = {
            (entry.sequence, entry.envelope_id): entry
            for entry in entries
            if entry.envelope_id or entry.generation == self._generation
        }

    def standing(self, record: LogRecord) -> Standing:
        """Raises LogChanged where something that was not processed stands at or before what was, in this generation."""
        sequence = record.sequence
        if sequence > self._through and sequence > self._older_through:
            self._journal = None
            return Standing.NEW
        if (handed_on := self._handed_on.get(sequence)) is not None:
            if handed_on != envelope_id_of(record):
                raise LogChanged(
                    f"sequence {sequence} held another envelope when it was read before"
                )
            return Standing.HANDED_ON
        if self.entry_of(record) is not None:
            return Standing.IN_DOUBT
        if record.timestamp_ms < self._since_ms:
            return Standing.LONG_AGO
        if sequence <= self._through:
            raise LogChanged(f"sequence {sequence} is new, but the journal is past it")
        return Standing.NEW

    def entry_of(self, record: LogRecord) -> JournalEntry | None:
        """What the journal says of the message."""
        return (self._journal or {}).get((record.sequence, envelope_id_of(record)))

    def handed_on(self, sequence: int, envelope_id: bytes) -> None:
        """The message is stored, and on its way to delivery."""
        self._through = max(self._through, sequence)
        self._handed_on[sequence] = envelope_id

    def purged(self, through_sequence: int) -> None:
        """The log has nothing up to here any more."""
        while self._handed_on and (oldest := next(iter(self._handed_on))) <= through_sequence:
            del self._handed_on[oldest]
