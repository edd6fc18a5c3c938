from hypothesis import given
from hypothesis import strategies as st

from presence.lease_table import LeaseTable
from presence.lookup_answer import lookup_answer
from reno.domain.member import member_key
from reno.ports import GatewayAddress, SessionPlace
from reno.v1.lease_service_pb2 import GatewayHello, LookupResponse

MEMBERS = ("anna", "ben", "carl")

places = st.builds(
    SessionPlace,
    number=st.integers(1, 2**62),
    tenant=st.just(""),
    member_id=st.sampled_from(MEMBERS),
    device_id=st.text("ab-1", min_size=1, max_size=128),
    device_class=st.sampled_from(("tv", "phone", "x" * 128)),
)


@given(
    st.lists(st.lists(places, max_size=4, unique_by=lambda place: place.number), max_size=200),
    st.booleans(),
)
def test_says_what_was_found(gateways: list[list[SessionPlace]], young: bool) -> None:
    table = LeaseTable(lease_ms=1000, max_sessions=10_000, now_ms=0 if young else -1000)
    for number, held in enumerate(gateways):
        attachment = table.hello(GatewayAddress(f"g{number}", 1 + number, f"g{number}:1"), 0)
        table.change(attachment, 0, began=held)
    found = table.lookup([member_key("", member) for member in MEMBERS], 0)
    for _ in ("first", "from what is kept"):
        answer = LookupResponse.FromString(lookup_answer(found))
        assert int(answer.others) == found.others
        online = {member.member: member for member in answer.members}
        assert len(online) == len(answer.members)
        assert online.keys() == {at for at, sessions in enumerate(found.sessions) if sessions}
        for at, member in online.items():
            assert [
                (answer.gateways[s.gateway], s.number, s.device_id, s.device_class)
                for s in member.sessions
            ] == [
                (_hello(s.gateway), s.number, s.device_id, s.device_class)
                for s in found.sessions[at]
            ]
        names = [gateway.gateway_id for gateway in answer.gateways]
        assert len(names) == len(set(names))


def _hello(gateway: GatewayAddress) -> GatewayHello:
    return GatewayHello(gateway_id=gateway.gateway_id, epoch=gateway.epoch, address=gateway.address)
