"""`reno inbox copy`: what an embedded inbox has, into Cassandra, while its processor runs."""

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reno.cli.drivers import cassandra_drivers
from reno.cli.fault import UNREACHABLE, Fault, load_settings

if TYPE_CHECKING:
    from reno.adapters.copy_progress import Progress
    from reno.adapters.rocks_snapshot import RocksSnapshot
    from reno.config.settings import Settings
    from reno.domain.priority import Priority

SAY_EVERY_S = 5.0

app = typer.Typer(help="The inbox's rows as a whole.", no_args_is_help=True)


@app.callback()
def _inbox() -> None:
    """Keeps `copy` a command of its own."""


@app.command("copy")
def copy(
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Whose embedded inboxes; data_dir.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Copy every lane of DIR whose processor runs with inbox.engine = moving to Cassandra.

    What Cassandra has already is compared and left alone; what is written is read again. It may be
    ended and run again: it goes on from where it was. After it was complete it looks through all
    of it once more.
    """
    import asyncio  # noqa: PLC0415

    from reno.adapters.rocks_move import RocksMove  # noqa: PLC0415
    from reno.domain.priority import LANES  # noqa: PLC0415

    settings = load_settings({} if data is None else {"data_dir": data})
    places = {lane: settings.data_dir.absolute() / "inbox" / lane.word for lane in LANES}
    moving = [lane for lane, place in places.items() if RocksMove(place).snapshot.exists()]
    if not moving:
        raise Fault(
            f"nothing in {settings.data_dir} is being moved: start its processors with inbox.engine = moving first"
        )
    for lane in moving:
        asyncio.run(_copy(settings, lane, places[lane], _Report(lane.word, as_json)))


async def _copy(settings: "Settings", lane: "Priority", place: Path, report: "_Report") -> None:
    with cassandra_drivers():
        from reno.adapters.cassandra_session import CassandraSession  # noqa: PLC0415
    from reno.adapters.cassandra_copy import CassandraCopy  # noqa: PLC0415
    from reno.adapters.cassandra_statements import COPYING  # noqa: PLC0415
    from reno.adapters.inbox_copy import copy_inbox  # noqa: PLC0415
    from reno.adapters.rocks_directory import InboxLocked  # noqa: PLC0415
    from reno.adapters.rocks_move import RocksMove  # noqa: PLC0415
    from reno.adapters.rocks_snapshot import RocksSnapshot  # noqa: PLC0415
    from reno.errors import Unavailable, WrongState  # noqa: PLC0415

    move = RocksMove(place)
    session = CassandraSession(settings.inbox, COPYING)
    try:
        snapshot = RocksSnapshot(move.snapshot)
    except InboxLocked as error:
        raise Fault(str(error)) from error
    try:
        target = CassandraCopy(session, lane, snapshot.shards[0].shards)
        rate = settings.inbox.copy_rows_per_s
        progress = await copy_inbox(
            snapshot, target, rate, lambda progress: report.on_the_way(snapshot, progress)
        )
        move.complete()
        report.complete(snapshot, progress)
    except Unavailable as error:
        raise Fault(f"{error.message} (run it again: it goes on)", UNREACHABLE) from error
    except WrongState as error:
        raise Fault(error.message) from error
    finally:
        await session.close()
        snapshot.close()


class _Report:
    """A line now and then, and one at the end."""

    def __init__(self, lane: str, as_json: bool) -> None:
        self._lane = lane
        self._as_json = as_json
        self._said_at_s = time.monotonic()

    def on_the_way(self, snapshot: "RocksSnapshot", progress: "Progress") -> None:
        if progress.is_done or time.monotonic() - self._said_at_s < SAY_EVERY_S:
            return
        self._said_at_s = time.monotonic()
        counts = _counts(progress)
        if self._as_json:
            about = {family: snapshot.about(family) for family in counts}
            self._say({"event": "copying", **counts, "about": about})
            return
        kinds = (
            f"{family} {count['looked_at']:,} of about {snapshot.about(family):,}"
            for family, count in counts.items()
        )
        typer.echo(f"{self._lane}: {', '.join(kinds)}")

    def complete(self, snapshot: "RocksSnapshot", progress: "Progress") -> None:
        counts = _counts(progress)
        if self._as_json:
            shards = [shard.number for shard in snapshot.shards]
            self._say({"event": "copied", **counts, "shards": shards})
            return
        kinds = (
            f"{family} {count['looked_at']:,} ({count['written']:,} written)"
            for family, count in counts.items()
        )
        typer.echo(f"{self._lane}: Cassandra has all of it: {', '.join(kinds)}")

    def _say(self, line: dict[str, Any]) -> None:
        typer.echo(json.dumps({"lane": self._lane, **line}))


def _counts(progress: "Progress") -> dict[str, dict[str, int]]:
    from reno.adapters.copy_progress import FAMILIES  # noqa: PLC0415

    counted = zip(FAMILIES, progress.looked_at, progress.written, strict=True)
    return {
        family: {"looked_at": looked_at, "written": written}
        for family, looked_at, written in counted
    }
