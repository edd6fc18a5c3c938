"""`reno dlq`: what could not be processed, and its way back."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reno.cli.fault import UNREACHABLE, Fault, load_settings

if TYPE_CHECKING:
    from reno.adapters.nats_dead_letters import NatsDeadLetters
    from reno.wire.dead_letter import DeadLetter

app = typer.Typer(help="Dead letters: what could not be processed.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a letter.")]

CONNECT_TIMEOUT_S = 5.0


@app.callback()
def dlq() -> None:
    """Dead letters: what could not be processed.

    They are read from the log's servers (RENO_LOG__SERVERS); where those know users, as `operator`.
    """


@app.command("list")
def list_letters(
    first: Annotated[int, typer.Option(min=1, help="Begin with this number.")] = 1,
    limit: Annotated[int, typer.Option(min=1, help="At most.")] = 100,
    as_json: AsJson = False,
) -> None:
    """Print the letters, oldest first: number, lane and shard, sequence there, why."""

    async def work(letters: "NatsDeadLetters") -> None:
        shown = 0
        async for letter in letters.letters(first):
            if shown == limit:
                typer.echo(f"there are more: --first {letter.number}", err=True)
                return
            shown += 1
            line = _line(letter)
            typer.echo(json.dumps(line) if as_json else _text(line))
        if not shown:
            typer.echo("no dead letters", err=True)

    _with_letters(work)


@app.command()
def show(
    number: Annotated[int, typer.Argument(min=1, help="As `list` prints it.")],
    as_json: AsJson = False,
) -> None:
    """Print a letter, opened as far as this version can."""

    async def work(letters: "NatsDeadLetters") -> None:
        line = {**_line(letter := await _found(letters, number)), **_opened(letter)}
        if as_json:
            typer.echo(json.dumps(line))
            return
        typer.echo(_text(line))
        for event in line["events"]:
            known = " ".join(f"{key} {event[key]}" for key in event if event[key] not in ("", None))
            typer.echo(f"  {known}")
        typer.echo(f"  {len(letter.payload)} bytes, beginning with {line['begins_with']}")

    _with_letters(work)


@app.command()
def redrive(
    numbers: Annotated[
        list[int], typer.Argument(metavar="NUMBER...", help="As `list` prints them.")
    ],
) -> None:
    """Write letters that this version can read to their lane again, and remove them here.

    Their events pass the gates as the same events: one that was stored inside its duplicate window
    is dropped, an expired one is shown to nobody. What is interrupted can be repeated within an hour.
    """

    async def work(letters: "NatsDeadLetters") -> None:
        from reno.wire.envelope import Unreadable  # noqa: PLC0415

        refused = []
        for number in dict.fromkeys(numbers):
            letter = await letters.letter(number)
            if letter is None:
                typer.echo(f"{number} is not there: redriven before?", err=True)
                continue
            try:
                sequences = await letters.redrive(letter)
            except Unreadable as error:
                refused.append(f"{number} is still unreadable: {error}")
            else:
                at = ", ".join(map(str, sequences))
                typer.echo(f"{number} redriven to {letter.shard.priority.word}, sequence {at}")
        if refused:
            raise Fault("\n".join(refused))

    _with_letters(work)


def _with_letters(work: Callable[["NatsDeadLetters"], Awaitable[None]]) -> None:
    from reno.ports import LogAbsent, LogFull, LogUnconfirmed  # noqa: PLC0415

    try:
        asyncio.run(_connected(work))
    except (LogAbsent, LogFull, LogUnconfirmed, TimeoutError) as error:
        raise Fault(f"the log does not answer: {error or 'no connection'}", UNREACHABLE) from error


async def _connected(work: Callable[["NatsDeadLetters"], Awaitable[None]]) -> None:
    from reno.adapters.nats_connection import NatsConnection  # noqa: PLC0415
    from reno.adapters.nats_dead_letters import NatsDeadLetters  # noqa: PLC0415
    from reno.config.settings import TelemetrySettings  # noqa: PLC0415
    from reno.telemetry.logs import start_logging  # noqa: PLC0415

    start_logging(TelemetrySettings(log_level="error", log_format="text"), "dlq")
    connection = NatsConnection(load_settings().log, "dlq")
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            await connection.connect()
        await work(NatsDeadLetters(connection))
    finally:
        await connection.close()


async def _found(letters: "NatsDeadLetters", number: int) -> "DeadLetter":
    letter = await letters.letter(number)
    if letter is None:
        raise Fault(f"no dead letter {number}")
    return letter


def _line(letter: "DeadLetter") -> dict[str, Any]:
    return {
        "number": letter.number,
        "priority": letter.shard.priority.word,
        "shard": letter.shard.number,
        "sequence": letter.sequence,
        "timestamp_ms": letter.timestamp_ms,
        "why": letter.why,
    }


def _opened(letter: "DeadLetter") -> dict[str, Any]:
    from dataclasses import asdict  # noqa: PLC0415

    from reno.wire.dead_letter import dead_events  # noqa: PLC0415
    from reno.wire.envelope import Unreadable  # noqa: PLC0415

    begins_with = letter.payload[:32].hex()
    try:
        events = [asdict(event) for event in dead_events(letter)]
    except Unreadable as error:
        return {"trouble": str(error), "events": [], "begins_with": begins_with}
    return {"trouble": "", "events": events, "begins_with": begins_with}


def _text(line: dict[str, Any]) -> str:
    return f"{line['number']}  {line['priority']}/{line['shard']}  sequence {line['sequence']}  {line['why']}"
