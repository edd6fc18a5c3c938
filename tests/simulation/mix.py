"""What one history is made of: sizes, limits and how much goes wrong, all from its seed."""

from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache
from random import Random

from gateway.ingestion.resolving import policies_of
from reno.catalogue.catalogue import parse
from reno.config.settings import (
    GatewaySettings,
    IngestionSettings,
    LogSettings,
    ProcessorSettings,
    Settings,
)
from reno.domain.identity import Device
from reno.domain.priority import Priority
from tests.simulation.network import Faults

_ENTRIES = """
["{lane}.plain"]
priority = "{lane}"
max_age = "20s"
ttl = "10m"
window = "5m"
action = "a"

["{lane}.merging"]
priority = "{lane}"
max_age = "20s"
ttl = "10m"
merge = "latest"
action = {{ default = "a", phone = "b" }}

["{lane}.brief"]
priority = "{lane}"
max_age = "200ms"
ttl = "400ms"
action = "a"

["{lane}.late"]
priority = "{lane}"
max_age = "400ms"
ttl = "10m"
window = "800ms"
merge = "latest"
action = "a"

["{lane}.kept"]
priority = "{lane}"
max_age = "20s"
ttl = "10m"
delivery = "store_only"
action = "a"

["{lane}.tv"]
priority = "{lane}"
max_age = "20s"
ttl = "10m"
merge = "latest"
device_classes = ["tv"]
action = "a"
"""

CATALOGUE = parse("".join(_ENTRIES.format(lane=lane) for lane in ("high", "low")))
TYPES = {
    lane: [name for name, entry in CATALOGUE.items() if entry.priority is lane]
    for lane in (Priority.HIGH, Priority.LOW)
}
MERGING = {name for name, entry in CATALOGUE.items() if entry.merge == "latest"}
assert policies_of(CATALOGUE)

MEMBERS = ("anna", "ben", "cleo")
CLASSES = ("tv", "phone", "tv")
NEVER_S = 86_400.0


class Trouble(Enum):
    """What goes wrong. Only with ANY do sessions look though nothing happened: otherwise everything must come without."""

    NONE = auto()
    """Nothing is lost, and nobody dies."""
    DELIVERS = auto()
    """They and their answers are lost, late, or come twice."""
    PROCESSORS = auto()
    """They are killed and frozen."""
    ANY = auto()


@dataclass(frozen=True, slots=True)
class Mix:
    """One history's."""

    trouble: Trouble
    steps: int
    shards: int
    lanes: tuple[Priority, ...]
    devices: tuple[Device, ...]
    gateways: int
    replicas: int
    processors: int
    """Each believes that it owns every shard."""
    doors: int
    stores_at_once: bool
    skew_ms: int
    frames_on_the_way: int
    handles: int
    """How eagerly devices read."""
    log_bytes: int
    settings: Settings
    faults: Faults


def mix_of(random: Random) -> Mix:
    trouble = random.choice((Trouble.DELIVERS, Trouble.PROCESSORS, Trouble.ANY, Trouble.ANY))
    is_any = trouble is Trouble.ANY
    if trouble is Trouble.DELIVERS:
        trouble = random.choice((Trouble.NONE, Trouble.DELIVERS))
    members = MEMBERS[: random.choice((1, 2, 3, 3))]
    devices = tuple(
        Device("", member, f"{member}-{number}", CLASSES[number])
        for member in members
        for number in range(random.choice((1, 1, 1, 2, 3)))
    )
    often = random.choice((0.01, 0.04, 0.12)) if is_any else 0.0
    if trouble is Trouble.DELIVERS:
        often = 0.15
    return Mix(
        trouble=trouble,
        steps=random.choice((60, 120, 250)),
        shards=random.choice((1, 1, 2)),
        lanes=random.choice(((Priority.HIGH,), (Priority.HIGH,), (Priority.HIGH, Priority.LOW))),
        devices=devices,
        gateways=random.choice((1, 2)),
        replicas=random.choice((1, 1, 2)),
        processors=random.choice((1, 1, 2)),
        doors=random.choice((1, 2)),
        stores_at_once=random.random() < 0.5,
        skew_ms=random.choice((0, 50, 500)),
        frames_on_the_way=random.choice((1, 2, 20)),
        handles=random.choice((3, 25)),
        log_bytes=random.choice((2_000, 1 << 30)) if is_any else 1 << 30,
        settings=_settings(
            outbox_rows=random.choice((3, 6, 15, 500)),
            outbox_bytes=random.choice((900, 1 << 20)),
            outboxes_bytes=random.choice((1_500, 1 << 28)),
            page_rows=random.choice((1, 3, 100)),
            batch_events=random.choice((2, 100)),
            remembered=random.choice((1, 1000)),
            looks=is_any,
        ),
        faults=Faults(
            lost=often,
            late=often,
            answer_lost=often,
            again=often,
            answer_waits=random.choice((0.1, 0.4)),
            of="deliver" if trouble is Trouble.DELIVERS else "",
        ),
    )


@lru_cache(maxsize=1024)
def _settings(
    outbox_rows: int,
    outbox_bytes: int,
    outboxes_bytes: int,
    page_rows: int,
    batch_events: int,
    remembered: int,
    looks: bool,
) -> Settings:
    return Settings(
        log=LogSettings(publish_timeout_s=1.0),
        ingestion=IngestionSettings(deadline_s=1.0, max_envelope_events=3),
        gateway=GatewaySettings(
            max_outbox_rows=outbox_rows,
            max_outbox_bytes=outbox_bytes,
            max_outbox_bytes_total=outboxes_bytes,
            max_page_rows=page_rows,
            max_page_bytes=4_000,
            max_sessions_per_member=8,
            look_interval_s=6.0 if looks else NEVER_S,
            checkpoint_interval_s=3.0,
            drain_spread_s=0.5,
            drain_wait_s=0.5,
        ),
        processor=ProcessorSettings(
            max_batch_events=batch_events, remembered_members_per_shard=remembered
        ),
    )
