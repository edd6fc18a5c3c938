"""The keyspace's schema: numbered CQL files, each applied once, and the table that says which were."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from importlib import resources
from typing import Any

from cassandra import DriverException  # type: ignore[import-untyped]
from cassandra.auth import PlainTextAuthProvider  # type: ignore[import-untyped]
from cassandra.cluster import (  # type: ignore[import-untyped]
    EXEC_PROFILE_DEFAULT,
    Cluster,
    ExecutionProfile,
    NoHostAvailable,
)
from cassandra.policies import DCAwareRoundRobinPolicy  # type: ignore[import-untyped]

from reno.config.cassandra_settings import CassandraSettings
from reno.domain.reason import Reason
from reno.errors import Unavailable, WrongState

CHANGE_TIMEOUT_S = 60.0
"""Of one statement: every node has to agree."""

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
            session.execute(keyspace_statement(settings))
        session.set_keyspace(settings.keyspace)
        session.execute(_VERSIONS)
        known = _applied(session, settings.keyspace)
        pending = [step.change for step in steps(changes(), known) if step.state is State.PENDING]
        insert = session.prepare(
            "INSERT INTO schema_versions (version, name, checksum, applied_at) VALUES (?, ?, ?, toTimestamp(now()))"
        )
        for change in pending:
            for statement in change.statements:
                session.execute(statement)
            session.execute(insert, (change.version, change.name, change.checksum))
        return pending


def drop(settings: CassandraSettings) -> None:
    """The keyspace with everything in it. Raises Unavailable. Blocks."""
    with _connected(settings) as session:
        session.execute(f"DROP KEYSPACE IF EXISTS {settings.keyspace}")


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


def server_settings(settings: CassandraSettings, names: Sequence[str]) -> dict[str, str]:
    """What the asked node says of itself (system_views.settings). Raises Unavailable. Blocks."""
    with _connected(settings) as session:
        rows = session.execute("SELECT name, value FROM system_views.settings")
        return {row.name: row.value for row in rows if row.name in names}


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
    cluster = Cluster(
        settings.contact_hosts,
        port=settings.contact_port,
        auth_provider=auth,
        connect_timeout=settings.connect_timeout_s,
        execution_profiles={
            EXEC_PROFILE_DEFAULT: ExecutionProfile(
                load_balancing_policy=DCAwareRoundRobinPolicy(settings.local_dc),
                request_timeout=CHANGE_TIMEOUT_S,
            )
        },
    )
    try:
        with cluster.connect() as session:
            yield session
    except NoHostAvailable as error:
        where = ", ".join(settings.contact_points)
        raise Unavailable(Reason.NOT_READY, f"no Cassandra answers at {where}") from error
    except DriverException as error:
        raise Unavailable(Reason.NOT_READY, f"Cassandra: {error}") from error
    finally:
        cluster.shutdown()
