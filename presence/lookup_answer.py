"""A LookupResponse joined from serialised parts: three times cheaper than building the messages, for every batch of every processor."""

from presence.lease_table import Found, Lease, PresenceState, Session
from reno.ports import GatewayAddress
from reno.v1.lease_service_pb2 import GatewayHello, LookupResponse, MemberSessions, SessionPlace
from reno.v1.presence_service_pb2 import PresenceState as PresenceStateProto
from reno.wire.joining import repeated, varint

_GATEWAYS = LookupResponse.GATEWAYS_FIELD_NUMBER
_MEMBERS = LookupResponse.MEMBERS_FIELD_NUMBER
_MEMBER_TAG = varint(MemberSessions.MEMBER_FIELD_NUMBER << 3)
_SESSIONS_TAG = varint(MemberSessions.SESSIONS_FIELD_NUMBER << 3 | 2)
_GATEWAY_TAG = varint(SessionPlace.GATEWAY_FIELD_NUMBER << 3)
_OTHERS = {
    state: LookupResponse(others=PresenceStateProto.ValueType(state)).SerializeToString()
    for state in (PresenceState.OFFLINE, PresenceState.UNKNOWN)
}


def lookup_answer(found: Found) -> bytes:
    """Of what the table found, in its order."""
    index: dict[Lease, bytes] = {}
    members: list[bytes] = []
    for number, sessions in enumerate(found.sessions):
        if not sessions:
            continue
        member = _MEMBER_TAG + varint(number)
        for session in sessions:
            gateway = index.get(session.lease)
            if gateway is None:
                gateway = index[session.lease] = _GATEWAY_TAG + varint(len(index))
            if not session.encoded:
                session.encoded = _encoded(session)
            place = gateway + session.encoded
            member += _SESSIONS_TAG + varint(len(place)) + place
        members.append(member)
    gateways = (_hello(lease.gateway) for lease in index)
    return repeated(_GATEWAYS, gateways) + repeated(_MEMBERS, members) + _OTHERS[found.others]


def _encoded(session: Session) -> bytes:
    return SessionPlace(
        number=session.number, device_id=session.device_id, device_class=session.device_class
    ).SerializeToString()


def _hello(gateway: GatewayAddress) -> bytes:
    return GatewayHello(
        gateway_id=gateway.gateway_id, epoch=gateway.epoch, address=gateway.address
    ).SerializeToString()
