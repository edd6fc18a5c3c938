"""One run: an installation, everybody who uses it, faults one after the other, and the verdict on what they all wrote down."""

import asyncio
import json
import random
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import grpc

from tests.faults.checker import check
from tests.faults.ground import LOOK_S, Ground, Shape
from tests.faults.population import CONDITIONS, Population
from tests.faults.strikes import STRIKES, targets
from tests.faults.traffic import plan_lines

RECOVERS_WITHIN_S = 120.0
CONDITIONS_WITHIN_S = 30.0
LASTS_S = (1.5, 4.0)
SLACK_MS = int((LOOK_S * 1.2 + LASTS_S[1] + 5.0) * 1000)
"""A look is as old as its interval, and as a process that stood still in between."""

BETWEEN_S = 0.5


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run. `faults` as STRIKE:TARGET; empty: chosen by the seed until the seconds are over."""

    seed: int
    seconds: float
    rate: float = 500.0
    mix: Sequence[str] = tuple(STRIKES)
    faults: Sequence[str] = ()
    lasts_s: tuple[float, float] = LASTS_S
    owed_within_s: float = 120.0
    shape: Shape = field(default_factory=Shape)


@dataclass(slots=True)
class Fault:
    """One that was made. `recovery_ms`: from when it healed, or struck where it does not last, until a probe sent after that was back from everywhere; None: it was not in time."""

    strike: str
    target: str
    at_s: float
    proof: str
    recovery_ms: int | None

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

    def as_json(self) -> str:
        return json.dumps(asdict(self), indent=1)


async def run(plan: Plan, directory: Path) -> Result:
    """Never raises for what the installation does wrong: that is in the result."""
    ground, result = Ground(directory, plan.shape), Result(plan)
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
        await _attack(plan, ground, population, result)
        tallies = population.tallies
        await population.wait(
            lambda: all(tallies()[word] for word in CONDITIONS.values()), CONDITIONS_WITHIN_S
        )
        result.attacked_s = _since(began)
        result.why += await population.settle(plan.owed_within_s)
        result.settled_s = _since(began)
        _look(ground, population, result)
    except (AssertionError, grpc.aio.AioRpcError) as error:
        result.why.append(f"did not work: {error}")
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
    for strike, target in _chosen(plan, ground, chance):
        at_s = time.monotonic() - began
        if not plan.faults and at_s > plan.seconds:
            break
        bite = await STRIKES[strike](ground, population, target, chance.uniform(*plan.lasts_s))
        is_through = partial(population.prober.is_through, bite.healed_at)
        is_back = await population.wait(is_through, RECOVERS_WITHIN_S)
        recovery_ms = int((time.monotonic() - bite.healed_at) * 1000)
        fault = Fault(strike, target, round(at_s, 1), bite.proof, recovery_ms if is_back else None)
        result.faults.append(fault)
        with (ground.directory / "faults.txt").open("a") as said:
            said.write(f"{fault.as_line()}\n")
        await asyncio.sleep(BETWEEN_S)


def _since(began: float) -> float:
    return round(time.monotonic() - began, 1)


def _chosen(plan: Plan, ground: Ground, chance: random.Random) -> Sequence[tuple[str, str]]:
    if plan.faults:
        pairs = [fault.partition(":") for fault in plan.faults]
        return [(strike, target) for strike, _, target in pairs]
    # A strike is as likely as any other, however many targets it has.
    return [
        (strike, chance.choice(targets(ground, strike)))
        for strike in chance.choices(plan.mix, k=max(10, int(plan.seconds)))
    ]


def _look(ground: Ground, population: Population, result: Result) -> None:
    tallies = population.tallies()
    result.answers = dict(population.counts())
    result.conditions = {name: tallies[word] for name, word in CONDITIONS.items()}
    result.conditions["events published again"] = population.counts()["repeated"]
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
        (ops / "run.log").write_text("\n".join(plan_lines(SLACK_MS)) + "\n")
        verdict = check(ops)
        result.counts = dict(verdict.counts)
        result.broken = dict(verdict.broken)
        result.examples = verdict.examples
    invalid = [f"{f.strike}:{f.target} left no trace" for f in result.faults if not f.proof]
    invalid += [f"no {name}" for name, count in result.conditions.items() if not count]
    if result.broken or result.why:
        result.verdict = "FAIL"
    else:
        result.verdict = "INVALID" if invalid or not result.conditions else "PASS"
    result.why += invalid


def read_result(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text)
    return found
