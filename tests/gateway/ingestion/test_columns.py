from hypothesis import given
from hypothesis import strategies as st

from gateway.ingestion.columns import columns_of
from reno.v1.event_pb2 import Event
from reno.wire.clock import to_ms
from tests.gateway.ingestion.examples import TRACED, event

_events = st.builds(
    event,
    st.integers(0, 20),
    type=st.sampled_from(["plain", "merging", ""]),
    merge_key=st.sampled_from(["", "p1"]),
    content_type=st.sampled_from(["", "text/plain"]),
    origin_device_id=st.sampled_from(["", "tv-1"]),
    traceparent=st.sampled_from(["", TRACED]),
    targets=st.sampled_from([None, {}, {"device_ids": ["tv-1"]}]),
    ttl=st.sampled_from([None, {}, {"seconds": 1}]),
    occurred_at=st.none()
    | st.fixed_dictionaries(
        {
            "seconds": st.integers(-2, 2),
            "nanos": st.sampled_from([0, 999_999, 10**9 - 1, 10**9, -1]),
        }
    ),
)


@given(st.lists(_events, max_size=8))
def test_columns_are_the_events_fields(events: list[Event]) -> None:
    columns = columns_of(events)
    assert columns.ids == [each.id for each in events]
    assert columns.types == [each.type for each in events]
    assert columns.member_ids == [each.member_id for each in events]
    assert columns.merge_keys == [each.merge_key for each in events]
    assert columns.content_types == [each.content_type for each in events]
    assert columns.origin_device_ids == [each.origin_device_id for each in events]
    assert columns.traceparents == [each.traceparent for each in events]
    for index, each in enumerate(events):
        time = each.occurred_at
        at_ms = to_ms(time) if each.HasField("occurred_at") else None
        assert columns.occurred_at_ms[index] == at_ms
        is_bounded = each.HasField("targets") or each.HasField("ttl")
        assert (index in columns.bounded) is is_bounded
        assert (index in columns.special) is bool(
            is_bounded or each.origin_device_id or each.traceparent or not 0 <= time.nanos < 10**9
        )
