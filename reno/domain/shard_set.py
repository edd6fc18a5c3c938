"""Which shards of a lane somebody has."""

import re
from dataclasses import dataclass

_RANGES = re.compile(r"\d{1,4}(-\d{1,4})?(,\d{1,4}(-\d{1,4})?)*")


@dataclass(frozen=True, slots=True)
class ShardSet:
    """Some numbers, or all that the lane has (`numbers` None)."""

    numbers: frozenset[int] | None = None

    def __contains__(self, number: int) -> bool:
        return self.numbers is None or number in self.numbers

    def __str__(self) -> str:
        if self.numbers is None:
            return "all"
        runs: list[list[int]] = []
        for number in sorted(self.numbers):
            if runs and runs[-1][-1] == number - 1:
                runs[-1][1:] = [number]
            else:
                runs.append([number])
        return ",".join("-".join(map(str, run)) for run in runs)

    def of(self, shards: int) -> tuple[int, ...]:
        """The numbers, in a lane with so many shards. Raises ValueError where the lane lacks one of them."""
        if self.numbers is None:
            return tuple(range(shards))
        if max(self.numbers) >= shards:
            raise ValueError(f"shards {self}: the lane has {shards}, numbered from 0")
        return tuple(sorted(self.numbers))


ALL_SHARDS = ShardSet()

SHARED = "shared"
"""In the place of numbers: the lane's processors share the shards out among themselves."""


def parse_shards(text: str) -> ShardSet:
    """Reads "all", or numbers and ranges: "0-3", "0,2,4-7". Raises ValueError."""
    if text == "all":
        return ALL_SHARDS
    if not _RANGES.fullmatch(text):
        raise ValueError(f"shards {text!r}: all, or numbers and ranges such as 0-3,6")
    numbers: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        run = range(int(first), int(last or first) + 1)
        if not run:
            raise ValueError(f"shards {text!r}: {part} ends before it begins")
        numbers.update(run)
    return ShardSet(frozenset(numbers))
