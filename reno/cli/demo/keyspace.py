"""A keyspace for one demo, where the inbox is Cassandra: the demo's log begins anew, so its inbox must too."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from time import time_ns

from pydantic import SecretStr

from reno.adapters.inboxes import CASSANDRA
from reno.cli.fault import load_settings
from reno.config.cassandra_settings import CassandraSettings
from reno.config.loading import PREFIX

SECTION = f"{PREFIX}INBOX__"


@asynccontextmanager
async def own_keyspace(engine: str | None = None) -> AsyncIterator[Mapping[str, str]]:
    """The environment for the demo's processes: of the caller's settings only where its Cassandra is. `engine` wins over theirs. The keyspace is dropped at the end."""
    inbox = load_settings({"inbox": {"engine": engine}} if engine else None).inbox
    apart = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    if inbox.engine != CASSANDRA:
        yield apart
        return
    from reno.adapters import cassandra_schema  # noqa: PLC0415

    own = inbox.model_copy(update={"keyspace": f"reno_demo_{time_ns()}"})
    try:
        yield {**apart, **where_of(own), f"{SECTION}ENGINE": CASSANDRA}
    finally:
        await asyncio.to_thread(cassandra_schema.drop, own)


def where_of(inbox: CassandraSettings) -> dict[str, str]:
    """The same settings as environment, wherever they came from; files by their absolute paths."""
    found = {}
    for name in CassandraSettings.model_fields:
        value = getattr(inbox, name)
        if isinstance(value, SecretStr):
            value = value.get_secret_value()
        elif isinstance(value, tuple):
            value = json.dumps(value)
        elif isinstance(value, Path):
            value = value.absolute()
        if value is not None:
            found[f"{SECTION}{name.upper()}"] = str(value)
    return found
