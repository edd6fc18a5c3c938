"""The page of results: python -m tests.faults.report [RUNS] [MUTANTS], directories of what `make faults` and `make mutants` left."""

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.faults.ground import CAPS_MIB
from tests.faults.strikes import STRIKES

PAGE = Path("docs/faults.md")
HEAD = """# Under fire

What happened when every role, the log's server and every way between them were attacked while backends published and devices listened. Every client writes down
each acknowledgement and each notification; a checker that knows nothing else (`tests/faults/checker.py`) names every promise that the logs show to be broken.

```
make faults RUNS=20 SEED=1       runs, one seed after the other; MINUTES=1 RATE=500 MIX=kill,freeze,... each
make mutants                     runs of wrong products: each must be called wrong
make faults-page                 this page, from what both left in build/
```

A fault has to show that it bit (another pid, a state of T, bytes held back, events refused, dead letters); where one leaves no trace, the run is INVALID and no pass.
"""
UNTESTED = """
## What this does not show

- Power loss: a killed process leaves its writes with the kernel. What `sync_interval: always` and the inbox's synced writes are worth when the machine goes is not shown.
- A full disk: files that must not grow (RLIMIT_FSIZE) fail every write of the inbox with EFBIG, not ENOSPC, and the log's files are left alone; *full-log* is the stream's own limit.
- Clocks: what Python code reads as wall time jumps in one process; the clocks of C libraries and of nats-server do not.
- One ingestion door, one processor a lane, one nats-server, the embedded inbox, no Envoy.
- A crash at each await: kill -9 comes whenever it comes.
- Everything runs on one machine: ways between are loopback through a proxy.
"""


def page(runs: Sequence[Mapping[str, Any]], mutants: Sequence[Mapping[str, Any]]) -> str:
    parts = [HEAD, "## Runs\n", _runs(runs), "\n## Recovery\n", _recovery(runs)]
    parts += ["\n## Conditions\n", _conditions(runs), "\n## Memory\n", _memory(runs)]
    if mutants:
        parts += ["\n## Wrong products\n", _mutants(mutants)]
    return "\n".join((*parts, UNTESTED.rstrip())) + "\n"


def _runs(runs: Sequence[Mapping[str, Any]]) -> str:
    counts, broken = Counter[str](), Counter[str]()
    for run in runs:
        counts.update(run["counts"])
        broken.update(run["broken"])
    verdicts = Counter(run["verdict"] for run in runs)
    kills = sum(fault["strike"] == "kill" for run in runs for fault in run["faults"])
    seeds = [run["plan"]["seed"] for run in runs]
    rows = [
        ("runs", f"{len(runs)}, seeds {min(seeds, default=0)} to {max(seeds, default=0)}"),
        (
            "passed, failed, invalid",
            ", ".join(str(verdicts[v]) for v in ("PASS", "FAIL", "INVALID")),
        ),
        ("faults, of these kill -9", f"{sum(len(run['faults']) for run in runs):,}, {kills:,}"),
        ("answers to tries of events", f"{counts['operations']:,}"),
        ("events acknowledged", f"{counts['acknowledged']:,}"),
        ("events unknown to their caller at the end", f"{counts['unknown']:,}"),
        ("notifications seen by devices", f"{counts['received']:,}"),
        ("repeated before the cursor was kept", f"{counts['repeated before acknowledgement']:,}"),
        ("times that a device was told that it is current", f"{counts['caught up']:,}"),
        ("lost", f"{broken['Durable: lost'] + broken['Resumable: gap-unsaid']:,}"),
        ("repeated after acknowledgement", f"{broken['Once: repeated-after-acknowledgement']:,}"),
        ("any other promise broken", f"{_others(broken):,}"),
    ]
    table = _table(("", ""), rows)
    bad = [
        f"- seed {run['plan']['seed']}: {run['verdict']}. {'; '.join((*run['why'], *_named(run['broken'])))}"
        for run in runs
        if run["verdict"] != "PASS"
    ]
    return "\n".join((table, *(("", *bad) if bad else ())))


def _others(broken: Counter[str]) -> int:
    named = {"Durable: lost", "Resumable: gap-unsaid", "Once: repeated-after-acknowledgement"}
    return sum(number for what, number in broken.items() if what not in named)


def _named(broken: Mapping[str, int]) -> Iterable[str]:
    return (f"{what} ({number})" for what, number in broken.items())


def _recovery(runs: Sequence[Mapping[str, Any]]) -> str:
    """Quantiles over all faults of a kind, and of kills by target."""
    found: dict[str, list[int]] = defaultdict(list)
    for run in runs:
        for fault in run["faults"]:
            strike, target = fault["strike"], fault["target"].rstrip("0123456789").rstrip("-")
            kind = f"{strike} {target}" if strike in {"kill", "freeze", "restart"} else strike
            if fault["recovery_ms"] is not None:
                found[kind].append(fault["recovery_ms"])
    order = list(STRIKES)
    kinds = sorted(found, key=lambda kind: (order.index(kind.split()[0]), kind))
    rows = [
        (kind, str(len(found[kind])), *(f"{_quantile(found[kind], q):,}" for q in (0.5, 0.99)))
        for kind in kinds
    ]
    words = (
        "Milliseconds from the kill, or from when the fault was over where it lasts, until a probe that was published after that had arrived at every gateway in every"
        " lane and shard; started again at once.\n"
    )
    return f"{words}\n{_table(('fault', 'times', 'p50', 'p99'), rows)}"


def _conditions(runs: Sequence[Mapping[str, Any]]) -> str:
    total = Counter[str]()
    for run in runs:
        total.update(run["conditions"])
    return _table(
        ("in every run, by what devices and backends do", "times"),
        [(k, f"{v:,}") for k, v in total.items()],
    )


def _memory(runs: Sequence[Mapping[str, Any]]) -> str:
    peak: Counter[str] = Counter()
    for run in runs:
        for name, mib in run["peak_mib"].items():
            role = name.partition("-")[0]
            peak[role] = max(peak[role], mib)
    rows = [(role, str(peak[role]), str(cap)) for role, cap in CAPS_MIB.items()]
    return _table(("process", "most resident MiB", "cap of a run"), rows)


def _mutants(mutants: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        (one["what"], ", ".join(one["caught"]) or "**not caught**", str(one["runs"]))
        for one in mutants
    ]
    return _table(("wrong product", "caught as (times)", "in run"), rows)


def _quantile(values: Sequence[int], q: float) -> int:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _read(directory: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(directory.glob("*.json"))]


def main() -> None:
    """Writes the page."""
    places = [Path(place) for place in sys.argv[1:]] or [
        Path("build/faults"),
        Path("build/mutants"),
    ]
    runs, *mutants = [_read(place) for place in places]
    PAGE.write_text(page(runs, mutants[0] if mutants else []), encoding="utf-8")


if __name__ == "__main__":
    main()
