"""The keyspace's schema: numbered CQL files, each applied once, and the table that says which were."""

import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from importlib import resources
from typing import Any

from cassandra import (  # type: ignore[import-untyped]
    AuthenticationFailed,
    ConsistencyLevel,
    DriverException,
)
from cassandra.auth import PlainTextAuthProvider  # type: ignore[import-untyped]
from cassandra.cluster import (  # type: ignore[import-untyped]
    EXEC_PROFILE_DEFAULT,
    Cluster,
    ExecutionProfile,
    NoHostAvailable,
)
from cassandra.connection import ConnectionException  # type: ignore[import-untyped]
from cassandra.policies import DCAwareRoundRobinPolicy  # type: ignore[import-untyped]

from reno.adapters.tls_files import client_context
from reno.config.cassandra_settings import CassandraSettings
from reno.domain.reason import Reason
from reno.errors import Unavailable, WrongState

CHANGE_TIMEOUT_S = 60.0
"""Of one statement."""

AGREEMENT_TIMEOUT_S = 30.0
"""Of all nodes that are up, after each change."""

_VERSIONS = "CREATE TABLE IF NOT EXISTS schema_versions (version int PRIMARY KEY, name text, checksum text, applied_at timestamp)"


class State(StrEnum):
    """Of one numbered file."""

    APPLIED = "applied"
    PENDING = "pending"


@dataclass(frozen=True, slots=True)
class Change:
    """A numbered CQL file."""

    version: int
    name: str
    statements: Sequence[str]
    checksum: str


@dataclass(frozen=True, slots=True)
class Step:
    """A file, and whether the keyspace has it."""

    change: Change
    state: State


def changes() -> list[Change]:
    """All that this version ships, in order."""
    files = resources.files("reno.adapters") / "cql"
    found = [
        parse_change(file.name, file.read_text(encoding="utf-8"))
        for file in files.iterdir()
        if file.name.endswith(".cql")
    ]
    return sorted(found, key=lambda change: change.version)


def parse_change(name: str, text: str) -> Change:
    """`name` begins with the number; statements end with a semicolon, comments with the line. No semicolon may stand in a comment or a string."""
    code = "\n".join(line.partition("--")[0].rstrip() for line in text.splitlines())
    statements = [part.strip() for part in code.split(";") if part.strip()]
    checksum = sha256("\n".join(statements).encode()).hexdigest()[:16]
    return Change(int(name.partition("_")[0]), name, statements, checksum)


def status(settings: CassandraSettings) -> list[Step]:
    """Every file, and whether the keyspace has it. Changes nothing. Raises Unavailable and WrongState. Blocks."""
    with _connected(settings) as session:
        if settings.keyspace not in session.cluster.metadata.keyspaces:
            return steps(changes(), {})
        return steps(changes(), _applied(session, settings.keyspace))


def apply(settings: CassandraSettings) -> list[Change]:
    """Makes the keyspace where it is missing and applies what is pending; the files that were applied now. One at a time: two at once may collide, and then both are
    run again. Raises Unavailable and WrongState. Blocks."""
    with _connected(settings) as session:
        if settings.keyspace not in session.cluster.metadata.keyspaces:
            _change(session, keyspace_statement(settings))
        session.set_keyspace(settings.keyspace)
        _change(session, _VERSIONS)
        known = _applied(session, settings.keyspace)
        pending = [step.change for step in steps(changes(), known) if step.state is State.PENDING]
        insert = session.prepare(
            "INSERT INTO schema_versions (version, name, checksum, applied_at) VALUES (?, ?, ?, toTimestamp(now()))"
        )
        for change in pending:
            for statement in change.statements:
                _change(session, statement)
            session.execute(insert, (change.version, change.name, change.checksum))
        return pending


def drop(settings: CassandraSettings) -> None:
    """The keyspace with everything in it. Raises Unavailable. Blocks."""
    with _connected(settings) as session:
        _change(session, f"DROP KEYSPACE IF EXISTS {settings.keyspace}")


def keyspace_statement(settings: CassandraSettings) -> str:
    """Replicated in local_dc only; other data centres are an operator's ALTER KEYSPACE."""
    return (
        f"CREATE KEYSPACE IF NOT EXISTS {settings.keyspace} WITH replication = "
        f"{{'class': 'NetworkTopologyStrategy', '{settings.local_dc}': {settings.replication_factor}}}"
    )


