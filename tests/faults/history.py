"""The op logs of a run, read: what was published to each member, and what each of its readers saw."""

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Type:
    """Of events, as the catalogue of the run has it."""

    lane: int
    max_age_ms: int
    ttl_ms: int


@dataclass(slots=True)
class Plan:
    """What a run says of itself."""

    types: dict[str, Type] = field(default_factory=dict)
    slack_ms: int = 0
    may: set[str] = field(default_factory=set)


class Event:
    """One id of one member, over all tries of its caller."""

    __slots__ = (
        "accepted_ms", "aim", "at", "expires_ms", "first_seen", "id", "lane", "position",
        "positions", "push_until_ms", "scope", "unknown",
    )  # fmt: skip

    def __init__(self, an_id: str, kind: Type, aim: str, scope: str, occurred_ms: int) -> None:
        self.id = an_id
        self.aim = aim
        self.scope = scope
        self.lane = kind.lane
        self.push_until_ms = occurred_ms + kind.max_age_ms
        self.expires_ms = occurred_ms + kind.ttl_ms
        self.unknown = 0
        self.accepted_ms = 0
        """When its first receipt came; 0: there is none."""
        self.position = 0
        """Of the first receipt; 0: it names none."""
        self.positions: list[int] | None = None
        """Of further ones."""
        self.at = 0
        """Where a reader saw it; 0: nobody did."""
        self.first_seen = 0
        """When anybody saw it first, monotonic; 0: nobody did."""

    def is_placed(self) -> bool:
        """Where it lies is known: it was seen, or its receipts say it and no try without an answer may have stored it before them."""
        return bool(self.at) or not (self.unknown or 0 in self.receipts())

    def place(self) -> int:
        """Where it lies: of two receipts the first place stands; 0: nobody knows."""
        return self.at or min(self.receipts())

    def receipts(self) -> tuple[int, ...]:
        """Places; 0 where a receipt names none."""
        return (self.position, *(self.positions or ()))


Row = tuple[str, str, Event | None, int, int, int]
"""(via, id, what was published to this member by that id, lane, position, merged)"""

Parsed = dict[str, Row]
"""Lines of one member's readers. The same line means the same to each of them, and is parsed once."""


class Frame:
    """A frame or page. `rows_before`: of the same reader."""

    __slots__ = ("cursor", "flags", "gap", "issued", "mono", "rows", "rows_before", "wall")

    def __init__(self, words: list[str], rows_before: int) -> None:
        _, wall, mono, issued, high, medium, low, self.flags = words
        self.wall = int(wall)
        self.mono = int(mono)
        self.issued = int(issued)
        self.cursor = (0, int(high), int(medium), int(low))
        self.rows_before = rows_before
        self.rows: list[Row] = []
        self.gap: Gap | None = None


@dataclass(frozen=True, slots=True)
class Gap:
    """What a reader was told to be missing. `until_ms`: nothing that was accepted later is excused."""

    reason: str
    lanes: frozenset[int]
    until_ms: int


Step = Frame | str
"""A frame, or what a reader did: O and how, K, X and why."""


@dataclass(slots=True)
class Reader:
    """One client's log: a device's streams one after the other, or its pages."""

    name: str
    member: str
    device: str
    device_class: str
    steps: list[Step] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    """Of the steps."""
    seen: dict[str, int] = field(default_factory=dict)
    """Ids with the number of the row that showed them first, from 1 on."""
    gaps: list[Gap] = field(default_factory=list)
    """Of the frames."""
    altered: list[str] = field(default_factory=list)
    rows: int = 0

    def is_aimed_at(self, aim: str) -> bool:
        if aim == "-":
            return True
        who = aim[2:]
        if aim[0] == "c":
            return who == self.device_class
        return (who == self.device) is (aim[0] == "d")


def read_plan(directory: Path) -> Plan:
    plan = Plan()
    for line in (directory / "run.log").read_text(encoding="ascii").splitlines():
        words = line.split()
        if words[0] == "type":
            plan.types[words[1]] = Type(int(words[2]), int(words[3]), int(words[4]))
        elif words[0] == "slack":
            plan.slack_ms = int(words[1])
        elif words[0] == "may":
            plan.may.add(words[1])
        else:
            raise ValueError(f"run.log: {line!r}")
    return plan


def readers_by_member(directory: Path) -> dict[str, list[Path]]:
    """Their logs; the first line of each says whose it is."""
    found: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(directory.glob("read-*.log")):
        with path.open(encoding="ascii") as file:
            found[file.readline().split()[1]].append(path)
    return found


def read_reader(path: Path, events: dict[str, Event], parsed: Parsed) -> Reader:
    """Raises ValueError for a line that it does not know. Tells `events` when they were seen first."""
    with path.open(encoding="ascii") as file:
        _, member, device, device_class = file.readline().split()
        reader = Reader(path.stem, member, device, device_class)
        seen, steps, known, rows = reader.seen, reader.steps, parsed.get, 0
        frame: Frame | None = None
        mono = 0
        frame_rows: list[Row] = []
        for line in file:
            if line[0] in "PCL":
                row = known(line)
                if row is None:
                    row = parsed[line] = _row(line, events)
                rows += 1
                frame_rows.append(row)
                an_id = row[1]
                if an_id not in seen:
                    seen[an_id] = rows
                    event = row[2]
                    if event is not None and not 0 < event.first_seen <= mono:
                        event.first_seen = mono
                continue
            words = line.split()
            kind = words[0]
            if kind == "F":
                frame = Frame(words, rows)
                mono, frame_rows = frame.mono, frame.rows
                steps.append(frame)
                reader.frames.append(frame)
            elif kind == "K":
                steps.append("K")
            elif kind == "O":
                steps.append(f"O {words[3]}")
            elif kind == "G" and frame is not None:
                lanes = frozenset(map(int, words[2]))
                frame.gap = Gap(words[1], lanes, int(words[3]) or frame.wall)
                reader.gaps.append(frame.gap)
            elif kind == "X":
                steps.append(f"X {words[3]}")
            elif kind == "Z":
                reader.altered.append(words[1])
            else:
                raise ValueError(f"{path.name}: {line!r}")
    reader.rows = rows
    return reader


def _row(line: str, events: dict[str, Event]) -> Row:
    via, an_id, lane, position, merged = line.split()
    return via, an_id, events.get(an_id), int(lane), int(position), int(merged)
