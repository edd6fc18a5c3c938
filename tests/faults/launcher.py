"""Runs the command line as it is, but for what a run of faults switches: python -m tests.faults.launcher ARGUMENTS...

FAULTS_CLOCK names a file of 8 bytes, the nanoseconds by which this process's wall clock is off, which may change at any time. FAULTS_MUTANT names a wrong product of tests/faults/mutants.py, FAULTS_POINTS the file of tests/faults/fail_points.py.
"""

import importlib
import mmap
import os
import struct
import sys
import time
from pathlib import Path

OFFSET = struct.Struct("<q")


def set_clock(file: Path, offset_s: float) -> None:
    """For whoever runs the process. A clock that Python code asks is off then; C libraries' own are not."""
    with file.open("r+b") as clock:
        clock.write(OFFSET.pack(int(offset_s * 1e9)))


def make_clock(file: Path) -> None:
    """A clock that is right."""
    file.write_bytes(OFFSET.pack(0))


def _bend_clock(file: Path) -> None:
    with file.open("rb") as opened:
        offset = mmap.mmap(opened.fileno(), OFFSET.size, access=mmap.ACCESS_READ)
    time_ns, unpack = time.time_ns, OFFSET.unpack_from

    def bent_ns() -> int:
        return time_ns() + int(unpack(offset)[0])

    def bent() -> float:
        return bent_ns() / 1e9

    time.time_ns, time.time = bent_ns, bent


def main() -> None:
    if clock := os.environ.get("FAULTS_CLOCK"):
        _bend_clock(Path(clock))
    if mutant := os.environ.get("FAULTS_MUTANT"):
        importlib.import_module("tests.faults.mutants").MUTANTS[mutant].apply()
    if points := os.environ.get("FAULTS_POINTS"):
        engine = os.environ.get("RENO_INBOX__ENGINE", "embedded")
        placing = importlib.import_module("tests.faults.fail_points").place_points
        placing(Path(points), sys.argv[2], engine)
    # Only now: what is imported before keeps the right clock and the right code.
    importlib.import_module("reno.cli.main").main()


if __name__ == "__main__":
    main()
