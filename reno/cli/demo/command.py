"""The curtain, the play, the table."""

import asyncio
import json
import tempfile
from collections import Counter
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import typer
from rich.console import Console

from reno.catalogue.catalogue import Catalogue, load
from reno.cli.demo.narrators import LiveNarrator, PlainNarrator
from reno.cli.demo.play import Narrator, Play, Verdict
from reno.cli.demo.script import ALL_ON, Script, write_script
from reno.cli.demo.stage import on_stage
from reno.cli.demo.table import PrioritySums, drawn, sum_up


def perform(*, plain: bool, as_json: bool, seed: int, engine: str | None = None) -> bool:
    """Shows the play, with an inbox of `engine`, and what it came to; True only when every expected arrival was seen, and nothing else. Raises what on_stage and Play.perform raise."""
    console = Console(stderr=as_json)
    script = write_script(seed)
    live = console.is_terminal and not plain
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="reno-demo-"))
        narrator: Narrator = (
            stack.enter_context(LiveNarrator(console, script)) if live else PlainNarrator(console)
        )
        report = asyncio.run(_run(Path(folder), script, load(None), narrator, engine))
    if as_json:
        typer.echo(_as_json(report))
    else:
        _show(console, report)
    return report.verdict.is_right


@dataclass(frozen=True, slots=True)
class Report:
    """What is shown at the end."""

    verdict: Verdict
    rows: list[PrioritySums]
    dropped: dict[str, int]


async def _run(
    folder: Path, script: Script, catalogue: Catalogue, narrator: Narrator, engine: str | None
) -> Report:
    narrator.begins(
        "The system starts: nats-server, presence, three processors, gateway, ingestion"
    )
    async with on_stage(folder / "data", engine) as stage:
        verdict = await Play(stage, script, catalogue, narrator).perform()
        seen = [one for device in script.devices for one in stage.seen(device)]
        repeats = sum(times - 1 for times in stage.accepted.values())
        timed = {
            event.event_id: stage.sent_at_ms[event.event_id]
            for name in ALL_ON
            for event in script.scenes[name].events
        }
        rows = sum_up(stage.accepted_by_priority, seen, timed)
        return Report(verdict, rows, dict(stage.refused + Counter(DUPLICATE=repeats)))


def _as_json(report: Report) -> str:
    return json.dumps(
        {
            "ok": report.verdict.is_right,
            "scenes": [asdict(scene) for scene in report.verdict.scenes],
            "priorities": [asdict(row) for row in report.rows],
            "dropped": report.dropped,
            "faults": report.verdict.faults,
        }
    )


def _show(console: Console, report: Report) -> None:
    for table in drawn(report.rows, report.dropped):
        console.print(table)
    for device, wrong in report.verdict.faults.items():
        for line in wrong:
            console.print(f"BAD {device}: {line}", highlight=False)
    right = report.verdict.is_right
    console.print("Every expected arrival was seen." if right else "Not as expected: see above.")
