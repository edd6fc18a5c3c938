"""The page of results: python -m tests.faults.report, from what `make faults`, `make mutants` and `make controls` left in build/, or was kept of them."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from reno.config.transport import GRPCIO, H2
from tests.faults.crowd import told_of
from tests.faults.fail_points import POINTS
from tests.faults.found import FOUND
from tests.faults.ground import CAPS_MIB
from tests.faults.shapes import SHAPES, Shape
from tests.faults.strikes import STRIKES

PAGE = Path("docs/faults.md")
KEPT = Path("tests/faults/results")
KINDS = ("faults", "mutants", "controls", "simulated-mutants", "recovery")
HEAD = """# Under fire

What happened when every role, the log's server and every way between them were attacked while backends published and devices listened. Every client writes down
each acknowledgement and each notification; a checker that knows nothing else (`tests/faults/checker.py`) names every promise that the logs show to be broken.

```
make faults RUNS=20 SEED=1       runs, one seed after the other; SECONDS=60 RATE=500 KILLS=5 MIX=kill,freeze=2,... SHAPE=fleet TRANSPORT=h2 CROWD=15000 each
make faults RUNS=20 SEED=1 REST=1    those of them that have no result yet; JOBS=2 makes them two at a time
make faults RUNS=20 RESULTS=build/recovery    runs that have the machine to themselves: recovery is told by them, where there are any
make mutants                     runs of wrong products: each must be called wrong
make controls                    runs that must be called wrong, each beside one that must not
make faults-page                 this page: what they left in build/ takes its kind's place in tests/faults/results, the other kinds stay as they were kept
```

