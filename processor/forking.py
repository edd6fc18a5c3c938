"""Whether the log that is there is the one that the journal tells of; where it is not, positions go on in a new generation. Pure.

A shard is safe by its own journal alone: everything new gets a position above the journal's newest, whoever raised the lane's generation and whenever, and
though it fell meanwhile."""

from reno.domain.position import MAX_GENERATION
from reno.ports import JournalEntry


class GenerationsUsedUp(Exception):
    """The log was lost as often as positions can tell: the lane's inbox must be begun anew."""


def generation_wanted(
    newest: JournalEntry | None,
    generation: int,
    last_sequence: int,
    changed_in: int | None,
) -> int:
    """The generation that the lane must have so that this shard can go on: its present one where nothing is wrong. `changed_in`: the generation in which the log was seen to hold
    something else than was journalled. Raises GenerationsUsedUp."""
    wanted = generation
    if newest is not None and generation < newest.generation:
        wanted = newest.generation + 1
    elif changed_in == generation or (
        newest is not None and generation == newest.generation and last_sequence < newest.sequence
    ):
        wanted = generation + 1
    if wanted > MAX_GENERATION:
        raise GenerationsUsedUp(f"no generation after {MAX_GENERATION}")
    return wanted


def fork_entry(newest: JournalEntry, generation: int) -> JournalEntry:
    """The first entry of a shard's new generation, before every message of it: it raises the mark, by which readers learn of the fork though nothing comes."""
    return JournalEntry(
        generation, 0, newest.log_time_ms, b"", b"", b"", window_ms=newest.window_ms
    )
