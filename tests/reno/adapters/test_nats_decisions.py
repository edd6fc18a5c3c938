"""Pure parts of the log's adapter: what answers mean, what deliveries say, what the server is given."""

import sys
from pathlib import Path

import pytest
from nats import errors as nats_errors
from nats.js.errors import APIError, NoStreamResponseError

from reno.adapters.nats_delivery import Alive, Broken, Ended, Place, place_of, word_of
from reno.adapters.nats_names import lane_info
from reno.adapters.nats_refusal import refusal
from reno.adapters.nats_server import (
    FILE_OVERHEAD_BYTES,
    command,
    max_file_store_bytes,
    render_config,
)
from reno.ports import LaneInfo, LogAbsent, LogFull, LogUnconfirmed


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (APIError(503, "maximum bytes exceeded", 10077), LogFull),
        (APIError(503, "maximum messages exceeded", 10077), LogFull),
        (APIError(503, "insufficient resources", 10023), LogFull),
        (APIError(503, "write: no space left on device", 10077), LogUnconfirmed),
        (APIError(503, "JetStream not enabled", 10076), LogAbsent),
        (APIError(404, "stream not found", 10059), LogAbsent),
        (APIError(400, "expected stream does not match", 10060), LogAbsent),
        (APIError(409, "duplicate message id is in process", 10158), LogUnconfirmed),
        (APIError(500, "something else", 1), LogUnconfirmed),
        (NoStreamResponseError(), LogAbsent),
        (nats_errors.TimeoutError(), LogUnconfirmed),
        (TimeoutError(), LogUnconfirmed),
    ],
)
def test_what_a_failed_publish_means(error: nats_errors.Error, meaning: type[Exception]) -> None:
    assert type(refusal(error)) is meaning


@pytest.mark.parametrize(
    "reply",
    [
        "$JS.ACK.RENO_HIGH.tail.1.42.7.1700000000123456789.3",
        "$JS.ACK.hub.account.RENO_HIGH.tail.1.42.7.1700000000123456789.3",
        "$JS.ACK.hub.account.RENO_HIGH.tail.1.42.7.1700000000123456789.3.random",
    ],
)
def test_a_reply_says_where_its_message_stands(reply: str) -> None:
    assert place_of(reply) == Place(42, 7, 1_700_000_000_123)


@pytest.mark.parametrize("reply", ["_INBOX.x", "$JS.FC.a.b.c.d.e.f.g", "$JS.ACK.a.b.1.x.y.z.0"])
def test_other_replies_are_refused(reply: str) -> None:
    with pytest.raises(ValueError, match=r"no delivery|invalid literal"):
        place_of(reply)


def test_what_the_server_says_between_messages() -> None:
    assert word_of({"Status": "100", "Nats-Last-Consumer": "5"}) == Alive(5)
    assert word_of({"Status": "100"}) == Alive(None)
    pending = {"Nats-Pending-Messages": "3"}
    assert word_of({"Status": "408", "Description": "Request Timeout", **pending}) == Ended(3)
    too_large = {"Status": "409", "Description": "Message Size Exceeds MaxBytes"}
    assert word_of({**too_large, **pending}) == Ended(3)
    assert isinstance(word_of(too_large), Broken)
    assert word_of({"Status": "409", "Description": "Consumer Deleted"}) == Broken(
        "409 Consumer Deleted"
    )
    assert isinstance(word_of({}), Broken)


def test_a_stream_that_is_not_ours_is_no_lane() -> None:
    assert lane_info("S", {"reno.generation": "2", "reno.shards": "8"}) == LaneInfo(2, 8)
    for metadata in (None, {}, {"reno.generation": "x", "reno.shards": "8"}):
        with pytest.raises(LogAbsent):
            lane_info("S", metadata)


def test_the_file_store_is_below_the_disk() -> None:
    room = 100 + FILE_OVERHEAD_BYTES
    assert max_file_store_bytes([60, 40], room - 30, 30) == room
    with pytest.raises(ValueError, match=r"lower log\.max_bytes"):
        max_file_store_bytes([60, 40], room - 31, 30)


def test_the_server_syncs_unless_a_test_says_otherwise(tmp_path: Path) -> None:
    rendered = [
        render_config(
            name="n",
            host="127.0.0.1",
            port=1,
            monitor_port=2,
            store=tmp_path,
            max_file_store=3,
            synced=synced,
        )
        for synced in (True, False)
    ]
    assert "sync_interval: always" in rendered[0]
    assert "sync_interval" not in rendered[1]
    binary, *arguments = command(tmp_path / "nats.conf")
    assert Path(binary).parent == Path(sys.executable).parent
    assert arguments == ["-c", str(tmp_path / "nats.conf")]
