"""What the demo publishes, and who must see it: computed before anything runs. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from random import Random

from reno.catalogue.catalogue import Catalogue
from reno.gates import is_targeted


@dataclass(frozen=True, slots=True)
class DemoDevice:
    """One device of one member; it is run as a process of its own."""

    member: str
    device: str
    device_class: str

    @property
    def name(self) -> str:
        """For tables: anna/tv."""
        return f"{self.member}/{self.device}"


@dataclass(frozen=True, slots=True)
class DemoEvent:
    """One event to publish; `fate` is what the door or a gate must make of it."""

    event_id: str
    event_type: str
    member: str
    merge_key: str = ""
    classes: tuple[str, ...] = ()
    origin: str = ""
    age_s: float = 0.0
    padding: int = 0
    fate: str = "arrives"


@dataclass(frozen=True, slots=True)
class Scene:
    """A part of the play: what is told, what is published."""

    title: str
    events: Sequence[DemoEvent]
    note: str = ""


@dataclass(slots=True)
class Script:
    """All scenes by name, for one seed."""

    members: tuple[str, ...] = ("anna", "boris", "chen")
    classes: tuple[str, ...] = ("phone", "tv", "browser")
    scenes: dict[str, Scene] = field(default_factory=dict)

    @property
    def devices(self) -> list[DemoDevice]:
        """Three for each member, and anna's watch, which only pulls."""
        listening = [DemoDevice(m, c, c) for m in self.members for c in self.classes]
        return [*listening, self.pulling]

    @property
    def pulling(self) -> DemoDevice:
        """The device that never subscribes."""
        return DemoDevice("anna", "watch", "watch")


ALL_ON = ("six", "flood", "maturity", "gates")
"""Scenes in which no device is new, off, frozen or without its gateway: their latencies are the system's own."""

FLOOD = 10_000
FLOOD_KEYS = 50
SLOW = 400
SLOW_BYTES = 4096
"""Enough in sum to fill what lies between a gateway and a device that does not read."""
FROZEN_TV = DemoDevice("chen", "tv", "tv")
OFF_TV = DemoDevice("anna", "tv", "tv")


def write_script(seed: int) -> Script:
    """The same seed gives the same ids and order."""
    random = Random(seed)
    tag = f"{random.getrandbits(32):08x}"
    script = Script()
    count = 0

    def event(event_type: str, member: str, **more: object) -> DemoEvent:
        nonlocal count
        count += 1
        return DemoEvent(f"demo-{tag}-{count:05d}", event_type, member, **more)  # type: ignore[arg-type]

    def scene(name: str, title: str, events: Iterable[DemoEvent], note: str = "") -> None:
        script.scenes[name] = Scene(title, list(events), note)

    scene(
        "first",
        "A first event in each lane: devices that are new read their inbox once, then they are live",
        [
            event(event_type, member)
            for member in script.members
            for event_type in ("plan.changed", "profile.changed", "diagnostic.requested")
        ],
    )
    six = []
    for member in script.members:
        six += [
            event("viewing.progressed", member, merge_key="kids", origin="phone"),
            event("home.refreshed", member, merge_key="kids"),
            event("plan.changed", member, origin="browser"),
            event("list.changed", member, merge_key="main"),
            event("profile.changed", member),
            event("profile.maturity_changed", member, merge_key="kids"),
            event("diagnostic.requested", member, classes=("tv",)),
        ]
    random.shuffle(six)
    scene("six", "The six use cases, for three members with a phone, a TV and a browser each", six)
    scene(
        "off",
        "anna's TV is off; it pulls what it missed when it is on again",
        [event("profile.changed", "anna") for _ in range(5)]
        + [event("list.changed", "anna", merge_key="main") for _ in range(3)],
    )
    flood = [
        event("home.refreshed", "boris", merge_key=f"profile-{n % FLOOD_KEYS}")
        for n in range(FLOOD)
    ]
    scene("flood", f"{FLOOD:,} low events for boris", flood)
    scene(
        "maturity",
        "…and one maturity change overtakes them",
        [event("profile.maturity_changed", "boris", merge_key="kids")],
    )
    once = event("profile.changed", "anna")
    scene(
        "gates",
        "Duplicates, stale and unknown events are dropped, and said",
        [
            once,
            *(
                DemoEvent(once.event_id, once.event_type, "anna", fate="DUPLICATE")
                for _ in range(3)
            ),
            event("list.changed", "boris", merge_key="main", age_s=7200, fate="STALE"),
            event("diagnostic.requested", "chen", age_s=120, fate="STALE"),
            event("disc.shipped", "chen", fate="UNKNOWN_TYPE"),
            event("viewing.progressed", "chen", fate="MERGE_KEY_REQUIRED"),
        ],
    )
    scene(
        "slow",
        "chen's TV does not read for a while: what it missed comes merged",
        [
            event("viewing.progressed", "chen", merge_key=f"p{n % 4}", padding=SLOW_BYTES)
            for n in range(SLOW)
        ],
    )
    scene(
        "kill",
        "The gateway is killed (kill -9) while events are published: devices resume by their cursors",
        [event("profile.changed", member) for _ in range(20) for member in script.members],
    )
    return script


def expected_for(
    device: DemoDevice, events: Iterable[DemoEvent], catalogue: Catalogue
) -> list[DemoEvent]:
    """The events that this device must see or have merged, in the order of publishing."""
    wanted = []
    for event in events:
        if event.fate != "arrives" or event.member != device.member:
            continue
        entry = catalogue[event.event_type]
        narrowed = set(entry.device_classes) & set(event.classes)
        classes = narrowed or entry.device_classes or event.classes
        origin = "" if entry.echo else event.origin
        if is_targeted(
            device.device,
            device.device_class,
            classes=classes,
            device_ids=(),
            origin_device_id=origin,
        ):
            wanted.append(event)
    return wanted
