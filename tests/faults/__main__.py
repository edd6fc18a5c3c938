"""Runs of faults: python -m tests.faults --help"""

import argparse
import asyncio
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from bench import generator
from reno.config.transport import GRPCIO, H2
from tests.faults.crowd import LOW_LOG_BYTES
from tests.faults.run import Plan, Result, run, weights
from tests.faults.shapes import SHAPES
from tests.faults.strikes import STRIKES
from tests.servers.cassandra import CassandraNode, require_cassandra


def main() -> None:
    """Exit code 1 where a run did not pass; the others are made all the same."""
    options = _options()
    options.results.mkdir(parents=True, exist_ok=True)
    # Whoever ends this from outside ends what it has started.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if options.jobs > 1:
        sys.exit(_beside_each_other(options))
    shape = replace(SHAPES[options.shape], mutant=options.mutant)
    if options.transport:
        shape = replace(shape, transport=options.transport)
    if options.crowd:
        shape = replace(shape, max_bytes_low=LOW_LOG_BYTES)
        generator.build()
    made_of = shape.name if shape.transport == GRPCIO else f"{shape.name}-{shape.transport}"
    has_failed = False
    with _cassandra(shape.has_cassandra) as node:
        for seed in range(options.seed, options.seed + options.runs):
            file = options.results / f"{made_of}-{seed:06}.json"
            if options.rest and file.exists():
                continue
            plan = Plan(
                seed,
                options.minutes * 60 if options.seconds is None else options.seconds,
                options.rate,
                options.mix.split(","),
                options.kills,
                options.faults.split(",") if options.faults else (),
                shape=shape,
                crowd=options.crowd,
            )
            place = Path(tempfile.mkdtemp(prefix="reno-faults-"))
            result = asyncio.run(run(plan, place / "run", node))
            file.write_text(result.as_json(), encoding="utf-8")
            _say(result)
            has_failed |= result.verdict != "PASS"
            if result.verdict == "PASS" and not options.keep:
                shutil.rmtree(place)
            else:
                print(f"    all of it: {place}", flush=True)
    sys.exit(has_failed)


def _beside_each_other(options: argparse.Namespace) -> int:
    """Every job has a part of the seeds. The worst of their exit codes."""
    jobs: list[subprocess.Popen[bytes]] = []
    for number in range(options.jobs):
        first = options.runs * number // options.jobs
        runs = options.runs * (number + 1) // options.jobs - first
        # The last word counts.
        own = ("--jobs=1", f"--seed={options.seed + first}", f"--runs={runs}")
        jobs.append(subprocess.Popen([sys.executable, "-m", "tests.faults", *sys.argv[1:], *own]))
    try:
        return max(job.wait() for job in jobs)
    except KeyboardInterrupt:
        for job in jobs:
            job.terminate()
        for job in jobs:
            job.wait()
        raise


def _say(result: Result) -> None:
    print(
        f"{result.plan.shape.name} seed {result.plan.seed}: {result.verdict} in {result.seconds:.0f} s (ready at {result.started_s}, attacked until {result.attacked_s}, settled at {result.settled_s}) {result.counts} {result.crowd or ''} {result.broken}",
        flush=True,
    )
    left_out = [f"left out: {strike}: {why}" for strike, why in result.left_out.items()]
    for line in (*left_out, *result.why, *result.examples):
        print(f"    {line}")
    for fault in result.faults:
        print(f"    {fault.as_line()}")


@contextmanager
def _cassandra(is_wanted: bool) -> Iterator[CassandraNode | None]:
    """One node for all runs; each has a keyspace of its own."""
    if not is_wanted:
        yield None
        return
    require_cassandra()
    place = Path(tempfile.mkdtemp(prefix="reno-faults-cassandra-"))
    node = CassandraNode(place)
    try:
        node.start()
        node.wait_ready()
        yield node
    finally:
        node.kill()
        shutil.rmtree(place)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("--shape", choices=SHAPES, default="embedded")
    parser.add_argument("--seed", type=int, default=1, help="of the first run")
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1, help="that make runs beside each other")
    parser.add_argument("--minutes", type=float, default=1.0, help="of faults, in each run")
    parser.add_argument("--seconds", type=float, help="instead of minutes")
    parser.add_argument("--rate", type=float, default=500.0, help="events a second")
    parser.add_argument("--mix", default=",".join(STRIKES), help="STRIKE[=WEIGHT],...")
    parser.add_argument("--kills", type=int, default=0, help="at least, in each run")
    parser.add_argument("--faults", default="", help="instead: STRIKE:TARGET[+TARGET],...")
    parser.add_argument(
        "--transport",
        choices=(GRPCIO, H2),
        default="",
        help="of both doors; h2 behind Envoy, else grpcio",
    )
    parser.add_argument(
        "--crowd",
        type=int,
        default=0,
        help="events a second beside, for members without devices; their generator is built with Go",
    )
    parser.add_argument("--mutant", default="", help="a wrong product of tests/faults/mutants.py")
    parser.add_argument("--results", type=Path, default=Path("build/faults"))
    parser.add_argument("--rest", action="store_true", help="only seeds without a result")
    parser.add_argument("--keep", action="store_true", help="also what passed")
    options = parser.parse_args()
    try:
        weights(options.mix.split(","))
    except ValueError as error:
        parser.error(str(error))
    return options


if __name__ == "__main__":
    main()
