"""How long the checker takes for so many operations, generated: python -m tests.faults.checker_speed [OPERATIONS]"""

import sys
import tempfile
import time
from pathlib import Path

from tests.faults.checker import check

EVENTS_PER_MEMBER = 5_000
READERS = 3
"""Of each member: with its receipt an event makes four operations."""

ROWS = 5
"""Of a frame."""


def generate(directory: Path, operations: int) -> int:
    """A good history. How many operations it really has: frames and cursors kept are not counted."""
    (directory / "run.log").write_text("type t.high 1 3600000 86400000\nslack 15000\n")
    members = max(1, operations // (EVENTS_PER_MEMBER * (READERS + 1)))
    with (directory / "publish-b.log").open("w") as out:
        for number in range(EVENTS_PER_MEMBER):
            now = 1_800_000_000_000 + number
            out.writelines(
                f"A {now} {number} b-{number}-{m} m{m} t.high - - {now} {_position(number)} 2\n"
                for m in range(members)
            )
    for m in range(members):
        for reader in range(READERS):
            with (directory / f"read-{m}-{reader}.log").open("w") as out:
                out.write(f"H m{m} d{reader} tv\nO 1800000000000 0 start gateway-0\n")
                out.writelines(_frame(first, m) for first in range(0, EVENTS_PER_MEMBER, ROWS))
    return members * EVENTS_PER_MEMBER * (READERS + 1)


def _position(number: int) -> int:
    return (number + 1) << 12


def _frame(first: int, member: int) -> str:
    now = 1_800_000_000_000 + first + ROWS
    rows = "".join(
        f"P b-{number}-{member} 1 {_position(number)} 0\n" for number in range(first, first + ROWS)
    )
    cursor = _position(first + ROWS - 1)
    return f"F {now} {first + ROWS} {now} {cursor} 0 0 c\n{rows}K {now} {first + ROWS}\n"


def main() -> None:
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
    with tempfile.TemporaryDirectory() as place:
        operations = generate(Path(place), wanted)
        started = time.process_time()
        verdict = check(Path(place))
        seconds = time.process_time() - started
    print(
        f"{operations:,} operations in {seconds:.1f} s of one core; broken: {dict(verdict.broken)}"
    )


if __name__ == "__main__":
    main()
