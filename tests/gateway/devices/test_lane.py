"""The session against a model of the world: whatever is lost, late or repeated, the device gets every row once and in order."""

from collections.abc import Callable
from random import Random

import pytest

from gateway.devices.lane import Verdict
from gateway.devices.outbox import Budget, Outbox
from gateway.devices.session import FrameLimits, Read, Session
from gateway.devices.view import RowView
from reno.domain.priority import LANES, Priority
from reno.ports import Page
from reno.v1.notification_service_pb2 import SubscribeResponse
from tests.gateway.devices.rows import TV, a_view

LANE = Priority.MEDIUM
NOW = 1_000
FATES = ["arrives", "arrives", "arrives", "lost", "unknown", "for others"]


class World:
    """One member's lane: a log, an inbox, delivers on their way, reads on their way, and one session."""

    def __init__(self, *, begins_live: bool) -> None:
        self.stored: list[RowView] = []
        self.mark = 0
        self.on_the_way: list[tuple[RowView, int | None]] = []
        self.read: tuple[Read, Page, list[RowView]] | None = None
        self.seen: list[int] = []
        limits = FrameLimits(3, 1 << 20)
        outbox = Outbox(9, 1 << 20, Budget(1 << 30))
        self.session = Session(TV, dict.fromkeys(LANES, 0), outbox, limits)
        for lane in LANES:
            if lane is not LANE:
                self.session.begin_lane(lane, Page([], False, 0, 0, 0), 0)

        if begins_live:
            self.read_begins()
            self.read_answers()
            assert self.session.lanes[LANE].is_live

    def store(self, fates: list[str]) -> None:
        for fate in fates:
            previous = self.stored[-1].position if self.stored else 0
            row = a_view(self.mark + 2, classes=("phone",) if fate == "for others" else ())
            self.stored.append(row)
            if fate != "lost":
                self.on_the_way.append((row, None if fate == "unknown" else previous))
            self.mark = row.position
        self.mark += 5

    def deliver(self, count: int) -> None:
        for _ in range(min(count, len(self.on_the_way))):
            self._deliver(*self.on_the_way.pop(0))

    def deliver_out_of_turn_and_again(self, index: int) -> None:
        if self.on_the_way:
            self._deliver(*self.on_the_way[index % len(self.on_the_way)])

    def _deliver(self, row: RowView, previous: int | None) -> None:
        before = self.session.lanes[LANE].queued
        verdict = self.session.offer(LANE, row, previous, NOW)
        assert verdict is not Verdict.QUEUE or before < row.position

    def read_begins(self) -> None:
        if self.read is None and self.session.wants_read(LANE):
            asked = self.session.next_read(LANE, 4, 1 << 20)
            if asked is not None:
                after = [row for row in self.stored if row.position > asked.slice.after]
                rows = after[: asked.slice.max_rows]
                more = len(after) > len(rows)
                through = rows[-1].position if more else max(self.mark, asked.slice.after)
                self.read = asked, Page([], more, through, self.mark, 0), rows

    def read_answers(self) -> None:
        if self.read is not None:
            asked, page, rows = self.read
            self.read = None
            self.session.begin_lane(LANE, page, 0)
            self.session.take_page(LANE, asked, page, rows, NOW)

    def read_fails(self) -> None:
        if self.read is not None:
            self.read = None
            self.session.lane_missing(LANE)

    def frame(self) -> None:
        handed = self.session.next_frame(NOW, checkpoint=False)
        if handed is not None:
            frame = SubscribeResponse.FromString(handed.frame)
            self.seen += [notification.position for notification in frame.notifications]

    def look(self) -> None:
        self.session.look(LANE)

    def look_round(self) -> None:
        self.session.look_round()

    def come_to_rest(self) -> None:
        """However it went: a look and some reads later the device has everything."""
        self.look_round()
        for _ in range(10 + 3 * len(self.stored)):
            self.read_answers()
            self.frame()
            self.read_begins()
        assert self.seen == self.ours()
        assert self.session.lanes[LANE].is_live

    def ours(self) -> list[int]:
        return [row.position for row in self.stored if not row.classes]

    def nothing_is_left_out_or_repeated(self) -> None:
        """Once, Ordered, and never a gap before what was handed over."""
        assert self.seen == self.ours()[: len(self.seen)]

    def the_cursor_covers_what_was_handed_over_and_no_more(self) -> None:
        lane = self.session.lanes[LANE]
        assert lane.sent <= lane.queued
        assert [at for at in self.ours() if at <= lane.sent] == self.seen

    def current_is_only_said_by_a_live_lane(self) -> None:
        lane = self.session.lanes[LANE]
        assert lane.current_at is None or lane.is_live

    def check(self) -> None:
        self.nothing_is_left_out_or_repeated()
        self.the_cursor_covers_what_was_handed_over_and_no_more()
        self.current_is_only_said_by_a_live_lane()


def a_step(world: World, random: Random) -> Callable[[], None]:
    """Most sessions are LIVE most of the time, and most delivers come in turn."""
    steps: dict[Callable[[], None], int] = {
        lambda: world.store(random.choices(FATES, k=random.randint(1, 4))): 8,
        lambda: world.deliver(random.randint(1, 20)): 8,
        lambda: world.deliver_out_of_turn_and_again(random.randint(0, 5)): 1,
        world.read_begins: 6,
        world.read_answers: 6,
        world.read_fails: 1,
        world.frame: 5,
        world.look: 2,
        world.look_round: 1,
    }
    return random.choices(list(steps), list(steps.values()))[0]


@pytest.mark.parametrize("begins_live", [False, True])
@pytest.mark.parametrize("hundred", range(4))
def test_whatever_happens_every_row_comes_once_and_in_order(
    hundred: int, begins_live: bool
) -> None:
    """Once, Ordered. A failure names its seed, and the seed plays it again."""
    for seed in range(hundred * 100, hundred * 100 + 100):
        random = Random(seed)
        world = World(begins_live=begins_live)
        try:
            for _ in range(random.randint(1, 80)):
                a_step(world, random)()
                world.check()
            world.come_to_rest()
            world.check()
        except AssertionError as error:
            error.add_note(f"seed {seed}")
            raise


def test_truthful_a_look_that_began_before_the_outbox_was_full_finds_nothing_out() -> None:
    """What it did not find was pushed meanwhile, and is void now."""
    world = World(begins_live=True)
    world.look()
    world.read_begins()
    for _ in range(4):
        world.store(["arrives"])
        world.deliver(1)
    lane = world.session.lanes[LANE]
    assert not lane.is_live
    world.read_answers()
    assert not lane.is_live
    assert lane.current_at is None
    world.come_to_rest()


def test_bounded_what_a_look_finds_waits_for_room() -> None:
    world = World(begins_live=True)
    for _ in range(3):
        world.store(["arrives"])
        world.deliver(1)
    world.store(["lost"])
    world.look()
    world.read_begins()
    world.read_answers()
    assert len(world.session.outbox._queues[LANE].rows) == 3
    assert not world.session.lanes[LANE].is_live
    world.come_to_rest()
    world.check()
