"""The session as a state machine against the world of test_lane.py: the steps are drawn, so that what fails is shrunk to the shortest way to it."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.gateway.devices.test_lane import FATES, World


class Sessions(RuleBasedStateMachine):
    """Once, Ordered, Resumable, Truthful."""

    world: World

    @initialize(begins_live=st.sampled_from((True, True, False)))
    def begin(self, begins_live: bool) -> None:
        self.world = World(begins_live=begins_live)

    @rule(fates=st.lists(st.sampled_from(FATES), min_size=1, max_size=4))
    def store(self, fates: list[str]) -> None:
        self.world.store(fates)

    @rule(count=st.integers(1, 20))
    def deliver(self, count: int) -> None:
        self.world.deliver(count)

    @rule(count=st.integers(1, 3))
    def store_and_deliver(self, count: int) -> None:
        """As most of the time: the lane stays LIVE, and rows wait for a frame."""
        self.world.store(["arrives"] * count)
        self.world.deliver(20)

    @rule()
    def look_begins(self) -> None:
        self.world.look()
        self.world.read_begins()

    @rule(index=st.integers(0, 5))
    def deliver_out_of_turn_and_again(self, index: int) -> None:
        self.world.deliver_out_of_turn_and_again(index)

    @rule()
    def read_begins(self) -> None:
        self.world.read_begins()

    @rule()
    def read_answers(self) -> None:
        self.world.read_answers()

    @rule()
    def read_fails(self) -> None:
        self.world.read_fails()

    @rule()
    def frame(self) -> None:
        self.world.frame()

    @rule()
    def look(self) -> None:
        self.world.look()

    @rule()
    def look_round(self) -> None:
        self.world.look_round()

    @invariant()
    def keeps_its_promises(self) -> None:
        self.world.check()

    def teardown(self) -> None:
        """However it went."""
        if hasattr(self, "world"):
            self.world.come_to_rest()


Sessions.TestCase.settings = settings(stateful_step_count=40)
TestSessions = Sessions.TestCase
