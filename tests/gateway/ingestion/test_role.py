import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest

from gateway.ingestion.role import IngestionRole
from reno.adapters.nats_connection import NatsConnection
from reno.adapters.nats_log_reader import NatsLogReader
from reno.adapters.nats_log_writer import NatsLogWriter
from reno.config.settings import IngestionSettings, LogSettings, ServerSettings, Settings
from reno.domain.member import member_key, shard_of
from reno.domain.position import parts_of
from reno.domain.priority import LANES, Priority
from reno.ports import LogRecord, Shard
from reno.v1 import ingestion_service_pb2 as contract
from reno.v1.envelope_pb2 import Row
from reno.v1.ingestion_service_pb2_grpc import IngestionServiceStub
from reno.wire.envelope import open_envelope
from tests.gateway.ingestion.examples import CATALOGUE, event
from tests.gateway.ingestion.scripted_log import ScriptedLog
from tests.gateway.ingestion.test_service import PATIENCE_S, WHO, refused, until_serving
from tests.servers.nats import NatsProcess

SETTINGS = Settings(
    ingestion=IngestionSettings(listen="127.0.0.1:0"), server=ServerSettings(drain_s=1)
)


IMPATIENT = SETTINGS.model_copy(
    update={
        "ingestion": IngestionSettings(
            listen="127.0.0.1:0", deadline_s=0.2, max_unconfirmed_envelopes=2
        ),
        "log": LogSettings(publish_timeout_s=0.1),
    }
)


async def synced() -> bool:
    return True


@asynccontextmanager
async def running(role: IngestionRole) -> AsyncIterator[grpc.aio.Channel]:
    await role.start()
    try:
        async with grpc.aio.insecure_channel(role.addresses["ingestion"]) as channel:
            yield channel
    finally:
        await asyncio.wait_for(role.drain(), PATIENCE_S)


async def test_not_serving_until_every_lane_is_there_and_the_log_syncs() -> None:
    log = ScriptedLog()
    is_synced = False

    async def are_synced() -> bool:
        return is_synced

    async with running(IngestionRole(SETTINGS, CATALOGUE, log, are_synced)) as channel:
        stub = IngestionServiceStub(channel)
        request = contract.PublishRequest(event=event())

        async def publish() -> contract.PublishResponse:
            return await stub.Publish(request, metadata=WHO, timeout=PATIENCE_S)

        not_ready = (grpc.StatusCode.UNAVAILABLE, "NOT_READY", "")
        assert await refused(publish()) == not_ready
        await log.open_lanes()
        assert await refused(publish()) == not_ready
        is_synced = True
        await until_serving(channel)
        assert (await publish()).position > 0


async def test_truthful_a_log_that_confirms_nothing_is_said_until_it_confirms_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Isolated: as long as one lane confirms, the others' callers are not sent away."""
    for name in ("READY_LOOK_S", "LOOK_S"):
        monkeypatch.setattr(f"gateway.ingestion.role.{name}", 0.05)
    log = ScriptedLog()
    await log.open_lanes()
    uncertain = (grpc.StatusCode.UNAVAILABLE, "UNCERTAIN", "")
    async with running(IngestionRole(IMPATIENT, CATALOGUE, log, synced)) as channel:
        await until_serving(channel)
        stub = IngestionServiceStub(channel)

        async def publish() -> contract.PublishResponse:
            request = contract.PublishRequest(event=event())
            return await stub.Publish(request, metadata=WHO, timeout=PATIENCE_S)

        for silent, is_serving in (({Priority.HIGH}, True), (set(LANES), False)):
            log.silent, asked = silent, len(log.attempts)
            for _ in range(IMPATIENT.ingestion.max_unconfirmed_envelopes):
                assert await refused(publish()) == uncertain
            while {shard.priority for shard, *_ in log.attempts[asked:]} != set(LANES):
                await asyncio.sleep(0.01)
            await until_serving(channel, is_serving=is_serving)
        assert await refused(publish()) == (grpc.StatusCode.UNAVAILABLE, "NOT_READY", "")
        log.silent = set(LANES) - {Priority.LOW}
        await until_serving(channel)
        log.silent = set()
        assert (await publish()).position > 0


async def test_the_role_fails_with_its_writer() -> None:
    log = ScriptedLog()
    await log.open_lanes()
    log.failures.append(ValueError("larger than the log takes"))
    role = IngestionRole(SETTINGS, CATALOGUE, log, synced)
    async with running(role) as channel:
        await until_serving(channel)
        stub = IngestionServiceStub(channel)
        call = stub.Publish(contract.PublishRequest(event=event()), metadata=WHO)
        with pytest.raises(ValueError, match="larger"):
            await asyncio.wait_for(role.wait(), PATIENCE_S)
        call.cancel()


async def test_durable_and_ordered_on_a_real_log(fresh_nats: NatsProcess) -> None:
    """Durable: what was acknowledged is in the log after kill -9. Ordered: a member's events stand as they were sent."""
    log_settings = fresh_nats.settings()
    settings = SETTINGS.model_copy(update={"log": log_settings})
    connection = NatsConnection(log_settings, "test")
    await connection.connect()
    reader = NatsLogReader(connection, log_settings, 1 << 20)
    shards = {lane: (await reader.open_lane(lane)).shards for lane in LANES}
    writer = NatsLogWriter(connection)
    role = IngestionRole(settings, CATALOGUE, writer, connection.is_synced)
    try:
        async with running(role) as channel:
            await until_serving(channel)
            stub = IngestionServiceStub(channel)

            async def publish(start: int) -> list[int]:
                events = [event(number) for number in range(start, start + 20)]
                response = await stub.PublishBatch(
                    contract.PublishBatchRequest(events=events), metadata=WHO, timeout=PATIENCE_S
                )
                assert [each.status for each in response.results] == [1] * 20
                return [each.position for each in response.results]

            positions = await publish(0)
            fresh_nats.kill()
            while connection.is_connected:
                await asyncio.sleep(0.01)
            later = asyncio.create_task(publish(20))
            fresh_nats.start()
            positions += await later
        assert positions == sorted(set(positions))
        count = shards[Priority.HIGH]
        shard = Shard(Priority.HIGH, shard_of(member_key("", "anna"), count), count)
        places = {}
        for record in await read(reader, shard, 2):
            for index, raw in enumerate(open_envelope(record.payload).rows):
                places[record.sequence, index] = Row.FromString(raw).event.id
        assert [places[parts_of(each)[1:]] for each in positions] == [f"e-{n}" for n in range(40)]
    finally:
        await connection.close()


async def read(reader: NatsLogReader, shard: Shard, count: int) -> list[LogRecord]:
    records: list[LogRecord] = []
    async with asyncio.timeout(PATIENCE_S):
        async for batch in reader.read(shard, 1):
            records += batch
            if len(records) >= count:
                break
    return records
