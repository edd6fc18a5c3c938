"""A keyspace for one demo, where the inbox is Cassandra: the demo's log begins anew, so its inbox must too."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from time import time_ns

from reno.adapters.inboxes import CASSANDRA
from reno.cli.fault import load_settings
from reno.config.loading import PREFIX


@asynccontextmanager
async def own_keyspace() -> AsyncIterator[Mapping[str, str]]:
    """The environment for the demo's processes: of the caller's settings only where its Cassandra is. The keyspace is dropped at the end."""
    inbox = load_settings().inbox
    apart = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    if inbox.engine != CASSANDRA:
        yield apart
        return
    from reno.adapters import cassandra_schema  # noqa: PLC0415

    name = f"reno_demo_{time_ns()}"
    try:
        where = {n: value for n, value in os.environ.items() if n.startswith(f"{PREFIX}INBOX__")}
        yield {**apart, **where, f"{PREFIX}INBOX__KEYSPACE": name}
    finally:
        own = inbox.model_copy(update={"keyspace": name})
        await asyncio.to_thread(cassandra_schema.drop, own)
