"""A position is the place of an event in its lane's log: generation (8 bits) | log sequence (43) | index in the envelope (12)."""

GENERATION_BITS = 8
SEQUENCE_BITS = 43
INDEX_BITS = 12

MAX_EVENTS_PER_ENVELOPE = (1 << INDEX_BITS) - 1
"""One index is kept free, so that a mark lies above every event of its envelope."""

UNPLACED = 0
"""In place of the position, or of the sequence, of what is stored, but nobody is sure where."""

MAX_GENERATION = (1 << GENERATION_BITS) - 1
MAX_SEQUENCE = (1 << SEQUENCE_BITS) - 1
MAX_POSITION = (1 << (GENERATION_BITS + SEQUENCE_BITS + INDEX_BITS)) - 1


def position_of(generation: int, sequence: int, index: int) -> int:
    """Raises ValueError where a part does not fit: positions must never wrap."""
    if not (
        0 <= generation <= MAX_GENERATION
        and 0 <= sequence <= MAX_SEQUENCE
        and 0 <= index < 1 << INDEX_BITS
    ):
        raise ValueError(
            f"no position: generation {generation}, sequence {sequence}, index {index}"
        )
    return (generation << SEQUENCE_BITS | sequence) << INDEX_BITS | index


def mark_of(generation: int, sequence: int) -> int:
    """The position above every event of the envelope at `sequence` and below the next envelope's."""
    return position_of(generation, sequence, MAX_EVENTS_PER_ENVELOPE)


def generation_of(position: int) -> int:
    """The first part."""
    return position >> (SEQUENCE_BITS + INDEX_BITS)


def parts_of(position: int) -> tuple[int, int, int]:
    """(generation, sequence, index)."""
    return (
        generation_of(position),
        position >> INDEX_BITS & MAX_SEQUENCE,
        position & MAX_EVENTS_PER_ENVELOPE,
    )
