import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reno.cli import child_log
from reno.cli.child_log import ChildLog, LineCutter, last_lines, worth_showing


@given(st.lists(st.binary(max_size=30)), st.binary(max_size=300))
def test_lines_do_not_depend_on_how_the_bytes_came(cuts: list[bytes], end: bytes) -> None:
    cutter = LineCutter()
    whole = b"".join(cuts) + end
    lines = [line for part in [*cuts, end] for line in cutter.feed(part)] + cutter.finish()
    expected = whole.split(b"\n")
    assert lines == (expected if expected[-1] else expected[:-1])


def test_a_line_without_an_end_is_cut() -> None:
    cutter = LineCutter()
    lines = cutter.feed(b"x" * (3 * child_log.MAX_LINE_BYTES + 5))
    assert [len(line) for line in lines] == [child_log.MAX_LINE_BYTES] * 3
    assert cutter.finish() == [b"x" * 5]


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ('{"event": "store failed", "level": "error", "shard": 3}', "error: store failed shard=3"),
        ('{"event": "started", "level": "info"}', None),
        ('{"event": "INSECURE: identity is trusted", "level": "warning"}', None),
        ("[12] 2026/11/23 01:02:03.000004 [INF] Server is ready", None),
        ("[12] 2026/11/23 01:02:03.000004 [ERR] no space left", "no space left"),
        ("Traceback (most recent call last):", "Traceback (most recent call last):"),
        ("I0000 00:00:1763.1 12 chttp2.cc:1] nothing", None),
        ("", None),
        ("{not json", "{not json"),
    ],
)
def test_what_a_person_should_know_of_is_shown(line: str, shown: str | None) -> None:
    assert worth_showing(line) == shown


def test_everything_is_kept_and_a_full_file_is_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child_log, "MAX_FILE_BYTES", 100)
    path = tmp_path / "logs" / "one.log"
    shown: list[str] = []
    with ChildLog(path, shown.append, verbose=True) as log:
        for number in range(20):
            log.feed(json.dumps({"event": f"line {number}", "level": "info"}).encode() + b"\n")
    assert len(shown) == 20
    assert path.stat().st_size <= 200
    assert path.with_name("one.log.1").exists()
    assert "line 19" in last_lines(path, 1)[0]


def test_a_disk_that_takes_no_more_is_said_once(tmp_path: Path) -> None:
    shown: list[str] = []
    with ChildLog(tmp_path / "one.log", shown.append, verbose=False) as log:
        log._file.close()
        log.feed(b"one\ntwo\n")
    assert [line for line in shown if line.startswith("cannot write")] == shown[:1]
    assert shown[1:] == ["one", "two"]
