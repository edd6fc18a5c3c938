"""`reno up` as a person uses it, with real processes: Durable over restarts, nothing left running, silence and death mended."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.running import RunningReno, assert_gone, is_running, reno_in, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

CHILDREN = {
    "nats",
    "presence",
    "processor-high",
    "processor-medium",
    "processor-low",
    "gateway",
    "ingestion",
}
QUICK = {"RENO_SUPERVISOR__SILENT_AFTER_S": "3"}
RUN_TIMEOUT_S = 60


@pytest.fixture
def reno(tmp_path: Path) -> Iterator[RunningReno]:
    with reno_in(tmp_path / "data", QUICK) as running:
        yield running


def run(*arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "reno.cli.main", *arguments],
        capture_output=True,
        text=True,
        input=stdin,
        timeout=RUN_TIMEOUT_S,
        check=False,
    )


def publish(reno: RunningReno, member: str, event_type: str = "plan.changed") -> dict[str, object]:
    done = run(
        "publish", event_type, "--member", member, "--payload", '{"plan": "premium"}',
        "--ingestion", reno.ingestion, "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result: dict[str, object] = json.loads(done.stdout)
    return result


def as_tv(reno: RunningReno, member: str, cursors: Path) -> list[str]:
    return [
        "--member", member, "--device", "tv-1", "--class", "tv", "--devices", reno.devices,
        "--cursor-file", str(cursors), "--from", "start", "--json",
    ]  # fmt: skip


def events(done: subprocess.CompletedProcess[str]) -> list[object]:
    assert done.returncode == 0, done.stderr
    return [json.loads(line)["eventId"] for line in done.stdout.splitlines()]


def test_publish_subscribe_pull_and_presence(running_reno: RunningReno, tmp_path: Path) -> None:
    cursors = tmp_path / "cursor"
    tv = as_tv(running_reno, "ada", cursors)
    sent = publish(running_reno, "ada")
    done = run("subscribe", *tv, "--once")
    assert events(done) == [sent["id"]]
    line = json.loads(done.stdout)
    assert line["position"] == sent["position"]
    assert line["payload"] == {"plan": "premium"}
    assert line["priority"] == "HIGH"
    # Resumable: the cursor that subscribe kept serves pull.
    again = publish(running_reno, "ada")
    assert events(run("pull", *tv)) == [again["id"]]
    assert events(run("subscribe", *tv, "--until-caught-up")) == []
    lines = "\n".join(
        json.dumps({"id": f"l-{n}", "type": "plan.changed", "member_id": "ada", "payload": n})
        for n in range(3)
    )
    done = run("publish", "-", "--ingestion", running_reno.ingestion, stdin=lines)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("accepted l-0 high position ")
    done = run("publish", "-", "--ingestion", running_reno.ingestion, stdin='{"id": "x"}\nnonsense')
    assert done.returncode == 1
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["refused", "refused"]
    done = run("presence", "ada", "--presence", running_reno.presence, "--json")
    assert json.loads(done.stdout)["member_id"] == "ada"


def test_doctor_finds_it_well(running_reno: RunningReno) -> None:
    done = run("doctor", "--data", str(running_reno.data_dir))
    assert done.returncode == 0, done.stdout
    assert "is ready and syncs what it confirms" in done.stdout
    # With Envoy its three ports and the second gateway as well.
    assert done.stdout.count("is serving") == (10 if running_reno.is_mesh else 6)


def test_two_ups_do_not_share_a_directory_or_ports(
    running_reno: RunningReno, tmp_path: Path
) -> None:
    same = run("up", "--ports", "0", "--data", str(running_reno.data_dir))
    assert same.returncode == 1
    assert f"pid {running_reno.process.pid}" in same.stderr
    base = str(running_reno.ports["ingestion"])
    other = run("up", "--ports", base, "--data", str(tmp_path / "other"))
    assert other.returncode == 1
    assert f"port {base} is taken; ingestion wants to listen there" in other.stderr


def test_every_end_leaves_nothing_running_and_loses_nothing(tmp_path: Path) -> None:
    data, sent = tmp_path / "data", []
    with reno_in(data) as reno:
        assert set(reno.pids) == CHILDREN
        sent.append(publish(reno, "anna", "profile.changed"))
        pids = list(reno.pids.values())
        reno.process.terminate()
        assert reno.process.wait(60) == 0
        assert_gone(pids)
    with reno_in(data) as reno:
        sent.append(publish(reno, "anna", "profile.changed"))
        pids = list(reno.pids.values())
        assert all(map(is_running, pids))
        reno.process.kill()
        reno.process.wait(30)
        assert_gone(pids)
    with reno_in(data) as reno:
        tv = as_tv(reno, "anna", tmp_path / "cursor")
        assert events(run("pull", *tv)) == [one["id"] for one in sent]
        assert int(str(sent[1]["position"])) > int(str(sent[0]["position"]))
        pids = list(reno.pids.values())
        os.kill(reno.pids["ingestion"], signal.SIGSTOP)  # its drain would wait for the time-out
        reno.process.send_signal(signal.SIGINT)
        wait_for(reno.is_draining, 10, "the drain")
        reno.process.send_signal(signal.SIGINT)
        assert reno.process.wait(10) == 130
        assert_gone(pids)


def test_a_silent_child_and_a_dead_one_are_started_again(reno: RunningReno, tmp_path: Path) -> None:
    frozen, dead = reno.pids["processor-high"], reno.pids["gateway"]
    os.kill(dead, signal.SIGKILL)
    os.kill(frozen, signal.SIGSTOP)
    sent = publish(reno, "anna")
    reno.wait_restarted("gateway", dead)
    reno.wait_restarted("processor-high", frozen)
    assert_gone([frozen, dead])
    done = run("subscribe", *as_tv(reno, "anna", tmp_path / "cursor"), "--once")
    assert events(done) == [sent["id"]]
    assert reno.state["restarts"] == {"gateway": 1, "processor-high": 1}
