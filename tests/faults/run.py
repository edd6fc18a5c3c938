"""One run: an installation, everybody who uses it, faults one after the other, and the verdict on what they all wrote down."""

import asyncio
import itertools
import json
import random
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from bench.results import commit
from tests.faults.checker import check
from tests.faults.crashing import passings
from tests.faults.crowd import crowded
from tests.faults.ground import Ground
from tests.faults.layout import LASTS_S, SLACK_S
from tests.faults.population import CONDITIONS, Population
from tests.faults.shapes import Shape, fitted
from tests.faults.strikes import STRIKES, targets
from tests.faults.traffic import plan_lines
from tests.servers.cassandra import CassandraNode

RECOVERS_WITHIN_S = 120.0
CONDITIONS_WITHIN_S = 30.0
BETWEEN_S = 0.5
TWO_AT_ONCE = 0.5
"""Of chosen kills, how many are of two at the same moment."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run. `faults` as STRIKE:TARGET, or TARGET+TARGET for several at the same moment; empty: chosen by the seed until the seconds are over and there
    were as many `kills`. `mix` as STRIKE or STRIKE=WEIGHT."""

    seed: int
    seconds: float
    rate: float = 500.0
    mix: Sequence[str] = tuple(STRIKES)
    kills: int = 0
    faults: Sequence[str] = ()
    lasts_s: tuple[float, float] = LASTS_S
    owed_within_s: float = 120.0
    crowd: int = 0
    """Events a second that are published beside, for members whom nobody listens for."""
    shape: Shape = field(default_factory=Shape)


@dataclass(slots=True)
class Fault:
    """One that was made. `recovery_ms`: from when it healed, or struck where it does not last, until a probe sent after that was back from everywhere; None: it was not in time. `is_alone`: no other struck at the same moment."""

    strike: str
    target: str
    at_s: float
    proof: str
    recovery_ms: int | None
    is_alone: bool = True

    def as_line(self) -> str:
        proof = self.proof or "NO TRACE"
        return f"{self.at_s:6.1f} s {self.strike}:{self.target} {proof}, back after {self.recovery_ms} ms"


@dataclass(slots=True)
class Result:
    """`verdict`: PASS, FAIL or INVALID: what should have been shown was not, since a fault left no trace."""

    plan: Plan
    verdict: str = "FAIL"
    why: list[str] = field(default_factory=list)
    seconds: float = 0.0
    started_s: float = 0.0
    attacked_s: float = 0.0
    settled_s: float = 0.0
    counts: dict[str, int] = field(default_factory=dict)
    broken: dict[str, int] = field(default_factory=dict)
    examples: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    conditions: dict[str, int] = field(default_factory=dict)
    peak_mib: dict[str, int] = field(default_factory=dict)
    answers: dict[str, int] = field(default_factory=dict)
    passed: dict[str, int] = field(default_factory=dict)
    """How often each fail point was."""
    crowd: dict[str, int] = field(default_factory=dict)
    """What became of the events beside."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Strikes that cannot be made here, and why."""
    build: str = ""
    """The commit it is of."""

    def as_json(self) -> str:
        return json.dumps(asdict(self), indent=1)


async def run(plan: Plan, directory: Path, node: CassandraNode | None = None) -> Result:
    """Never raises: what went wrong is in the result. `node`: a running Cassandra for shapes that have one."""
    struck = {fault.partition(":")[0] for fault in plan.faults} or weights(plan.mix).keys()
    shape, left_out = fitted(plan.shape, struck)
    ground = Ground(directory, shape, node)
    result = Result(plan, left_out=left_out, build=commit())
    began = time.monotonic()
    ops = directory / "ops"
    population: Population | None = None
    watching: asyncio.Task[None] | None = None
    try:
        await ground.start()
        watching = asyncio.create_task(ground.watch())
        population = Population(ground, ops, str(plan.seed), plan.rate)
        await population.start()
        result.started_s = _since(began)
        async with crowded(ground.place(ground.layout.door_link), plan.crowd) as counts:
            await _attack(plan, ground, population, result)
        result.crowd = dict(counts)
        tallies = population.tallies
        await population.wait(
            lambda: all(tallies()[word] for word in CONDITIONS.values()), CONDITIONS_WITHIN_S
        )
        result.attacked_s = _since(began)
        result.why += await population.settle(plan.owed_within_s)
        result.settled_s = _since(began)
        _look(ground, population, result)
    except Exception:  # noqa: BLE001  # whatever it was, the run has failed, and others are to come
        result.why.append(f"did not work: {traceback.format_exc()}")
    finally:
        if watching is not None:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        if population is not None:
            await population.close()
        ground.close()
    result.seconds = _since(began)
    _judge(ops, result)
    return result


