"""What a watcher is told, against the lease table itself."""

import itertools
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from presence.lease_table import Attachment, LeaseTable, PresenceState
from presence.watching import Told, Watching
from reno.domain.member import member_key
from reno.errors import Unavailable
from reno.ports import GatewayAddress, SessionPlace

LEASE_MS = 1000
INTERVAL_MS = 100
MEMBERS = {member_key("", name): name for name in ("anna", "ben")}


@dataclass
class World:
    """A table with one gateway, looked at every 10 ms by one watcher that reads when it is told to."""

    now_ms: int = 0
    told: dict[str, Told] = field(default_factory=dict)
    times: dict[str, list[int]] = field(default_factory=dict)
    """When a change of the device was told."""

    def __post_init__(self) -> None:
        self.table = LeaseTable(lease_ms=LEASE_MS, max_sessions=100, now_ms=0)
        self.table.watched.update(MEMBERS)
        self.gateway = self.attach("g1")
        self.watching = Watching(MEMBERS, INTERVAL_MS, is_sure=False)
        found = self.table.lookup(list(MEMBERS), 0)
        pairs = zip(MEMBERS, found, strict=True)
        self.take(self.watching.begin((key, sessions) for key, (_, sessions) in pairs))

    def attach(self, name: str, epoch: int = 1) -> Attachment:
        attachment = self.table.hello(GatewayAddress(name, epoch, f"{name}:1"), self.now_ms)
        self.table.change(attachment, self.now_ms, snapshot_complete=True)
        return attachment

    def begin(self, number: int, member: str = "anna", device: str = "tv") -> None:
        place = SessionPlace(number, "", member, device, "tv")
        self.table.change(self.gateway, self.now_ms, began=[place])

    def end(self, number: int) -> None:
        self.table.change(self.gateway, self.now_ms, ended=[number])

    def look(self) -> None:
        self.watching.see_sure(self.table.is_sure(self.now_ms), self.now_ms)
        for key in self.table.take_changed():
            [(_, sessions)] = self.table.lookup([key], self.now_ms)
            self.watching.see(key, sessions, self.now_ms)

    def pass_time(self, ms: int, *, reads: bool = True) -> None:
        until_ms = self.now_ms + ms
        while self.now_ms < until_ms:
            self.now_ms = min(self.now_ms + 10, until_ms)
            if self.gateway:
                self.table.change(self.gateway, self.now_ms)
            self.look()
            if reads:
                self.take(self.watching.news(self.now_ms))

    def take(self, news: list[Told]) -> None:
        for told in news:
            before = self.told.get(told.member_id)
            assert told != before, "told again"
            for device in told.devices.keys() | (before.devices.keys() if before else set()):
                if before and before.devices.get(device) != told.devices.get(device):
                    self.times.setdefault(f"{told.member_id}/{device}", []).append(self.now_ms)
            if told.state is PresenceState.OFFLINE:
                assert self.table.is_sure(self.now_ms), "offline was said of whom nobody knows"
            self.told[told.member_id] = told

    def states(self) -> dict[str, tuple[PresenceState, set[str]]]:
        return {name: (told.state, set(told.devices)) for name, told in self.told.items()}

    def truth(self) -> dict[str, tuple[PresenceState, set[str]]]:
        found = self.table.lookup(list(MEMBERS), self.now_ms)
        return {
            name: (state, {session.device_id for session in sessions})
            for name, (state, sessions) in zip(MEMBERS.values(), found, strict=True)
        }


def test_truthful_a_young_replica_says_unknown_and_then_offline() -> None:
    world = World()
    assert world.states()["anna"] == (PresenceState.UNKNOWN, set())
    world.begin(1)
    world.pass_time(LEASE_MS + INTERVAL_MS)
    assert world.states() == {
        "anna": (PresenceState.ONLINE, {"tv"}),
        "ben": (PresenceState.OFFLINE, set()),
    }


def test_a_device_that_flaps_is_not_told_and_its_neighbour_is() -> None:
    world = World()
    world.begin(1)
    world.pass_time(LEASE_MS + INTERVAL_MS)
    world.times.clear()
    world.begin(99, device="phone")
    for number in range(2, 20):
        world.end(number - 1)
        world.pass_time(INTERVAL_MS // 2)
        world.begin(number)
        world.pass_time(INTERVAL_MS // 5)
    assert list(world.times) == ["anna/phone"]
    assert world.states()["anna"] == (PresenceState.ONLINE, {"tv", "phone"})


def test_a_device_that_moves_to_another_gateway_is_told_once_with_its_place() -> None:
    world = World()
    world.begin(1)
    world.pass_time(LEASE_MS + INTERVAL_MS)
    world.times.clear()
    other = world.attach("g2")
    world.end(1)
    place = SessionPlace(1, "", "anna", "tv", "tv")
    world.table.change(other, world.now_ms, began=[place])
    world.pass_time(INTERVAL_MS + 10)
    assert world.told["anna"].devices == {"tv": (("tv", "g2"),)}
    assert len(world.times["anna/tv"]) == 1


def test_truthful_who_vanishes_while_a_gateway_has_not_named_its_devices_is_unknown() -> None:
    world = World()
    world.begin(1)
    world.pass_time(LEASE_MS + INTERVAL_MS)
    world.end(1)
    world.pass_time(INTERVAL_MS // 2)
    unnamed = world.table.hello(GatewayAddress("g2", 1, "g2:1"), world.now_ms)
    world.pass_time(INTERVAL_MS // 2 + 10)
    assert world.states()["anna"] == (PresenceState.UNKNOWN, set())
    world.table.change(unnamed, world.now_ms, snapshot_complete=True)
    world.pass_time(INTERVAL_MS + 10)
    assert world.states()["anna"] == (PresenceState.OFFLINE, set())


changes = st.lists(
    st.tuples(
        st.sampled_from(("begin", "end", "begin elsewhere", "unnamed", "named")),
        st.integers(1, 3),
        st.sampled_from((0, 10, 50, 90, 100, 110, 300)),
        st.booleans(),
    ),
    max_size=25,
)


@settings(max_examples=150)
@given(changes)
def test_the_last_state_told_is_the_true_one_and_nobody_is_told_too_often(
    happened: list[tuple[str, int, int, bool]],
) -> None:
    """Truthful, Bounded: also of a watcher that reads now and then."""
    world = World()
    world.pass_time(LEASE_MS + INTERVAL_MS)
    second: Attachment | None = None
    for what, number, wait_ms, reads in happened:
        member = "anna" if number < 3 else "ben"
        place = SessionPlace(number, "", member, f"d{number % 2}", "tv")
        if what == "begin":
            world.begin(number, member, f"d{number % 2}")
        elif what == "end":
            world.end(number)
        elif what == "unnamed":
            second = world.table.hello(GatewayAddress("g2", 1, "g2:1"), world.now_ms)
        elif second is not None:
            began = [place] if what == "begin elsewhere" else []
            try:
                world.table.change(
                    second, world.now_ms, began=began, snapshot_complete=what == "named"
                )
            except Unavailable:
                second = None
        world.pass_time(wait_ms, reads=reads)
    # A second gateway's lease ends by itself.
    world.pass_time(LEASE_MS + INTERVAL_MS + 20)
    assert world.states() == world.truth()
    assert world.watching.is_settled
    for times in world.times.values():
        assert all(b - a >= INTERVAL_MS for a, b in itertools.pairwise(times))
