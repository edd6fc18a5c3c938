"""Every promise under every fault, in short: each role and the log's server killed twice at 1,000 events a second, and every other fault once. `make faults` is the long way."""

from pathlib import Path

import pytest

from tests.faults.run import Plan, run
from tests.faults.strikes import STRIKES

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

VICTIMS = ("ingestion", "gateway-0", "processor-high", "processor-low", "presence-0", "nats")
OTHERS = (
    "freeze:processor-medium",
    "freeze:nats",
    "restart:gateway-1",
    "cut:processors>gateway-0",
    "half-open:processor-high>nats",
    "deaf:devices>gateway-1",
    "dumb:gateways>inbox-low",
    "slow:backends>ingestion",
    "herd:devices>gateway-0",
    "poison:-",
    "full-log:processor-low",
    "disk-refuses:processor-high",
    "clock-ahead:gateway-1",
    "clock-behind:ingestion",
)
FAULTS = (
    *(f"kill:{victim}" for victim in VICTIMS),
    *OTHERS,
    *(f"kill:{victim}" for victim in VICTIMS),
)


def test_every_strike_is_in_the_short_run() -> None:
    assert {fault.partition(":")[0] for fault in FAULTS} == set(STRIKES)


async def test_nothing_is_lost_repeated_or_shown_to_others(tmp_path: Path) -> None:
    """Durable, Once, Ordered, Fresh, Private, Resumable, Truthful, Bounded."""
    plan = Plan(seed=1, seconds=0, rate=1000, faults=FAULTS, lasts_s=(1.0, 2.0))
    result = await run(plan, tmp_path / "run")
    (tmp_path / "result.json").write_text(result.as_json())
    assert (result.verdict, result.why, result.examples) == ("PASS", [], [])
