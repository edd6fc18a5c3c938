"""The session against a model of the world: whatever is lost, late or repeated, the device gets every row once and in order."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

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


class World(RuleBasedStateMachine):
    """One member's lane: a log, an inbox, delivers on their way, reads on their way, and one session."""

    def __init__(self) -> None:
        super().__init__()
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

    @rule(
        count=st.integers(1, 4),
        knows=st.booleans(),
        arrives=st.booleans(),
        for_us=st.booleans(),
    )
    def store(self, count: int, knows: bool, arrives: bool, for_us: bool) -> None:
        for _ in range(count):
            previous = self.stored[-1].position if self.stored else 0
            row = a_view(self.mark + 2, classes=() if for_us else ("phone",))
            self.stored.append(row)
            if arrives:
                self.on_the_way.append((row, previous if knows else None))
            self.mark = row.position
        self.mark += 5

    @rule(index=st.integers(0, 5), repeats=st.booleans())
    def deliver(self, index: int, repeats: bool) -> None:
        if not self.on_the_way:
            return
        index %= len(self.on_the_way)
        row, previous = self.on_the_way[index] if repeats else self.on_the_way.pop(index)
        before = self.session.lanes[LANE].queued
        verdict = self.session.offer(LANE, row, previous, NOW)
        assert verdict is not Verdict.QUEUE or before < row.position

    @rule()
    def read_begins(self) -> None:
        if self.read is None and self.session.wants_read(LANE):
            asked = self.session.next_read(LANE, 4, 1 << 20)
            if asked is not None:
                after = [row for row in self.stored if row.position > asked.slice.after]
                rows = after[: asked.slice.max_rows]
                more = len(after) > len(rows)
                through = rows[-1].position if more else max(self.mark, asked.slice.after)
                self.read = asked, Page([], more, through, self.mark, 0), rows

    @rule()
    def read_answers(self) -> None:
        if self.read is not None:
            asked, page, rows = self.read
            self.read = None
            self.session.begin_lane(LANE, page, 0)
            self.session.take_page(LANE, asked, page, rows, NOW)

    @rule()
    def read_fails(self) -> None:
        if self.read is not None:
            self.read = None
            self.session.lane_missing(LANE)

    @rule()
    def frame(self) -> None:
        handed = self.session.next_frame(NOW, checkpoint=False)
        if handed is not None:
            frame = SubscribeResponse.FromString(handed.frame)
            self.seen += [notification.position for notification in frame.notifications]

    @rule()
    def read_again(self) -> None:
        self.session.read_again(LANE)

    @rule()
    def look(self) -> None:
        self.session.look()

    def teardown(self) -> None:
        """However it went: a look and some reads later the device has everything."""
        self.look()
        for _ in range(10 + 3 * len(self.stored)):
            self.read_answers()
            self.frame()
            self.read_begins()
        assert self.seen == self.ours()
        assert self.session.lanes[LANE].is_live

    def ours(self) -> list[int]:
        return [row.position for row in self.stored if not row.classes]

    @invariant()
    def nothing_is_left_out_or_repeated(self) -> None:
        """Once, Ordered, and never a gap before what was handed over."""
        assert self.seen == self.ours()[: len(self.seen)]

    @invariant()
    def the_cursor_covers_what_was_handed_over_and_no_more(self) -> None:
        lane = self.session.lanes[LANE]
        assert lane.sent <= lane.queued
        assert [at for at in self.ours() if at <= lane.sent] == self.seen

    @invariant()
    def current_is_only_said_by_a_live_lane(self) -> None:
        lane = self.session.lanes[LANE]
        assert lane.current_at is None or lane.is_live


World.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestLane = World.TestCase
