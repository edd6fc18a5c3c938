"""What a test's clients did and saw, kept in memory; judged by the checker of tests/faults."""

import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.checker import check

_YEAR_MS = 365 * 86_400_000


@dataclass(frozen=True, slots=True)
class Receipt:
    """An acknowledged event: where the door said it lies. `clean`: accepted by the first attempt."""

    event_id: str
    member: str
    priority: int
    position: int
    clean: bool


@dataclass(frozen=True, slots=True)
class Arrival:
    """A notification as a device got it."""

    event_id: str
    member: str
    priority: int
    position: int


@dataclass
class History:
    """Receipts in the order of publishing; arrivals in the order of each device's eyes, by MEMBER/DEVICE."""

    receipts: list[Receipt] = field(default_factory=list)
    published: set[str] = field(default_factory=set)
    uncertain: set[str] = field(default_factory=set)
    """Of an attempt nobody knows what became: it may be stored before what a receipt names."""

    received: dict[str, list[Arrival]] = field(default_factory=lambda: defaultdict(list))
    pulled: dict[str, list[Arrival]] = field(default_factory=lambda: defaultdict(list))

    def broken_promises(self) -> list[str]:
        """One line a violation, the promise's name first."""
        with tempfile.TemporaryDirectory() as place:
            directory = Path(place)
            types = [f"type lane.{lane} {lane} {_YEAR_MS} {_YEAR_MS}" for lane in (1, 2, 3)]
            _write(directory / "run.log", types)
            _write(directory / "publish-all.log", self._published())
            for number, (device, seen) in enumerate([*self.received.items(), *self.pulled.items()]):
                _write(directory / f"read-{number}.log", _reader(device, seen))
            return check(directory).examples

    def _published(self) -> Iterator[str]:
        for one in self.receipts:
            event = f"1 1 {one.event_id} {one.member} lane.{one.priority} - - 0"
            if one.event_id in self.uncertain:
                yield f"U {event} UNKNOWN"
            yield f"A {event} {one.position} {2 if one.clean else 0}"
        unknown = self.published - {one.event_id for one in self.receipts}
        for arrivals in (*self.received.values(), *self.pulled.values()):
            for seen in arrivals:
                if seen.event_id in unknown:
                    yield f"U 1 1 {seen.event_id} {seen.member} lane.{seen.priority} - - 0 UNKNOWN"


def _reader(device: str, seen: Sequence[Arrival]) -> Iterator[str]:
    member, _, name = device.partition("/")
    yield f"H {member} {name} any"
    yield "O 1 1 start any"
    yield "F 1 1 1 0 0 0 -"
    for one in seen:
        yield f"L {one.event_id} {one.priority} {one.position} 0"


def _write(path: Path, lines: Iterator[str] | list[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="ascii")
