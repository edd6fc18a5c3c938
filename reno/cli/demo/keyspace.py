"""A keyspace for one demo, where the inbox is Cassandra: the demo's log begins anew, so its inbox must too."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from time import time_ns

from reno.adapters.inboxes import CASSANDRA
from reno.cli.fault import load_settings


@asynccontextmanager
async def own_keyspace() -> AsyncIterator[Mapping[str, str]]:
    """The environment for the demo's processes; the keyspace is dropped at the end."""
    inbox = load_settings().inbox
    if inbox.engine != CASSANDRA:
        yield os.environ
        return
    from reno.adapters import cassandra_schema  # noqa: PLC0415

    name = f"reno_demo_{time_ns()}"
    try:
        yield {**os.environ, "RENO_INBOX__KEYSPACE": name}
    finally:
        own = inbox.model_copy(update={"keyspace": name})
        await asyncio.to_thread(cassandra_schema.drop, own)
