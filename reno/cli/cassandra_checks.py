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
    from reno.adapters.cassandra_schema import facts  # noqa: PLC0415

    try:
        known = facts(settings)
    except Unavailable as error:
        return fail(NAME, str(error), "look at that node's log")
    return judged(settings, known.replicas, known.commitlog_sync)


def judged(settings: CassandraSettings, replicas: int, sync: str) -> Check:
    """What a keyspace with so many replicas in the local data centre, and a node that confirms, may still lose."""
    where = ", ".join(settings.contact_points)
    if replicas == 0:
        return fail(
            NAME,
            f"keyspace {settings.keyspace} has no replica in data centre {settings.local_dc}",
            "ALTER KEYSPACE, or set inbox.local_dc",
        )
    if replicas > 1 and "quorum" not in settings.consistency:
        return warn(
            NAME,
            f"of {replicas} replicas {settings.consistency} asks one: it may not know a row that another one confirmed",
            "set inbox.consistency to local_quorum",
        )
    if sync == "periodic" and replicas < SAFE_REPLICAS:
        return warn(
            NAME,
            f"{where} confirms before it syncs, and the keyspace has {replicas} replica(s): kill -9 loses rows",
            "set commitlog_sync to group or batch, or keep 3 replicas",
        )
    return ok(NAME, f"{where} has the schema; {SYNC} {sync}, {replicas} replica(s)")