def steps(shipped: Sequence[Change], applied: dict[int, str]) -> list[Step]:
    """`applied`: checksums by version. Raises WrongState where the keyspace has what this version does not know, or a file was changed after it was applied."""
    numbers = {change.version for change in shipped}
    if unknown := sorted(set(applied) - numbers):
        raise WrongState(
            Reason.NOT_READY, f"the keyspace has version {unknown[-1]}: a newer RENO made it"
        )
    for change in shipped:
        if applied.get(change.version, change.checksum) != change.checksum:
            raise WrongState(Reason.NOT_READY, f"{change.name} was changed after it was applied")
    return [
        Step(change, State.APPLIED if change.version in applied else State.PENDING)
        for change in shipped
    ]


@dataclass(frozen=True, slots=True)
class Facts:
    """What a keyspace and the node that was asked say of themselves."""

    replicas: int
    """In local_dc."""
    commitlog_sync: str


def facts(settings: CassandraSettings) -> Facts:
    """Of a keyspace that is there. Raises Unavailable. Blocks."""
    with _connected(settings) as session:
        strategy = session.cluster.metadata.keyspaces[settings.keyspace].replication_strategy
        by_dc = getattr(strategy, "dc_replication_factors", None)
        # SimpleStrategy knows no data centres.
        replicas = strategy.replication_factor if by_dc is None else by_dc.get(settings.local_dc, 0)
        rows = session.execute("SELECT name, value FROM system_views.settings")
        found = {row.name: row.value for row in rows}
        return Facts(int(replicas), found.get("commitlog_sync", "unknown"))


def _change(session: Any, statement: str) -> None:
    """Raises Unavailable where the nodes do not agree on it in time: what follows could tear the schema apart."""
    change = session.execute_async(statement)
    change.result()
    if not change.is_schema_agreed:
        raise Unavailable(
            Reason.NOT_READY,
            f"Cassandra's nodes do not agree on the schema after {AGREEMENT_TIMEOUT_S:g} s: apply it again when they do",
        )


def _applied(session: Any, keyspace: str) -> dict[int, str]:
    tables = session.cluster.metadata.keyspaces[keyspace].tables
    if "schema_versions" not in tables:
        return {}
    rows = session.execute(f"SELECT version, checksum FROM {keyspace}.schema_versions")
    return {row.version: row.checksum for row in rows}


@contextmanager
def _connected(settings: CassandraSettings) -> Iterator[Any]:
    auth = None
    if settings.user is not None and settings.password is not None:
        auth = PlainTextAuthProvider(settings.user, settings.password.get_secret_value())
    try:
        context = _tls(settings)
    except OSError as error:
        raise WrongState(Reason.NOT_READY, str(error)) from error
    cluster = Cluster(
        settings.contact_hosts,
        port=settings.contact_port,
        auth_provider=auth,
        ssl_context=context,
        connect_timeout=settings.connect_timeout_s,
        control_connection_timeout=settings.connect_timeout_s,
        max_schema_agreement_wait=AGREEMENT_TIMEOUT_S,
        execution_profiles={
            EXEC_PROFILE_DEFAULT: ExecutionProfile(
                load_balancing_policy=DCAwareRoundRobinPolicy(settings.local_dc),
                # Which versions are applied is said and asked like everything else: one node may not know.
                consistency_level=ConsistencyLevel.name_to_value[settings.consistency.upper()],
                request_timeout=CHANGE_TIMEOUT_S,
            )
        },
    )
    try:
        with cluster.connect() as session:
            yield session
    except NoHostAvailable as error:
        raise Unavailable(Reason.NOT_READY, _unreached(settings, error.errors)) from error
    except (DriverException, ConnectionException) as error:
        # The second, which is not one of the first: a node does not know the keyspace yet.
        raise Unavailable(Reason.NOT_READY, f"Cassandra: {error}") from error
    finally:
        cluster.shutdown()


def _unreached(settings: CassandraSettings, faults: object) -> str:
    where = ", ".join(settings.contact_points)
    if not isinstance(faults, Mapping):
        return f"no node of {where} is in data centre {settings.local_dc}"
    for fault in faults.values():
        if isinstance(fault, AuthenticationFailed):
            who = f"refuses user {settings.user}" if settings.user else "wants a user"
            return f"Cassandra at {where} {who}"
        # The driver hands on the words, not the error.
        if "[SSL" in str(fault):
            return f"no TLS with Cassandra at {where}: {fault}"
    return f"no Cassandra answers at {where}"


def _tls(settings: CassandraSettings) -> ssl.SSLContext | None:
    if settings.ca_file is None:
        return None
    context = client_context(settings.ca_file, settings.certificate_file, settings.key_file)
    context.check_hostname = settings.verify_address
    return context
