"""`reno inbox copy` without a Cassandra: what it says, and how it ends."""

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from reno.adapters.copy_progress import Progress
from reno.adapters.rocks_inbox import RocksInbox
from reno.adapters.rocks_move import RocksMove
from reno.adapters.rocks_snapshot import RocksSnapshot
from reno.cli import inbox
from reno.cli.main import app
from reno.domain.priority import Priority
from reno.ports import Shard
from tests.reno.adapters.inbox_worlds import envelope


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("RENO_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RENO_INBOX__CONTACT_POINTS", '["127.0.0.1:1"]')


@pytest.fixture
async def move(tmp_path: Path) -> RocksMove:
    """Of the lane low, begun."""
    directory = tmp_path / "data" / "inbox" / "low"
    embedded = RocksInbox(directory, Priority.LOW, 2)
    await embedded.append(Shard(Priority.LOW, 0, 2), [envelope(1, ("anna", b"x"), ("anna", b"y"))])
    begun = RocksMove(directory)
    begun.begin(embedded.directory)
    await embedded.close()
    return begun


def copy() -> Result:
    return CliRunner().invoke(app, ["inbox", "copy", "--data", "data"])


def test_where_nothing_moves_the_first_step_is_named() -> None:
    result = copy()
    assert result.exit_code == 1
    assert "nothing in data is being moved" in result.output
    assert "inbox.engine = moving" in result.output


def test_without_cassandra_it_says_so_and_can_be_run_again(move: RocksMove) -> None:
    for _ in range(2):
        result = copy()
        assert result.exit_code == 69, result.output
        assert "run it again" in result.output
    snapshot = RocksSnapshot(move.snapshot)
    result = copy()
    assert (result.exit_code, "by another process" in result.output) == (1, True)
    snapshot.close()


def test_it_says_how_far_it_is(
    move: RocksMove, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "SAY_EVERY_S", 0.0)
    snapshot = RocksSnapshot(move.snapshot)
    progress = Progress().past(b"key", 1200, 7)
    for as_json in (False, True):
        report = inbox._Report("low", as_json)
        report.on_the_way(snapshot, progress)
        report.complete(snapshot, progress)
    snapshot.close()
    on_the_way, complete, *lines = capsys.readouterr().out.splitlines()
    assert on_the_way.startswith("low: rows 1,200 of about 2, acknowledged 0")
    assert complete.startswith("low: Cassandra has all of it: rows 1,200 (7 written), acknowledged")
    copying, copied = map(json.loads, lines)
    assert (copying["lane"], copying["event"], copying["about"]["rows"]) == ("low", "copying", 2)
    assert copied["rows"] == {"looked_at": 1200, "written": 7}
    assert (copied["event"], copied["shards"]) == ("copied", [0, 1])