async def _attack(plan: Plan, ground: Ground, population: Population, result: Result) -> None:
    chance = random.Random(plan.seed)
    began = time.monotonic()
    for strike, struck in _chosen(plan, ground, chance, began + plan.seconds):
        if strike in result.left_out:
            continue
        at_s = round(time.monotonic() - began, 1)
        lasts_s = chance.uniform(*plan.lasts_s)
        bites = await asyncio.gather(
            *(STRIKES[strike](ground, population, target, lasts_s) for target in struck)
        )
        healed_at = max(bite.healed_at for bite in bites)
        is_through = partial(population.prober.is_through, healed_at)
        is_back = await population.wait(is_through, RECOVERS_WITHIN_S)
        recovery_ms = int((time.monotonic() - healed_at) * 1000) if is_back else None
        for target, bite in zip(struck, bites, strict=True):
            fault = Fault(strike, target, at_s, bite.proof, recovery_ms, len(struck) == 1)
            result.faults.append(fault)
            with (ground.directory / "faults.txt").open("a") as said:
                said.write(f"{fault.as_line()}\n")
        await asyncio.sleep(BETWEEN_S)


def _since(began: float) -> float:
    return round(time.monotonic() - began, 1)


def _chosen(
    plan: Plan, ground: Ground, chance: random.Random, until: float
) -> Iterator[tuple[str, list[str]]]:
    """Strikes with what they strike at the same moment, until `until`, monotonic. While kills are missing every second one is a kill."""
    for fault in plan.faults:
        strike, _, struck = fault.partition(":")
        yield strike, struck.split("+")
    if plan.faults:
        return
    mix = weights(plan.mix)
    possible = {strike: weight for strike, weight in mix.items() if targets(ground, strike)}
    kills, is_over = 0, False
    for number in itertools.count():
        is_over = is_over or time.monotonic() > until
        wants_kill = kills < plan.kills
        if is_over and not wants_kill:
            return
        # A strike is as likely as its weight says, however many targets it has.
        (strike,) = chance.choices(list(possible), list(possible.values()))
        if wants_kill and (is_over or number % 2 == 0):
            strike = "kill"
        found = targets(ground, strike)
        count = 2 if strike == "kill" and chance.random() < TWO_AT_ONCE else 1
        kills += count * (strike == "kill")
        yield strike, chance.sample(found, min(count, len(found)))


def weights(mix: Sequence[str]) -> dict[str, float]:
    """Raises ValueError for what is no strike."""
    found = {}
    for word in mix:
        strike, _, weight = word.partition("=")
        if strike not in STRIKES:
            raise ValueError(f"no strike: {strike}; there are {', '.join(STRIKES)}")
        found[strike] = float(weight or 1)
    return found


def _look(ground: Ground, population: Population, result: Result) -> None:
    tallies = population.tallies()
    result.answers = dict(population.counts())
    result.conditions = {name: tallies[word] for name, word in CONDITIONS.items()}
    result.conditions["events published again"] = population.counts()["repeated"]
    result.passed = passings(ground)
    result.peak_mib = {name: int(mib) for name, mib in sorted(ground.peak_mib.items())}
    result.why += [f"{name} took {mib:.0f} MiB" for name, mib in ground.over_their_caps().items()]
    result.why += [f"{name} ended by itself, {n} times" for name, n in ground.died.items() if n > 0]
    result.why += [
        f"{fault.strike}:{fault.target} was not recovered from"
        for fault in result.faults
        if fault.recovery_ms is None
    ]


def _judge(ops: Path, result: Result) -> None:
    if ops.exists():
        (ops / "run.log").write_text("\n".join(plan_lines(int(SLACK_S * 1000))) + "\n")
        verdict = check(ops)
        result.counts = dict(verdict.counts)
        result.broken = dict(verdict.broken)
        result.examples = verdict.examples
    invalid = [f"{f.strike}:{f.target} left no trace" for f in result.faults if not f.proof]
    if result.plan.crowd and not result.crowd.get("accepted"):
        invalid.append("no crowd")
    invalid += [f"no {name}" for name, count in result.conditions.items() if not count]
    if result.broken or result.why:
        result.verdict = "FAIL"
    else:
        result.verdict = "INVALID" if invalid or not result.conditions else "PASS"
    result.why += invalid


def read_result(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text)
    return found
