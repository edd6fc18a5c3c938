"""Every call between processes is a choice of the scheduler: when it arrives, when it is answered, and whether either ever happens."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, TypeVar

from reno.domain.reason import Reason
from reno.errors import Unavailable
from tests.simulation.kernel import Process

T = TypeVar("T")

KINDS = ("tell", "inbox read", "deliver", "purge", "log read", "look up", "store", "frame", "hello")
"""Two of them are slow in each history: only where one lags far behind another do most races happen."""

PATIENCE = 4
"""How often another call is drawn instead of a slow one."""


def unavailable() -> Exception:
    return Unavailable(Reason.NOT_READY, "did not answer")


@dataclass(slots=True, eq=False)
class Call:
    """One message to a port. `fails`: what its caller is told when it or its answer is lost; None: it cannot get lost."""

    kind: str
    caller: Process
    callee: Process | None
    effect: Callable[[], Any]
    fails: Callable[[], Exception] | None
    may_arrive: Callable[[], bool] | None
    future: "asyncio.Future[Any]"
    has_arrived: bool = False
    answer: Any = None
    refusal: Exception | None = None

    @property
    def can_go_on(self) -> bool:
        if self.has_arrived:
            return True
        if self.callee is not None and self.callee.is_frozen:
            return False
        return self.may_arrive is None or self.may_arrive()


@dataclass(slots=True)
class Faults:
    """How often a call meets which fate."""

    lost: float = 0.0
    """It never arrives."""
    late: float = 0.0
    """Its caller is told that it failed, and it arrives some time later."""
    answer_lost: float = 0.0
    again: float = 0.0
    """It arrives a second time, later."""
    answer_waits: float = 0.3
    """Other things happen between its arrival and its answer."""
    of: str = ""
    """The calls whose kind begins so."""


class Network:
    """Whatever is under way."""

    def __init__(self, random: Random, faults: Faults, trace: Callable[..., None]) -> None:
        self.under_way: list[Call] = []
        self.faults = faults
        self._random = random
        self._slow = tuple(random.sample(KINDS, 2))
        self._trace = trace

    async def call(
        self,
        kind: str,
        caller: Process,
        effect: Callable[[], T],
        *,
        callee: Process | None = None,
        fails: Callable[[], Exception] | None = unavailable,
        may_arrive: Callable[[], bool] | None = None,
    ) -> T:
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        if caller.is_alive:
            call = Call(kind, caller, callee, effect, fails, may_arrive, future)
            self.under_way.append(call)
        return await future

    def pick(self) -> Call | None:
        """Any that can go on; one of the slow kinds seldom, as long as there is another."""
        calls = [call for call in self.under_way if call.can_go_on]
        if not calls:
            return None
        call = self._random.choice(calls)
        for _ in range(PATIENCE):
            if not call.kind.startswith(self._slow):
                break
            call = self._random.choice(calls)
        return call

    def caller_died(self, process: Process) -> None:
        """Of what it had not got rid of some still arrives."""
        self.under_way = [
            call
            for call in self.under_way
            if call.caller is not process or self._random.random() < 0.5
        ]

    def step(self, call: Call) -> None:
        """One thing happens to it."""
        faults, chance = self.faults, self._random.random
        may_fail = call.fails is not None and call.kind.startswith(faults.of)
        fate = chance() if may_fail else 1.0
        is_heard = call.caller.is_alive and not call.future.done()
        if call.has_arrived:
            self.under_way.remove(call)
            if is_heard and fate < faults.answer_lost:
                self._fail(call, "answer lost")
            elif is_heard:
                self._answer(call)
            return
        if fate < faults.lost:
            self.under_way.remove(call)
            if is_heard:
                self._fail(call, "lost")
            return
        if fate < faults.lost + faults.late and is_heard:
            # Behind everything that its caller does now.
            self._fail(call, "late")
            return
        self._arrive(call)
        if may_fail and chance() < faults.again:
            self.under_way.append(
                Call(
                    call.kind,
                    call.caller,
                    call.callee,
                    call.effect,
                    call.fails,
                    call.may_arrive,
                    call.future,
                )
            )
        if not is_heard:
            self.under_way.remove(call)
        elif chance() >= faults.answer_waits:
            self.under_way.remove(call)
            self._answer(call)

    def time_out(self, call: Call) -> None:
        """Its callee is frozen: the caller gives up, the call stays under way."""
        if call.fails is not None and call.caller.is_alive and not call.future.done():
            self._fail(call, "timed out")

    def _arrive(self, call: Call) -> None:
        call.has_arrived = True
        try:
            call.answer = call.effect()
        except Exception as error:  # whatever the callee refuses with is the caller's to see
            if isinstance(error, AssertionError):
                raise
            call.refusal = error
        self._trace(call.kind, call.caller.name, call.refusal or call.answer)

    def _answer(self, call: Call) -> None:
        if call.refusal is not None:
            call.future.set_exception(call.refusal)
        else:
            call.future.set_result(call.answer)

    def _fail(self, call: Call, how: str) -> None:
        assert call.fails is not None
        self._trace(call.kind, call.caller.name, how)
        call.future.set_exception(call.fails())
