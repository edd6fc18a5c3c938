"""Fixtures that several rooms use."""

pytest_plugins = ["tests.servers.nats", "tests.servers.cassandra", "tests.servers.cassandra_ring"]
