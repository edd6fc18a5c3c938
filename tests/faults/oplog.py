"""What clients write down while a run lasts: one line an operation, words between spaces, append-only. The checker believes nothing else.

Every line begins with its kind; times are unix and monotonic milliseconds of this machine.

run.log       type NAME LANE MAX_AGE_MS TTL_MS      a type of events
              slack MS                              how old the look behind a caught_up may be
              may REASON                            a gap with this reason may be said in this run
publish-*     A WALL MONO ID MEMBER TYPE AIM SCOPE OCCURRED_MS POSITION TRY    acknowledged; TRY: 2 first try and in the caller's order, 1 first try, 0 later
              U … OCCURRED_MS REASON                unknown: it may be stored        R … OCCURRED_MS REASON   refused for good
read-*        H MEMBER DEVICE CLASS                 whose log it is
              O WALL MONO HOW WHERE                 opens a stream, or begins to pull: by the cursor kept last, or from start, latest, ack
              F WALL MONO ISSUED HIGH MEDIUM LOW FLAGS      a frame or page with its cursor, opened; flags: c caught_up, m a lane missing, f the cursor is another device's, - none
              G REASON LANES SINCE_MS               a gap in the frame before (SINCE_MS 0: not said)
              P|C|L ID LANE POSITION MERGED         a notification of that frame, as PUSH, CATCH_UP or PULL
              Z ID                                  it is not what was published
              K WALL MONO                           everything up to here was handled and the cursor is kept
              X WALL MONO REASON                    the stream ended

AIM is - (all), c=CLASS, d=DEVICE or o=ORIGIN; SCOPE is - or what newer events merge by.
"""

import time
from pathlib import Path
from typing import TextIO

VIA = {1: "P", 2: "C", 3: "L"}


def clocks() -> str:
    """Both clocks, as they stand in a line."""
    return f"{time.time_ns() // 1_000_000} {time.monotonic_ns() // 1_000_000}"


class OpLog:
    """One client's. Lines are buffered: a client that is killed is not what is tested here."""

    def __init__(self, directory: Path, name: str) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._file: TextIO = (directory / f"{name}.log").open("a", encoding="ascii")
        self.lines = 0

    def line(self, text: str) -> None:
        self._file.write(text + "\n")
        self.lines += 1

    def close(self) -> None:
        self._file.close()
