import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from reno.cli import child as child_module
from reno.cli.child import ChildPlan, Happening
from reno.cli.supervisor import NotReady, Supervisor
from reno.cli.watch import WatchLimits
from tests.reno.cli.tiny import FileProbe, is_running, kill, tiny_plan, wait_gone

LIMITS = WatchLimits(
    silent_after_s=1.0,
    start_timeout_s=20,
    restart_delay_s=0.05,
    max_restart_delay_s=0.2,
    longest_step_s=1.0,
)
START_S = 20.0


@dataclass
class Watched:
    """A supervisor and everything that it said."""

    supervisor: Supervisor
    happenings: list[Happening] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def count(self, child: str, what: str) -> int:
        return sum(one.child == child and one.what == what for one in self.happenings)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(START_S):
            while not condition():
                await asyncio.sleep(0.02)


@pytest.fixture
async def watched(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Watched]:
    monkeypatch.setattr(child_module, "_LAST_WORDS_S", 0.5)
    happenings: list[Happening] = []
    lines: list[str] = []
    supervisor = Supervisor(
        LIMITS,
        happenings.append,
        lambda name, line: lines.append(f"{name}: {line}"),
        ask_interval_s=0.2,
    )
    yield Watched(supervisor, happenings, lines)
    pids = list(supervisor.pids.values())
    await supervisor.kill()
    wait_gone(pids)


async def test_a_child_that_dies_is_started_again(watched: Watched, tmp_path: Path) -> None:
    supervisor = watched.supervisor
    supervisor.add(tiny_plan(tmp_path, "one"))
    await supervisor.wait_ready(["one"], START_S)
    first = supervisor.pids["one"]
    kill(first, signal.SIGKILL)
    await watched.until(lambda: supervisor.pids.get("one", first) != first)
    await supervisor.wait_ready(["one"], START_S)
    assert not is_running(first)
    assert watched.count("one", "died") == 1
    assert "SIGKILL" in next(one.detail for one in watched.happenings if one.what == "died")


async def test_a_silent_child_is_killed_and_started_again(watched: Watched, tmp_path: Path) -> None:
    supervisor = watched.supervisor
    supervisor.add(tiny_plan(tmp_path, "one"))
    supervisor.add(tiny_plan(tmp_path, "two"))
    await supervisor.wait_ready(["one", "two"], START_S)
    first, other = supervisor.pids["one"], supervisor.pids["two"]
    # Long enough to have answered once: silence before the first answer is judged by the start's limit.
    await asyncio.sleep(0.5)
    kill(first, signal.SIGSTOP)
    await watched.until(lambda: watched.count("one", "silent") > 0)
    await watched.until(lambda: supervisor.pids.get("one", first) != first)
    assert not is_running(first)
    assert supervisor.pids["two"] == other, "a child that answers was touched"


async def test_children_drain_in_order(watched: Watched, tmp_path: Path) -> None:
    supervisor = watched.supervisor
    names = ["door", "worker-1", "worker-2", "log"]
    for name in reversed(names):
        supervisor.add(tiny_plan(tmp_path, name))
    await supervisor.wait_ready(names, START_S)
    pids = list(supervisor.pids.values())
    order = [["door"], ["worker-1", "worker-2"], ["log"]]
    assert await supervisor.drain(order, 10) == []
    drained = (tmp_path / "drained").read_text().split()
    assert drained[0] == "door"
    assert sorted(drained[1:3]) == ["worker-1", "worker-2"]
    assert drained[3] == "log"
    wait_gone(pids)
    assert supervisor.pids == {}
    assert watched.count("door", "died") == 0


async def test_a_child_that_does_not_drain_is_killed(watched: Watched, tmp_path: Path) -> None:
    supervisor = watched.supervisor
    supervisor.add(tiny_plan(tmp_path, "stubborn"))
    await supervisor.wait_ready(["stubborn"], START_S)
    pid = supervisor.pids["stubborn"]
    assert await supervisor.drain([["stubborn"]], 0.3) == ["stubborn"]
    wait_gone([pid])


async def test_a_child_that_waits_to_be_started_again_can_be_stopped(
    watched: Watched, tmp_path: Path
) -> None:
    plan = ChildPlan(
        "broken", [sys.executable, "-c", "print('why it broke'); raise SystemExit(3)"], {},
        FileProbe(tmp_path / "never"), tmp_path / "broken.log",
    )  # fmt: skip
    watched.supervisor.add(plan)
    await watched.until(lambda: watched.count("broken", "died") >= 2)
    with pytest.raises(NotReady) as raised:
        await watched.supervisor.wait_ready(["broken"], 0.3)
    assert raised.value.names == ("broken",)
    assert await watched.supervisor.drain([["broken"]], 10) == []
    assert "why it broke" in plan.log.read_text()
    assert "broken: why it broke" in watched.lines


async def test_a_command_that_cannot_be_run_is_tried_again(
    watched: Watched, tmp_path: Path
) -> None:
    plan = replace(tiny_plan(tmp_path, "one"), command=[str(tmp_path / "no-such-program")])
    watched.supervisor.add(plan)
    await watched.until(lambda: watched.count("one", "died") >= 2)
    assert any("no-such-program" in line for line in watched.lines)


async def test_kill_ends_all_at_once(watched: Watched, tmp_path: Path) -> None:
    names = ["one", "stubborn"]
    for name in names:
        watched.supervisor.add(tiny_plan(tmp_path, name))
    await watched.supervisor.wait_ready(names, START_S)
    pids = list(watched.supervisor.pids.values())
    draining = asyncio.create_task(watched.supervisor.drain([["stubborn"], ["one"]], 60))
    await asyncio.sleep(0)
    await watched.supervisor.kill()
    assert "stubborn" in await draining
    wait_gone(pids)


PARENT = """
import asyncio, json, pathlib, sys
from reno.cli.supervisor import Supervisor
from reno.cli.watch import WatchLimits
from tests.reno.cli.tiny import tiny_plan
async def main(directory):
    limits = WatchLimits(10, 30, 0.1, 1, 5)
    supervisor = Supervisor(limits, lambda _: None, lambda *_: None)
    for name in ("one", "stubborn"):
        supervisor.add(tiny_plan(directory, name))
    await supervisor.wait_ready(["one", "stubborn"], 20)
    print(json.dumps(supervisor.pids), flush=True)
    await asyncio.sleep(3600)
asyncio.run(main(pathlib.Path(sys.argv[1])))
"""


def test_no_child_outlives_a_parent_that_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pids = list(json.loads(parent.stdout.readline()).values())
        assert all(is_running(pid) for pid in pids)
        parent.kill()
        parent.wait(10)
    wait_gone(pids)


def test_ctrl_c_reaches_the_parent_alone(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as parent:
        assert parent.stdout is not None
        pids = list(json.loads(parent.stdout.readline()).values())
        sessions = {
            Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[3] for pid in pids
        }
        assert sessions == {str(pid) for pid in pids}, "each child has a session of its own"
        parent.kill()
        parent.wait(10)
    wait_gone(pids)
