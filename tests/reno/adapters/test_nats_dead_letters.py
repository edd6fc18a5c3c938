"""Dead letters on a real nats-server: listed, shown, and redriven through the gates. Once."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator

import pytest
import structlog
from typer.testing import CliRunner

from reno.adapters.nats_connection import NatsConnection
from reno.adapters.nats_dead_letters import NatsDeadLetters
from reno.adapters.nats_log_reader import NatsLogReader
from reno.adapters.nats_log_writer import NatsLogWriter
from reno.cli.main import app
from reno.config.settings import LogSettings
from reno.domain.priority import Priority
from reno.ports import LogRecord
from reno.wire.envelope import Unreadable
from tests.processor.records import UNREADABLE_ROW, envelope, event_id_of, row
from tests.processor.surroundings import SHARD, Surroundings
from tests.reno.adapters.log_contract import BothPorts
from tests.servers.nats import NatsProcess


@pytest.fixture
def settings(fresh_nats: NatsProcess) -> LogSettings:
    return fresh_nats.settings(shards=1)


@pytest.fixture
async def connection(settings: LogSettings) -> AsyncIterator[NatsConnection]:
    connection = NatsConnection(settings, "dead")
    await connection.connect()
    yield connection
    await connection.close()


@pytest.fixture
def world(connection: NatsConnection, settings: LogSettings) -> Surroundings:
    world = Surroundings()
    reader = NatsLogReader(connection, settings, 1 << 20)
    world.log = BothPorts(NatsLogWriter(connection), reader)  # type: ignore[assignment]
    return world


ROWS = [row("anna", f"e-{number}") for number in range(3)]


async def test_a_letter_goes_back_once_and_as_the_same_event(
    world: Surroundings, connection: NatsConnection
) -> None:
    """As after an update that can read row 1. What the window knows is dropped, what it does not is stored."""
    letters = NatsDeadLetters(connection)
    assert [each async for each in letters.letters()] == []
    await world.log.open_lane(Priority.HIGH)
    payload = envelope(900, ROWS)
    async with world.owned():
        await world.publish(ROWS[0], ROWS[2])
        await world.until_purged()
        await world.log.bury(SHARD, LogRecord(1, 1_000, payload), "no row", [1])
        await world.log.bury(SHARD, LogRecord(1, 2_000, payload), "no row", [0, 1])
        first, second = [each async for each in letters.letters()]
        assert (first.number, first.shard, first.sequence, first.rows) == (1, SHARD, 1, (1,))
        assert await letters.letter(first.number) == first

        (sequence,) = await letters.redrive(first)
        await world.until_purged()
        assert await letters.letter(first.number) is None
        # Interrupted before the letter was removed, and done again.
        assert await letters.redrive(second) == [sequence + 1]
        await world.until_purged()
    assert [event_id_of(each.row) for each in await world.inbox.rows("anna")] == [
        "e-0",
        "e-2",
        "e-1",
    ]
    assert [each async for each in letters.letters()] == []


async def test_what_is_interrupted_is_done_again(
    world: Surroundings, connection: NatsConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    letters = NatsDeadLetters(connection)
    await world.log.open_lane(Priority.HIGH)
    await world.log.bury(SHARD, LogRecord(1, 1_000, envelope(900, ROWS)), "no row", [1])
    letter = await letters.letter(1)
    assert letter is not None

    async def broken(*_arguments: object) -> bool:
        raise ConnectionError("told to break")

    async with world.owned():
        with monkeypatch.context() as breaking:
            breaking.setattr(connection.jetstream, "delete_msg", broken)
            with pytest.raises(ConnectionError):
                await letters.redrive(letter)
        await world.until_purged()
        await letters.redrive(letter)
        await world.until_purged()
    assert [event_id_of(each.row) for each in await world.inbox.rows("anna")] == ["e-1"]


async def test_what_is_still_unreadable_stays_where_it_is(
    world: Surroundings, connection: NatsConnection
) -> None:
    letters = NatsDeadLetters(connection)
    async with world.owned():
        await world.publish(ROWS[0], UNREADABLE_ROW, ROWS[1])
        await world.until_purged()
    (letter,) = [each async for each in letters.letters()]
    assert letter.rows == (1,)
    with pytest.raises(Unreadable):
        await letters.redrive(letter)
    assert await letters.letter(letter.number) == letter


@pytest.fixture
def _quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What the command does to its process's logs must not outlive the test."""
    monkeypatch.setattr("reno.telemetry.logs.start_logging", lambda *_settings: None)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


async def bury_two(settings: LogSettings) -> None:
    connection = NatsConnection(settings, "bury")
    await connection.connect()
    reader = NatsLogReader(connection, settings, 1 << 20)
    await reader.open_lane(Priority.HIGH)
    good = LogRecord(4, 1_000, envelope(900, ROWS))
    await reader.bury(SHARD, good, "event 1: not a row", [1])
    await reader.bury(SHARD, LogRecord(5, 1_000, b"\x09rubbish"), "version 09")
    await connection.close()


def reno(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["dlq", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.usefixtures("_quiet")
def test_the_command_lists_shows_and_redrives(
    fresh_nats: NatsProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RENO_LOG__SERVERS", json.dumps([fresh_nats.url]))
    assert reno("list") == (0, "", "no dead letters\n")
    asyncio.run(bury_two(fresh_nats.settings(shards=1)))
    code, listed, _ = reno("list")
    assert (code, listed.splitlines()) == (
        0,
        [
            "1  high/0  sequence 4  event 1: not a row",
            "2  high/0  sequence 5  version 09",
        ],
    )
    assert reno("list", "--limit", "1")[2] == "there are more: --first 2\n"
    shown = json.loads(reno("show", "1", "--json")[1])
    (event,) = shown["events"]
    assert (event["event_id"], event["member_id"], event["trouble"]) == ("e-1", "anna", "")
    assert "version 09" in reno("show", "2")[1]
    assert reno("show", "9")[0] == 1
    code, said, trouble = reno("redrive", "1", "2")
    assert (code, said) == (1, "1 redriven to high, sequence 1\n")
    assert "2 is still unreadable" in trouble
    code, said, trouble = reno("redrive", "1")
    assert (code, said, trouble) == (0, "", "1 is not there: redriven before?\n")


@pytest.mark.usefixtures("_quiet")
def test_a_log_that_does_not_answer_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reno.cli.dlq.CONNECT_TIMEOUT_S", 0.3)
    monkeypatch.setenv("RENO_LOG__SERVERS", '["nats://127.0.0.1:1"]')
    code, _, trouble = reno("list")
    assert code == 69
    assert "the log does not answer" in trouble
