"""What is published in a run: types, members, devices, and a seeded choice of events for them."""

import random
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from reno.domain.member import NO_TENANT, member_key, shard_of
from reno.v1.event_pb2 import Event, Targets
from tests.faults.history import Type

SHARDS = 2
_HOUR_MS, _DAY_MS = 3_600_000, 86_400_000
TYPES = {
    "plain.high": Type(1, _HOUR_MS, _DAY_MS),
    "plain.medium": Type(2, _HOUR_MS, _DAY_MS),
    "plain.low": Type(3, _HOUR_MS, _DAY_MS),
    "merged.medium": Type(2, _HOUR_MS, _DAY_MS),
    "fresh.high": Type(1, 3_000, _DAY_MS),
    "short.low": Type(3, 3_000, 3_000),
}
"""Of each lane: one that nothing special happens to; one that newer ones merge with; one that is soon too late to push; one that is soon worth nothing."""

LANE_WORDS = {1: "high", 2: "medium", 3: "low"}
CLASSES = ("tv", "phone")
KEYS = ("k0", "k1", "k2")
MOST_IN_A_ROW = 8
"""Events of one member, before it is another one's turn."""

WEIGHTS = {
    1: {"plain.high": 9, "fresh.high": 1},
    2: {"plain.medium": 7, "merged.medium": 3},
    3: {"plain.low": 9, "short.low": 1},
}


def catalogue() -> str:
    """As TOML."""
    entries = []
    for name, kind in TYPES.items():
        lines = [
            f'["{name}"]',
            f'priority = "{LANE_WORDS[kind.lane]}"',
            f'max_age = "{kind.max_age_ms}ms"',
            f'ttl = "{kind.ttl_ms}ms"',
            'action = "act"',
        ]
        if name.startswith("merged"):
            lines += ['merge = "latest"', 'merge_key = "required"']
        entries.append("\n".join(lines))
    return "\n\n".join(entries)


def plan_lines(slack_ms: int) -> list[str]:
    """What run.log says."""
    types = [f"type {n} {k.lane} {k.max_age_ms} {k.ttl_ms}" for n, k in TYPES.items()]
    return [*types, f"slack {slack_ms}"]


@dataclass(slots=True)
class Sent:
    """An event on its way, and the words of its line in the log."""

    event: Event
    lane: int
    words: str
    tries: int = 0
    position: int = 0
    """Once it was accepted."""

    @property
    def aim(self) -> str:
        return self.words.split()[3]

    @property
    def scope(self) -> str:
        return self.words.split()[4]


def event_of(
    an_id: str, member: str, kind: str, *, aim: str = "-", merge_key: str = "", padding: int = 0
) -> Sent:
    """Happens now. Its payload is its id, so that whoever reads it sees what was altered."""
    occurred_ms = time.time_ns() // 1_000_000
    event = Event(id=an_id, type=kind, member_id=member, payload=payload_of(an_id, padding))
    event.occurred_at.FromMilliseconds(occurred_ms)
    if aim[0] == "c":
        event.targets.CopyFrom(Targets(device_classes=[aim[2:]]))
    elif aim[0] == "d":
        event.targets.CopyFrom(Targets(device_ids=[aim[2:]]))
    elif aim[0] == "o":
        event.origin_device_id = aim[2:]
    event.merge_key = merge_key
    scope = f"{kind}/{merge_key}" if merge_key else "-"
    words = f"{an_id} {member} {kind} {aim} {scope} {occurred_ms}"
    return Sent(event, TYPES[kind].lane, words)


def payload_of(an_id: str, padding: int) -> bytes:
    """The id, and as many more bytes."""
    return an_id.encode() + b" " * padding


class Choice:
    """Seeded: which event comes next in a lane."""

    def __init__(self, name: str, lane: int, members: Mapping[str, int], seed: str) -> None:
        """`members` with the bytes that their events are larger by."""
        self._name = name
        self._lane = lane
        self._members = list(members)
        self._padding = members
        self._random = random.Random(seed)
        self._number = 0
        self._member = ""
        self._left = 0
        """How many more are the member's."""
        self._types = list(WEIGHTS[lane])
        self._weights = list(WEIGHTS[lane].values())

    def next(self) -> Sent:
        """Four in five for all of the member's devices."""
        chance = self._random
        self._number += 1
        kind = chance.choices(self._types, self._weights)[0]
        aim = "-"
        if chance.random() < 0.2:
            aim = chance.choice(("c=tv", "c=phone", "d=tv", "d=phone", "o=tv", "o=phone"))
        if not self._left:
            self._member, self._left = (
                chance.choice(self._members),
                chance.randint(1, MOST_IN_A_ROW),
            )
        self._left -= 1
        member = self._member
        merge_key = chance.choice(KEYS) if kind.startswith("merged") else ""
        return event_of(
            f"{self._name}-{self._number}",
            member,
            kind,
            aim=aim,
            merge_key=merge_key,
            padding=self._padding[member],
        )

    def closing(self) -> list[Sent]:
        """One for every device in each scope of the lane: nothing newer, which nobody may know of, stands for it then."""
        kinds = [kind for kind in self._types if kind.startswith("merged")]
        return [
            event_of(f"{self._name}-end-{member}-{key}", member, kind, merge_key=key)
            for kind in kinds
            for member in self._members
            for key in KEYS
        ]


def member_of_shard(name: str, shard: int) -> str:
    """A member whose rows are in this shard of every lane."""
    numbered = (f"{name}-{number}" for number in range(10_000))
    return next(m for m in numbered if shard_of(member_key(NO_TENANT, m), SHARDS) == shard)


def required(accepted: Iterable[Sent], device: str, device_class: str) -> set[str]:
    """The ids that such a device must see by and by: not what expires soon, and of what merges the newest. What is missing from it is worth to wait for; judging is the checker's."""
    ids: set[str] = set()
    newest: dict[str, Sent] = {}
    for sent in accepted:
        if TYPES[sent.event.type].ttl_ms < _DAY_MS or not _meets(sent.aim, device, device_class):
            continue
        if sent.scope == "-":
            ids.add(sent.event.id)
        elif sent.position > getattr(newest.get(sent.scope), "position", 0):
            newest[sent.scope] = sent
    return ids | {sent.event.id for sent in newest.values()}


def _meets(aim: str, device: str, device_class: str) -> bool:
    who = aim[2:]
    return {"-": True, "c": who == device_class, "d": who == device, "o": who != device}[aim[0]]
