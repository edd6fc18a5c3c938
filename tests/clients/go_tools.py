"""Building and running what is written in Go."""

import asyncio
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended."""

    code: int
    stdout: str
    stderr: str


def built(script: str) -> None:
    """Runs a script that builds with Go; skips by name where Go is missing."""
    need_go()
    run = subprocess.run([ROOT / "scripts" / script], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def need_go() -> None:
    """Skips by name; from 1.21 on, Go fetches the version that go.mod names."""
    if shutil.which("go") is None:
        pytest.skip("Go is missing: apt-get install golang-go")
    said = subprocess.run(["go", "env", "GOVERSION"], capture_output=True, text=True, check=True)
    version = re.match(r"go(\d+)\.(\d+)", said.stdout)
    if version is None or (int(version[1]), int(version[2])) < (1, 21):
        pytest.skip(f"Go 1.21 or newer is needed, this is {said.stdout.strip()}")


async def run(program: Path, *args: str) -> Ended:
    """The program's end; it is ended too when the caller is."""
    process = await asyncio.create_subprocess_exec(
        program,
        *args,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")},
    )
    try:
        stdout, stderr = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return Ended(process.returncode, stdout.decode(), stderr.decode())
