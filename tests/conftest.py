"""Fixtures that several rooms use, and how properties are tried."""

from hypothesis import HealthCheck, settings

pytest_plugins = [
    "tests.house.spread",
    "tests.servers.authority",
    "tests.servers.nats",
    "tests.servers.cassandra",
]

# A slow machine fails no test.
settings.register_profile("reno", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("reno")
