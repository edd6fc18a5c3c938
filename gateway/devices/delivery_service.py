"""The gateway's internal port: DeliveryService over gRPC."""

from typing import Any

from gateway.devices.delivering import Delivering
from gateway.devices.door import Door
from reno.domain.priority import Priority
from reno.domain.reason import Reason
from reno.errors import CallerFault, Unavailable
from reno.ports import DeliveryRow
from reno.v1.delivery_service_pb2 import DeliverRequest, DeliverResponse
from reno.v1.delivery_service_pb2_grpc import DeliveryServiceServicer

_LANES = frozenset(map(int, Priority))


class DeliveryServicer(DeliveryServiceServicer):
    """See delivery_service.proto."""

    def __init__(self, door: Door, delivering: Delivering) -> None:
        self._door = door
        self._delivering = delivering

    async def Deliver(self, request: DeliverRequest, context: Any) -> DeliverResponse:
        """See delivery_service.proto."""
        if self._door.is_draining:
            raise Unavailable(Reason.DRAINING, "this gateway goes away")
        if int(request.priority) not in _LANES or not 0 <= request.shard < request.shards:
            raise CallerFault(Reason.INVALID, "no such lane or shard", field="shard")
        self._delivering.deliver(
            request.gateway_epoch,
            Priority(request.priority),
            request.shard,
            request.shards,
            [
                DeliveryRow(
                    delivery.position,
                    delivery.previous if delivery.HasField("previous") else None,
                    delivery.row,
                )
                for delivery in request.deliveries
            ],
            resync=request.resync,
        )
        return DeliverResponse()
