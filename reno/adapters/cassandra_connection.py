"""One connection to Cassandra: the driver's threads, and the statements that were prepared through them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import acsylla  # type: ignore[import-untyped]
from acsylla import errors

from reno.adapters.tls_files import pem
from reno.config.cassandra_settings import CassandraSettings
from reno.domain.reason import Reason
from reno.errors import Unavailable


class Verify(IntEnum):
    """The driver's flags for certificates: acsylla 1.2's own PEER_IDENTITY has the value of PEER_CERT, and verifies no address."""

    SIGNED = 1
    SIGNED_FOR_ADDRESS = 3


@dataclass(frozen=True, slots=True)
class CassandraConnection:
    """Belongs to the event loop that made it."""

    session: Any
    prepared: Mapping[str, Any]
    _cluster: Any

    async def close(self) -> None:
        """Waits for what is in flight."""
        try:
            await self.session.close()
        finally:
            self._cluster.destroy()


async def connect(
    settings: CassandraSettings, statements: Mapping[str, str]
) -> CassandraConnection:
    """All statements are prepared, or it raises: Unavailable when no node answers, refuses the user or lacks the schema; OSError naming a file of TLS that is of no use."""
    cluster = _cluster(settings)
    session: Any = None
    try:
        session = await cluster.create_session()
        prepared = {
            name: await session.create_prepared(qualified(statement, settings.keyspace))
            for name, statement in statements.items()
        }
    except BaseException as error:
        if session is not None:
            await session.close()
        cluster.destroy()
        if isinstance(error, errors.CassException):
            raise Unavailable(
                Reason.NOT_READY, f"Cassandra: {_advised(error, settings)}"
            ) from error
        raise
    return CassandraConnection(session, prepared, cluster)


def qualified(statement: str, keyspace: str) -> str:
    """With the keyspace before the table: nodes warn of statements that are prepared after USE, and know them by other ids."""
    return re.sub(r"\b(FROM|INTO|UPDATE) ", rf"\1 {keyspace}.", statement)


def _cluster(settings: CassandraSettings) -> Any:
    password = settings.password
    return acsylla.create_cluster(
        list(settings.contact_hosts),
        port=settings.contact_port,
        username=settings.user,
        password=None if password is None else password.get_secret_value(),
        ssl_enabled=settings.ca_file is not None,
        ssl_trusted_cert=pem(settings.ca_file),
        ssl_cert=pem(settings.certificate_file),
        ssl_private_key=pem(settings.key_file),
        ssl_verify_flags=Verify.SIGNED_FOR_ADDRESS if settings.verify_address else Verify.SIGNED,
        connect_timeout=settings.connect_timeout_s,
        request_timeout=settings.request_timeout_s,
        consistency=settings.consistency,
        # Only `claim` and `reshard` are transactions; as all else they are decided in the local data centre.
        serial_consistency="local_serial",
        load_balance_dc_aware=settings.local_dc,
        speculative_execution_policy=acsylla.SpeculativeExecutionPolicy(
            constant_delay_ms=round(settings.speculate_after_s * 1000),
            max_speculative_executions=1,
        ),
        # A node that was away is wanted back in seconds, not in the driver's minute.
        exponential_reconnect_base_delay_ms=500,
        exponential_reconnect_max_delay_ms=5000,
        heartbeat_interval_sec=5,
        idle_timeout_sec=15,
        # What fails is raised here.
        log_level="disabled",
        application_name="reno",
    )


def _advised(error: Exception, settings: CassandraSettings) -> str:
    if isinstance(error, errors.CassErrorServerInvalidQuery):
        return f"{error} (reno schema apply makes it)"
    if isinstance(error, errors.CassErrorLibNoHostsAvailable):
        where = ", ".join(settings.contact_points)
        return f"{error} (asked {where} for data centre {settings.local_dc})"
    return str(error)
