"""What a system did between two moments: CPU by process, and once a second its backlog and its memory."""

import threading
import time
from collections.abc import Mapping
from typing import Self

from bench import profiling
from bench.generator import Generator
from bench.system import System

EVERY_S = 1.0


class Watching:
    """From when it is made until it is left; `beside`: generators, whose CPU is counted too."""

    def __init__(self, system: System, beside: Mapping[str, Generator]) -> None:
        self._system = system
        self._beside = beside
        self._recording = profiling.recording(system.pids())
        self._ending = threading.Event()
        self.backlog: list[dict[str, float]] = []
        self.memory: list[dict[str, float]] = []
        self._started_s = time.monotonic()
        self._cpu_s = self._used()
        self._log = system.log()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def _used(self) -> dict[str, float]:
        return self._system.cpu_s() | {name: one.cpu_s() for name, one in self._beside.items()}

    def _sample(self) -> None:
        while not self._ending.wait(EVERY_S):
            at_s = round(time.monotonic() - self._started_s, 1)
            log = self._system.log()
            self.backlog.append(
                {"s": at_s, "mb": sum(one["bytes"] for one in log.values()) / 1e6}
                | {name: one["messages"] for name, one in log.items()}
            )
            resident = self._system.resident_bytes()
            self.memory.append({"s": at_s} | {k: round(v / 1e6, 1) for k, v in resident.items()})

    def __enter__(self) -> Self:
        self._recording.__enter__()
        return self

    def __exit__(self, *_raised: object) -> None:
        self.end_sampling()

    def end_sampling(self) -> None:
        """The load is over; CPU is still counted."""
        if not self._ending.is_set():
            self._ending.set()
            self._thread.join()
            self._recording.__exit__(None, None, None)

    def cpu_s(self) -> dict[str, float]:
        """Of each process since it began."""
        return {name: used - self._cpu_s.get(name, 0.0) for name, used in self._used().items()}

    def cores(self) -> dict[str, float]:
        """Of each process, on average."""
        took_s = time.monotonic() - self._started_s
        return {name: round(used / took_s, 3) for name, used in self.cpu_s().items()}

    def envelopes(self) -> dict[str, int]:
        """That the log took, by stream."""
        return {
            name: one["last"] - self._log[name]["last"] for name, one in self._system.log().items()
        }


def us_each(cpu_s: Mapping[str, float], times: float) -> dict[str, float]:
    """By process, with their sum but for generators: whose name begins with load or bare."""
    each = {name: round(used * 1e6 / times, 2) for name, used in cpu_s.items()}
    own = sum(value for name, value in each.items() if not name.startswith(("load", "bare")))
    return each | {"all": round(own, 2)}
