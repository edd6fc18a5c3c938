"""Every promise under every fault, in short, at 500 events a second: each role and the log's server killed by kill -9 or at a fail point, and every other fault once. `make faults` is the long way."""

from pathlib import Path

import pytest

from tests.faults.run import Plan, run
from tests.faults.strikes import STRIKES

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

FAULTS = (
    "kill:processor-high",
    "kill:presence-0",
    "kill:nats",
    "crash:ingestion@append-after",
    "crash:processor-low@store-after",
    "crash:processor-medium@journal-read",
    "crash:gateway-0@hand-before",
    "freeze:processor-medium",
    "freeze:nats",
    "cut:processors>gateway-0",
    "half-open:processor-high>nats",
    "deaf:devices>gateway-1",
    "dumb:gateways>inbox-low",
    "slow:backends>ingestion",
    "herd:devices>gateway-0",
    "poison:-",
    "full-log:processor-low",
    "full-disk:nats",
    "full-disk:processor-low",
    "disk-refuses:nats",
    "clock-ahead:gateway-1",
    "clock-behind:ingestion",
    "power-loss:processor-medium",
    "rolling:-",
)


def test_every_strike_is_in_the_short_run() -> None:
    # Rolling restarts each.
    assert {fault.partition(":")[0] for fault in FAULTS} | {"restart"} == set(STRIKES)


async def test_nothing_is_lost_repeated_or_shown_to_others(tmp_path: Path) -> None:
    """Durable, Once, Ordered, Fresh, Private, Resumable, Truthful, Bounded. And every fail point is passed: one that is not would prove nothing."""
    plan = Plan(seed=1, seconds=0, rate=500, faults=FAULTS, lasts_s=(1.0, 2.0))
    result = await run(plan, tmp_path / "run")
    (tmp_path / "result.json").write_text(result.as_json())
    assert (result.verdict, result.why, result.examples) == ("PASS", [], [])
    assert [point for point, times in result.passed.items() if not times] == []
