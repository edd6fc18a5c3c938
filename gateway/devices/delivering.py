"""Hands what processors deliver to the sessions that this gateway holds. Never waits for one."""

from collections.abc import Sequence

from gateway.devices.looking import Looking
from gateway.devices.registry import Registry
from gateway.devices.view import RowView, view_parsed
from reno.domain.member import NO_TENANT
from reno.domain.priority import Priority
from reno.domain.reason import Reason
from reno.errors import CallerFault, WrongState
from reno.ports import DeliveryRow
from reno.wire.envelope import Unreadable, open_row


class Delivering:
    """`epoch` is this start of the gateway, as presence knows it."""

    def __init__(self, registry: Registry, looking: Looking, epoch: int) -> None:
        self._registry = registry
        self._looking = looking
        self._epoch = epoch

    def deliver(
        self,
        epoch: int,
        priority: Priority,
        shard: int,
        shards: int,
        deliveries: Sequence[DeliveryRow],
        *,
        resync: bool,
    ) -> None:
        """In log order. Repeats are harmless. Raises WrongState (FENCED) and CallerFault (MALFORMED), and then nothing was handed over."""
        if epoch != self._epoch:
            raise WrongState(Reason.FENCED, f"this gateway's epoch is {self._epoch}")
        parsed = [self._parse(delivery) for delivery in deliveries]
        if resync:
            concerned = self._registry.of_shard(shard, shards)
            self._looking.soon([session.number for session in concerned], [priority])
        for delivery, (tenant, row) in zip(deliveries, parsed, strict=True):
            if row is None:
                continue
            for session in self._registry.of_member(tenant, row.member_id):
                session.deliver(priority, row, delivery.previous)

    def _parse(self, delivery: DeliveryRow) -> tuple[str, RowView | None]:
        """None: no session of the member is here."""
        try:
            row = open_row(delivery.row)
            if not self._registry.of_member(row.tenant, row.event.member_id):
                return NO_TENANT, None
            return row.tenant, view_parsed(delivery.position, row, len(delivery.row))
        except Unreadable as error:
            raise CallerFault(
                Reason.MALFORMED, f"position {delivery.position}: {error}", field="deliveries"
            ) from error