A fault has to show that it bit (another pid, a fail point's word, a state of T, bytes held back, events refused, no space left, dead letters); where one leaves no trace, the run is INVALID and no pass.
"""
OF_PROCESSES = {"kill", "freeze", "restart", "crash"}
"""Whose recovery is told by role."""

LAST_MADE = "Of the last time that they were made, which may be a build before that of the runs."

UNTESTED = """
## What this does not show

- Power loss: each disk is an ext4 file system in a file, which loses at one instant what it was not given (the kernel's own call for such tests). A disk that says *written* and is not, or writes half a sector, is not shown; neither is Cassandra's.
- Power loss and a full disk need the right to mount (root, or a user namespace for the full disk). Where there is none, a run leaves both out and says so; files that may not grow (RLIMIT_FSIZE) are then what is left of them.
- Clocks: what Python code reads as wall time jumps in one process; the clocks of C libraries and of nats-server do not.
- One Cassandra node: of three, `tests/e2e/test_fleet.py` kills one and two.
- A crash inside nats-server, RocksDB or Cassandra: fail points are in our code, on each side of a call of theirs; kill -9 and power loss come whenever they come.
- Everything runs on one machine: ways between are loopback through a proxy.
"""

Table = Sequence[Mapping[str, Any]]


def page(
    runs: Table,
    mutants: Table,
    controls: Table = (),
    simulated: Table = (),
    undisturbed: Table = (),
) -> str:
    """`undisturbed`: runs that had the machine to themselves."""
    parts = [HEAD, "## Runs\n", _runs(runs), "\n## Recovery\n"]
    parts += [_recovery(undisturbed or runs, is_undisturbed=bool(undisturbed))]
    parts += ["\n## Fail points\n", _fail_points(runs)]
    parts += ["\n## Conditions\n", _conditions(runs), "\n## Memory\n", _memory(runs)]
    if controls:
        parts += ["\n## Negative controls\n", f"{LAST_MADE}\n", _controls(controls)]
    if mutants:
        parts += ["\n## Wrong products\n", f"{LAST_MADE}\n", "Under fire:\n", _mutants(mutants)]
    if simulated:
        parts += [
            "\nIn the simulation, where a mistake that shows in few histories begins near one that shows it:\n"
        ]
        parts += [_simulated(simulated)]
    return "\n".join((*parts, FOUND.rstrip(), UNTESTED.rstrip())) + "\n"


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
    named = [
        f"- {_shape(run)} seed {run['plan']['seed']}: {run['verdict']}: {'; '.join(said)}"
        for run in runs
        if (said := [*run["why"], *_named(run["broken"]), *_crowd(run)])
    ]
    builds = Counter(run.get("build", "") or "unnamed" for run in runs)
    made = f"Runs of each build: {', '.join(f'{build[:7]} {count}' for build, count in builds.items())}."
    return "\n".join((table, "", _by_shape(runs), *(("", *named) if named else ()), "", made))


def _by_shape(runs: Sequence[Mapping[str, Any]]) -> str:
    rows = []
    for name, transport in product(SHAPES, (GRPCIO, H2)):
        of_shape = [
            run
            for run in runs
            if (_shape(run), run["plan"]["shape"].get("transport", GRPCIO)) == (name, transport)
        ]
        if not of_shape:
            continue
        faults = [fault for run in of_shape for fault in run["faults"]]
        rows.append(
            (
                f"{name}: {_made_of(SHAPES[name])}",
                transport,
                f"{len(of_shape)}",
                f"{sum(run['verdict'] == 'PASS' for run in of_shape)}",
                f"{len(faults):,}",
                f"{sum(fault['strike'] == 'kill' for fault in faults):,}",
                f"{sum(run['counts'].get('acknowledged', 0) for run in of_shape):,}",
            )
        )
    return _table(
        ("shape", "doors speak by", "runs", "passed", "faults", "kill -9", "events acknowledged"),
        rows,
    )


def _shape(run: Mapping[str, Any]) -> str:
    name: str = run["plan"]["shape"]["name"]
    return name


def _crowd(run: Mapping[str, Any]) -> Iterable[str]:
    return [told_of(run["plan"], run["crowd"])] if run.get("crowd") else []


def _made_of(shape: Shape) -> str:
    doors = "one door" if shape.doors == 1 else f"{shape.doors} doors"
    log = "one log server" if shape.log_servers == 1 else f"{shape.log_servers} log servers"
    inbox = "one Cassandra node" if shape.has_cassandra else "embedded inbox"
    share = "one processor" if shape.processors == 1 else f"{shape.processors} processors"
    envoy = ("Envoy",) if shape.has_mesh else ()
    return ", ".join((doors, log, f"{share} a lane", inbox, *envoy))


def _others(broken: Counter[str]) -> int:
    named = {"Durable: lost", "Resumable: gap-unsaid", "Once: repeated-after-acknowledgement"}
    return sum(number for what, number in broken.items() if what not in named)


def _named(broken: Mapping[str, int]) -> Iterable[str]:
    return (f"{what} ({number})" for what, number in broken.items())


def _recovery(runs: Sequence[Mapping[str, Any]], *, is_undisturbed: bool) -> str:
    """Quantiles over all faults of a kind, and of kills by target."""
    found: dict[str, list[int]] = defaultdict(list)
    for run in runs:
        for fault in run["faults"]:
            strike, target = fault["strike"], fault["target"].partition("@")[0]
            target = target.rstrip("0123456789").rstrip("-")
            kind = f"{strike} {target}" if strike in OF_PROCESSES else strike
            if not fault.get("is_alone", True):
                kind = f"{strike} two at once"
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
    whose = (
        f"Of {len(runs)} runs that were made one at a time.\n"
        if is_undisturbed
        else "Of the runs above, several of which shared two cores.\n"
    )
    return f"{words}\n{whose}\n{_table(('fault', 'times', 'p50', 'p99'), rows)}"


def _fail_points(runs: Table) -> str:
    deaths = Counter(
        fault["target"].partition("@")[2]
        for run in runs
        for fault in run["faults"]
        if fault["strike"] == "crash" and fault["proof"]
    )
    passed: Counter[str] = Counter()
    for run in runs:
        passed.update(run.get("passed", {}))
    rows = [
        (name, point.role, f"{point.side} `{point.place}`", f"{passed[name]:,}", str(deaths[name]))
        for name, point in POINTS.items()
    ]
    return _table(("point", "of", "where", "passed", "deaths there"), rows)


def _controls(controls: Table) -> str:
    rows = [
        (
            one["what"],
            "wrong" if one["must_be_wrong"] else "right",
            ", ".join(_named(one["broken"])) or "nothing broken",
            "as it must be" if one["is_right"] else "**not as it must be**",
        )
        for one in controls
    ]
    return _table(("run", "must be called", "was called", ""), rows)


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
    rows = [(role, str(peak[role]), str(cap)) for role, cap in CAPS_MIB.items() if peak[role]]
    return _table(("process", "most resident MiB", "cap of a run"), rows)


def _mutants(mutants: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        (one["what"], ", ".join(one["caught"]) or "**not caught**", str(one["runs"]))
        for one in mutants
    ]
    return _table(("wrong product", "caught as (times)", "in run"), rows)


def _simulated(mutants: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        (
            one["what"],
            one["why"].replace("|", " ") or "**not caught**",
            "" if one["seed"] is None else str(one["seed"] - one["from_seed"] + 1),
            str(one["from_seed"]),
        )
        for one in mutants
    ]
    return _table(("wrong product", "caught as", "in history", "from seed"), rows)


def _quantile(values: Sequence[int], q: float) -> int:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def keep(made: Path, kept: Path) -> None:
    """What was made, a line each, takes the place of what was kept; where nothing was made, that stays."""
    files = sorted(made.glob("*.json"))
    if not files:
        return
    kept.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(json.loads(path.read_text()), separators=(",", ":")) for path in files]
    kept.write_text("\n".join(lines) + "\n", encoding="utf-8")


def page_of(kept: Path) -> str:
    """The page of what `kept` has, by kind; a kind that it has nothing of is left out."""
    return page(*(_read(kept / f"{kind}.jsonl") for kind in KINDS))


def _read(kept: Path) -> list[dict[str, Any]]:
    lines = kept.read_text(encoding="utf-8").splitlines() if kept.exists() else []
    return [json.loads(line) for line in lines]


def main() -> None:
    """Keeps what was made, and writes the page."""
    for kind in KINDS:
        keep(Path("build") / kind, KEPT / f"{kind}.jsonl")
    PAGE.write_text(page_of(KEPT), encoding="utf-8")


if __name__ == "__main__":
    main()
