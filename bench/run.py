"""Runs scenarios and keeps what they found: bench/results/SCENARIO.json.

    .venv/bin/python -m bench.run [SCENARIO ...] [--quick] [--set rate=300000 --set seconds=20]

Without a name all of them, one after the other. The load generator is built when Go finds it older than its source.
"""

import argparse
import json
import os
import sys
import time
from dataclasses import asdict, fields, replace
from typing import Any

from bench import generator, profiling, results
from bench.scenarios.burst import Burst
from bench.scenarios.connections import Connections
from bench.scenarios.growth import Growth
from bench.scenarios.latency import Latency
from bench.scenarios.peak import Peak
from bench.scenarios.pull import Pull
from bench.scenarios.push import Push
from bench.scenarios.recovery import Recovery
from bench.scenarios.slow import Slow
from bench.scenarios.unary import Unary

SCENARIOS: dict[str, Any] = {
    "peak": Peak,
    "push": Push,
    "unary": Unary,
    "burst": Burst,
    "latency": Latency,
    "connections": Connections,
    "pull": Pull,
    "recovery": Recovery,
    "slow": Slow,
    "growth": Growth,
}


def changed(parameters: Any, assignments: list[str]) -> Any:
    """With other values, in the fields' own types. Raises ValueError for a field that there is not."""
    known = {field.name: type(getattr(parameters, field.name)) for field in fields(parameters)}
    for assignment in assignments:
        name, _, value = assignment.partition("=")
        if name not in known:
            raise ValueError(f"{name}: one of {', '.join(known)}")
        typed = value == "true" if known[name] is bool else known[name](value)
        parameters = replace(parameters, **{name: typed})
    return parameters


def main() -> None:
    """Prints the figures of each as it ends; a scenario that fails does not keep the others from running, but the exit code says so."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=", ".join(SCENARIOS))
    parser.add_argument("--quick", action="store_true", help="seconds instead of minutes")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument(
        "--profile", action="append", default=[], metavar="ROLE",
        help="record where its time goes; the figures are then not kept",
    )  # fmt: skip
    chosen = parser.parse_args()
    profiling.chosen += chosen.profile
    if unknown := set(chosen.scenarios) - SCENARIOS.keys():
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(SCENARIOS)}")
    generator.build()
    failed = []
    for name in chosen.scenarios or SCENARIOS:
        parameters = SCENARIOS[name]()
        parameters = changed(parameters.quick() if chosen.quick else parameters, chosen.set)
        load, started_s = os.getloadavg(), time.monotonic()
        print(f"{name}: {parameters}", file=sys.stderr, flush=True)
        try:
            figures = parameters.measure()
        except (RuntimeError, TimeoutError, OSError) as error:
            print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            failed.append(name)
            continue
        if chosen.profile:
            print("\n".join(profiling.said(role) for role in chosen.profile))
            continue
        path = results.write(name, asdict(parameters), load, figures)
        took_s = time.monotonic() - started_s
        shown = {
            key: value for key, value in figures.items() if key not in {"backlog", "memory_mb"}
        }
        print(json.dumps({name: shown, "took_s": round(took_s), "file": str(path)}, indent=1))
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
