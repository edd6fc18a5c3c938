"""The page says what the runs say, and what they do not show."""

import json
from pathlib import Path

from tests.faults.report import keep, page
from tests.faults.run import Fault, Plan, Result, read_result


def test_the_page_adds_runs_up() -> None:
    good = Result(Plan(seed=3, seconds=60, crowd=9000), "PASS", build="abc")
    good.counts = {"acknowledged": 1200, "received": 5000}
    good.faults = [Fault("kill", "gateway-0", 1.0, "pid 1 to 2", ms) for ms in (100, 200, 900)]
    good.crowd = {"accepted": 500_000, "rounds broken off": 3}
    good.peak_mib = {"gateway-0": 80, "gateway-1": 90}
    bad = Result(Plan(seed=4, seconds=60), "FAIL", ["gateway-0 took 300 MiB"], build="abd")
    bad.broken = {"Durable: lost": 2}
    mutant = {
        "what": "a full log drops its oldest events",
        "caught": ["Durable: lost (7)"],
        "runs": 2,
    }
    control = {
        "what": "no event is a duplicate",
        "must_be_wrong": True,
        "is_right": True,
        "broken": {"Once: twice": 9},
    }
    good.faults.append(Fault("crash", "processor-low@store-after", 2.0, "died at passing 3", 700))
    good.passed = {"store-after": 5000}
    text = page([read_result(one.as_json()) for one in (good, bad)], [mutant], [control])
    for line in (
        "| runs | 2, seeds 3 to 4 |",
        "| passed, failed, invalid | 1, 1, 0 |",
        "| faults, of these kill -9 | 4, 3 |",
        "| events acknowledged | 1,200 |",
        "| lost | 2 |",
        "- embedded seed 4: FAIL: gateway-0 took 300 MiB; Durable: lost (2)",
        "- embedded seed 3: PASS: beside it 9,000 events/s of a crowd: 500,000 accepted, 0 refused, 0 not sent, 3 rounds broken off",
        "Runs of each build: abc 1, abd 1.",
        "| kill gateway | 3 | 200 | 900 |",
        "| embedded: one door, one log server, one processor a lane, embedded inbox | grpcio | 2 | 1 | 4 | 3 | 1,200 |",
        "| crash processor-low | 1 | 700 | 700 |",
        "| store-after | processor | after `{inbox}.append` | 5,000 | 1 |",
        "| no event is a duplicate | wrong | Once: twice (9) | as it must be |",
        "| gateway | 90 | 256 |",
        "| a full log drops its oldest events | Durable: lost (7) | 2 |",
        "## What this does not show",
    ):
        assert line in text


def test_recovery_is_told_by_runs_that_had_the_machine_to_themselves() -> None:
    busy, alone = (Result(Plan(seed=seed, seconds=60), "PASS") for seed in (3, 4))
    busy.faults = [Fault("kill", "presence-0", 1.0, "pid 1 to 2", 9000)]
    alone.faults = [Fault("kill", "presence-0", 1.0, "pid 1 to 2", 300)]
    runs, undisturbed = [read_result(busy.as_json())], [read_result(alone.as_json())]
    assert "| kill presence | 1 | 9,000 | 9,000 |" in page(runs, [])
    text = page(runs, [], undisturbed=undisturbed)
    assert "| kill presence | 1 | 300 | 300 |" in text
    assert "9,000" not in text


def test_what_was_made_takes_the_place_of_what_was_kept_and_nothing_made_takes_none(
    tmp_path: Path,
) -> None:
    made, kept = tmp_path / "made", tmp_path / "kept" / "faults.jsonl"
    made.mkdir()
    for seed in (2, 1):
        (made / f"embedded-{seed}.json").write_text(json.dumps({"seed": seed}, indent=1))
    keep(made, kept)
    assert [json.loads(line) for line in kept.read_text().splitlines()] == [
        {"seed": 1},
        {"seed": 2},
    ]
    keep(tmp_path / "nothing", kept)
    assert len(kept.read_text().splitlines()) == 2
