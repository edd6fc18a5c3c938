"""Whether Cassandra answers, has the schema, and keeps what it confirms."""

from reno.cli.checks import Check, fail, ok, warn
from reno.cli.fault import Fault
from reno.cli.schema import found
from reno.config.cassandra_settings import CassandraSettings
from reno.errors import Unavailable

NAME = "cassandra"
SYNC = "commitlog_sync"
SAFE_REPLICAS = 3
"""With so many, what one node loses in a crash the others have."""


def cassandra(settings: CassandraSettings) -> Check:
    """Blocks for as long as the nodes take to answer."""
    where = ", ".join(settings.contact_points)
    try:
        steps = found(settings)
    except Fault as fault:
        advice = "start it (make cassandra), or set inbox.contact_points"
        return fail(NAME, "; ".join(fault.text.splitlines()), advice)
    pending = [step.change.name for step in steps if step.state.value == "pending"]
    if pending:
        return fail(NAME, f"{where} lacks {', '.join(pending)}", "reno schema apply")
    return durability(where, settings.replication_factor, _sync(settings))


def durability(where: str, replicas: int, sync: str) -> Check:
    """What a node that confirms may still lose."""
    if sync == "periodic" and replicas < SAFE_REPLICAS:
        return warn(
            NAME,
            f"{where} confirms before it syncs, and inbox.replication_factor is {replicas}: kill -9 loses rows",
            "set commitlog_sync to group or batch, or keep 3 replicas",
        )
    return ok(NAME, f"{where} has the schema; {SYNC} {sync}, {replicas} replica(s)")


def _sync(settings: CassandraSettings) -> str:
    from reno.adapters.cassandra_schema import server_settings  # noqa: PLC0415

    try:
        return server_settings(settings, [SYNC]).get(SYNC, "unknown")
    except Unavailable:
        return "unknown"
