"""Who may do what on the log's servers: each role its subjects, nothing else. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reno.adapters.nats_names import (
    DEAD_STREAM,
    closed_subject,
    inbox_prefix,
    roster_subject,
    stream_of,
)
from reno.domain.priority import LANES, Priority

ACCOUNT = "RENO"
INGESTION = "ingestion"
OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Permissions:
    """Of one user; what is not listed is refused."""

    publish: Sequence[str]
    subscribe: Sequence[str]


def processor_user(priority: Priority) -> str:
    """The lane's processors' name."""
    return f"processor-{priority.word}"


def permissions() -> Mapping[str, Permissions]:
    """By user: ingestion, a processor for each lane, and who looks after dead letters and changes the number of shards."""
    return {
        INGESTION: _ingestion(),
        **{processor_user(lane): _processor(lane) for lane in LANES},
        OPERATOR: _operator(),
    }


def password_variable(user: str) -> str:
    """The environment variable that the server takes the user's password from."""
    return f"NATS_{user.replace('-', '_').upper()}_PASSWORD"


def render_accounts() -> str:
    """The accounts block of a server's configuration. Passwords stay in the server's environment, in double quotes where they look like numbers."""
    lines = ["accounts {", f"  {ACCOUNT} {{", "    jetstream: enabled", "    users: ["]
    for user, may in permissions().items():
        lines += [
            "      {",
            f"        user: {json.dumps(user)}",
            f"        password: ${password_variable(user)}",
            "        permissions {",
            f"          publish {{ allow: {json.dumps(list(may.publish))} }}",
            f"          subscribe {{ allow: {json.dumps(list(may.subscribe))} }}",
            "        }",
            "      }",
        ]
    lines += ["    ]", "  }", "}"]
    return "\n".join(lines) + "\n"


def _ingestion() -> Permissions:
    return Permissions(
        publish=[
            "reno.events.>",
            *(f"$JS.API.STREAM.INFO.{stream_of(lane)}" for lane in LANES),
        ],
        subscribe=[f"{inbox_prefix(INGESTION)}.>"],
    )


def _operator() -> Permissions:
    return Permissions(
        publish=[
            "reno.events.>",
            *(closed_subject(lane) for lane in LANES),
            *(
                f"$JS.API.STREAM.{request}.{stream_of(lane)}"
                for lane in LANES
                for request in ("INFO", "UPDATE", "PURGE")
            ),
            f"$JS.API.STREAM.INFO.{DEAD_STREAM}",
            f"$JS.API.STREAM.MSG.GET.{DEAD_STREAM}",
            f"$JS.API.STREAM.MSG.DELETE.{DEAD_STREAM}",
        ],
        subscribe=[f"{inbox_prefix(OPERATOR)}.>"],
    )


def _processor(lane: Priority) -> Permissions:
    stream = stream_of(lane)
    return Permissions(
        publish=[
            f"$JS.API.STREAM.INFO.{stream}",
            f"$JS.API.STREAM.CREATE.{stream}",
            f"$JS.API.STREAM.UPDATE.{stream}",
            f"$JS.API.STREAM.PURGE.{stream}",
            f"$JS.API.STREAM.MSG.GET.{stream}",
            f"$JS.API.CONSUMER.CREATE.{stream}.*.reno.events.{lane.word}.*.*",
            f"$JS.API.CONSUMER.MSG.NEXT.{stream}.*",
            f"$JS.API.STREAM.INFO.{DEAD_STREAM}",
            f"$JS.API.STREAM.CREATE.{DEAD_STREAM}",
            f"reno.dead.{lane.word}.*.*",
            f"{roster_subject(lane)}.*",
        ],
        subscribe=[f"{inbox_prefix(processor_user(lane))}.>", f"{roster_subject(lane)}.*"],
    )
