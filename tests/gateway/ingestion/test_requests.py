import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ingestion.requests import read_batch, read_stream_batch
from reno.domain.reason import Reason
from reno.errors import CallerFault
from reno.v1.ingestion_service_pb2 import PublishBatchRequest, PublishStreamRequest
from reno.wire.joining import repeated
from tests.gateway.ingestion.examples import event

WRONG_UTF8 = b"\x0a\x02\xff\xfe"


def test_wrong_utf8_is_one_events_fault() -> None:
    parts = [event(0).SerializeToString(), WRONG_UTF8, event(2).SerializeToString()]
    batch = read_batch(repeated(1, parts))
    assert batch.malformed == {1}
    assert [each.id for each in batch.events] == ["e-0", "", "e-2"]


@pytest.mark.parametrize("batch_id", [0, 7, -7, (1 << 63) - 1])
def test_a_streams_batch_keeps_its_id(batch_id: int) -> None:
    head = PublishStreamRequest(batch_id=batch_id).SerializeToString()
    parts = [b"garbage", event(1).SerializeToString()]
    got, batch = read_stream_batch(head + repeated(2, parts))
    assert got == batch_id
    assert batch.malformed == {0}
    assert batch.events[1] == event(1)


@given(st.binary(max_size=60))
def test_garbage_is_a_batch_or_the_callers_fault(garbage: bytes) -> None:
    for read in (read_batch, read_stream_batch):
        try:
            read(garbage)
        except CallerFault as error:
            assert error.reason is Reason.MALFORMED  # noqa: PT017


def test_garbage_is_malformed() -> None:
    with pytest.raises(CallerFault):
        read_batch(b"\xff" * 20)


def test_what_parses_is_taken_as_it_is() -> None:
    raw = PublishBatchRequest(events=[event(1)]).SerializeToString()
    batch = read_batch(raw)
    assert (list(batch.events), batch.malformed, batch.size_bytes) == (
        [event(1)],
        frozenset(),
        len(raw),
    )
    stream = PublishStreamRequest(batch_id=3, events=[event(1)]).SerializeToString()
    assert read_stream_batch(stream)[0] == 3
