"""PresenceService: who is online, for backends and operators."""

from collections.abc import Callable

import protovalidate

from presence.lease_table import LeaseTable
from reno.domain.member import member_key
from reno.domain.reason import Reason
from reno.errors import CallerFault, Unavailable
from reno.server.identity import current_backend
from reno.server.interceptor import Context
from reno.v1.presence_service_pb2 import GetPresenceRequest, GetPresenceResponse
from reno.v1.presence_service_pb2_grpc import PresenceServiceServicer
from reno.wire.rules import words_of


class PresenceService(PresenceServiceServicer):
    """One replica's public door."""

    def __init__(self, table: LeaseTable, clock_ms: Callable[[], int]) -> None:
        self._table = table
        self._clock_ms = clock_ms
        self._draining = False

    async def GetPresence(
        self, request: GetPresenceRequest, _context: Context
    ) -> GetPresenceResponse:
        """Of the caller's tenant."""
        if self._draining:
            raise Unavailable(Reason.DRAINING, "this replica is going away")
        _check(request)
        tenant = current_backend().tenant
        keys = [member_key(tenant, member_id) for member_id in request.member_ids]
        response = GetPresenceResponse()
        found = self._table.lookup(keys, self._clock_ms())
        for member_id, (state, sessions) in zip(request.member_ids, found, strict=True):
            member = response.members.add(
                member_id=member_id,
                state=state,
            )
            for session in sessions:
                member.devices.add(
                    device_id=session.device_id,
                    device_class=session.device_class,
                    gateway_id=session.gateway.gateway_id,
                )
        return response

    def drain(self) -> None:
        """Refuses what comes with UNAVAILABLE (DRAINING)."""
        self._draining = True


def _check(request: GetPresenceRequest) -> None:
    try:
        protovalidate.validate(request)
    except protovalidate.ValidationError as error:
        violation = error.violations[0]
        at = violation.proto.field
        path = at.elements if at else []
        field = ".".join(
            f"{part.field_name}[{part.subscript.value}]" if part.subscript else part.field_name
            for part in path
        )
        raise CallerFault(Reason.INVALID, words_of(violation), field=field) from error
