"""Who shows the play: plain lines, or a live table on a terminal."""

from rich.console import Console
from rich.live import Live
from rich.table import Table

from reno.cli.demo.checking import Seen
from reno.cli.demo.play import SceneResult
from reno.cli.demo.script import DemoDevice, Script
from reno.cli.demo.stage import Backstage

REFRESHES_PER_S = 8


def sentence(result: SceneResult) -> str:
    """One line a scene."""
    verdict = "ok " if result.is_right else "BAD"
    note = f"; {result.note}" if result.note else ""
    return f"{verdict} expected {result.expected:,}, seen {result.seen:,}{note}"


class PlainNarrator:
    """For logs and pipes: a line when a scene begins, a line when it ends."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def begins(self, title: str) -> None:
        """Says the title."""
        self._console.print(f"-- {title}", highlight=False, soft_wrap=True)

    def watches(self, stage: Backstage) -> None:
        """Shows nothing in between."""

    def ends(self, result: SceneResult) -> None:
        """Says expected and seen."""
        self._console.print(f"   {sentence(result)}", highlight=False, soft_wrap=True)


class LiveNarrator:
    """For a terminal: what each device has, as it comes."""

    def __init__(self, console: Console, script: Script) -> None:
        self._console = console
        self._devices = script.devices
        self._live = Live(console=console, refresh_per_second=REFRESHES_PER_S, transient=True)

    def __enter__(self) -> "LiveNarrator":
        self._live.__enter__()
        return self

    def __exit__(self, *_raised: object) -> None:
        self._live.__exit__(None, None, None)

    def begins(self, title: str) -> None:
        """The title stays above the table."""
        self._console.print(f"[bold]{title}[/bold]", highlight=False, soft_wrap=True)

    def watches(self, stage: Backstage) -> None:
        """Redraws the table from what the device processes wrote."""
        table = Table("device", "", "pushed", "caught up", "pulled", "merged", "newest")
        for device in self._devices:
            table.add_row(*_row(device, stage))
        self._live.update(table)

    def ends(self, result: SceneResult) -> None:
        """Stays above the table."""
        colour = "green" if result.is_right else "red"
        self._console.print(
            f"  [{colour}]{sentence(result)}[/{colour}]", highlight=False, soft_wrap=True
        )


def _row(device: DemoDevice, stage: Backstage) -> list[str]:
    seen = stage.seen(device)
    ways = {"PUSH": 0, "CATCH_UP": 0, "PULL": 0}
    for one in seen:
        ways[one.via] += 1
    merged = sum(one.merged for one in seen)
    state = "on" if device in stage.devices else "off"
    return [device.name, state, *(f"{n:,}" for n in (*ways.values(), merged)), _newest(seen)]


def _newest(seen: list[Seen]) -> str:
    return f"{seen[-1].event_type} → {seen[-1].action}" if seen else ""
