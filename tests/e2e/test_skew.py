"""Version skew: who was built with the release before this one talks to the present doors. Without a release that this one follows there is nothing to collect."""

import io
import json
import os
import subprocess
import sys
import tarfile
import uuid
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.e2e.running import RunningReno

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
CALLER = Path(__file__).with_name("old_caller.py")
GENERATED = ("reno/__init__.py", "reno/v1", "buf")
TIMEOUT_S = 90


def releases() -> Sequence[str]:
    """The newest one before the present commit, or none."""
    options = ("--list", "v*", "--sort=-version:refname")
    earlier = git("tag", *options, "--merged", "HEAD").split()
    present = git("tag", *options, "--points-at", "HEAD").split()
    return [name for name in earlier if name not in present][:1]


def git(*arguments: str) -> str:
    """What it says; nothing where this is no clone."""
    try:
        said = subprocess.run(
            ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return said.stdout


RELEASES = releases()

if RELEASES:

    @pytest.mark.parametrize("running_reno", ["direct"], indirect=True)
    @pytest.mark.parametrize("release", RELEASES)
    def test_callers_of_the_release_before_are_served(
        running_reno: RunningReno, release: str, tmp_path: Path
    ) -> None:
        archive = subprocess.run(
            ["git", "archive", release, *GENERATED], cwd=ROOT, capture_output=True, check=True
        )
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
            files.extractall(tmp_path, filter="data")
        where, said = called(running_reno, tmp_path)
        assert where == tmp_path / "reno" / "v1"
        assert len(said["published"]) == 3
        assert said["published"] == said["pushed"] == said["pulled"]
        assert said["pulled_after"] == []


def called(reno: RunningReno, path: Path) -> tuple[Path, dict[str, list[int]]]:
    """Where the caller had its code from, and what it got."""
    process = subprocess.run(
        [sys.executable, str(CALLER), reno.ingestion, reno.devices, f"m-{uuid.uuid4()}"],
        cwd=path,
        env={**os.environ, "PYTHONPATH": str(path)},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    where, said = process.stdout.splitlines()
    return Path(where), json.loads(said)
