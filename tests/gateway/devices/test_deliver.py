import grpc
import pytest

from reno.domain.priority import Priority
from reno.ports import DeliveryRow
from tests.gateway.devices.rows import TV, a_row
from tests.gateway.devices.surroundings import a_gateway

pytestmark = pytest.mark.usefixtures("each_transport")


async def test_another_epoch_is_fenced() -> None:
    async with a_gateway() as around:
        with pytest.raises(grpc.aio.AioRpcError) as fenced:
            await around.deliver([], epoch=1)
        assert fenced.value.code() == grpc.StatusCode.FAILED_PRECONDITION
        assert str(fenced.value.details()).startswith("FENCED")


async def test_broken_rows_are_refused_as_a_whole() -> None:
    async with a_gateway() as around:
        client = around.subscribe(TV)
        await client.caught_up()
        good = await around.store(a_row())
        with pytest.raises(grpc.aio.AioRpcError) as broken:
            await around.deliver([*good, DeliveryRow(1 << 30, None, b"\xff")])
        assert broken.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        await around.deliver(good)
        await client.notified()
        assert client.positions == [good[0].position]


async def test_repeats_and_unknown_members_are_harmless() -> None:
    """Once."""
    async with a_gateway() as around:
        client = around.subscribe(TV)
        await client.caught_up()
        rows = await around.store(a_row(), a_row())
        other = await around.store(a_row(member_id="bert"), member_id="bert")
        for _ in range(3):
            await around.deliver(rows)
            await around.deliver(other)
        (last,) = await around.push(a_row())
        while last not in client.positions:
            await client.notified()
        assert client.positions == [*(row.position for row in rows), last]


async def test_no_such_lane_or_shard() -> None:
    async with a_gateway() as around:
        with pytest.raises(grpc.aio.AioRpcError) as invalid:
            await around.deliver([], priority=9)  # type: ignore[arg-type]
        assert invalid.value.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_an_unknown_previous_reads_the_inbox() -> None:
    async with a_gateway() as around:
        client = around.subscribe(TV)
        await client.caught_up()
        missed = await around.store(a_row(), priority=Priority.HIGH)
        (row,) = await around.store(a_row(), priority=Priority.HIGH)
        await around.deliver([DeliveryRow(row.position, None, row.row)], priority=Priority.HIGH)
        while len(client.positions) < 2:
            await client.notified()
        assert client.positions == [missed[0].position, row.position]
