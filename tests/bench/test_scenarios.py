"""What is done with a scenario's figures; the figures themselves are the machine's and are not asserted."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from bench import page, plot, profiling, results
from bench.run import SCENARIOS, changed
from bench.scenarios.growth import grown
from bench.scenarios.recovery import by_when
from bench.watching import us_each


def test_every_scenario_has_a_section_and_a_quick_form() -> None:
    assert SCENARIOS.keys() == page.SECTIONS.keys()
    for scenario in SCENARIOS.values():
        assert type(scenario().quick()) is scenario


def test_parameters_are_changed_in_their_own_types() -> None:
    peak = changed(SCENARIOS["peak"](), ["rate=300000", "seconds=2.5"])
    assert (peak.rate, peak.seconds) == (300_000, 2.5)
    assert changed(SCENARIOS["latency"](), ["even=true"]).even is True
    with pytest.raises(ValueError, match="speed: one of rate"):
        changed(peak, ["speed=1"])


def test_the_sum_of_all_roles_is_without_generators() -> None:
    assert us_each({"nats": 1.0, "gateway": 2.0, "load": 9.0}, 1e6)["all"] == 3.0


def test_shares_of_devices_that_came_back() -> None:
    times_s = [100.0 + number for number in range(1, 100)]
    assert by_when(times_s, 100.0, 100) == {"50%": 50.0, "99%": 99.0, "100%": None}


def test_growth_is_between_the_second_and_the_last_fifth() -> None:
    samples = [{"s": float(n), "gateway": 500.0 if n < 2 else 100.0 + n} for n in range(10)]
    assert grown(samples) == {"gateway": 6.0}


def test_a_profile_says_what_ran_and_for_whom() -> None:
    stacks = "main (reno/cli/main.py:1);fold (processor/fold.py:9);open (x.py:1) 3\nmain (reno/cli/main.py:1) 1\n"
    itself, within = profiling.shares(stacks)
    assert itself[0] == ("open (x.py:1)", 0.75)
    assert within == [("fold (processor/fold.py:9)", 0.75)]


def test_plots_are_well_formed() -> None:
    for svg in (
        plot.stacked("CPU <of>", "µs", {"a & b": {"nats": 1.0, "gateway": 0.0}, "none": {}}),
        plot.curves("Backlog", ("s", "MB"), {"low": [(0.0, 0.0), (1.0, 2.0)], "empty": []}),
    ):
        assert ElementTree.fromstring(svg).tag.endswith("svg")


def test_a_result_names_what_it_depends_on(tmp_path: Path) -> None:
    path = results.write("peak", {"rate": 1}, (1.0, 2.0, 3.0), {"all": 1}, tmp_path)
    assert path == tmp_path / "peak.json"
    assert {'"commit"', '"machine"', '"versions"', '"command"'} <= {
        word for word in path.read_text().replace(":", " ").split() if word.startswith('"')
    }
