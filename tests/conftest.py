"""Fixtures that several rooms use, and how properties are tried."""

from hypothesis import HealthCheck, settings

from tests.house.examples import load_profile

pytest_plugins = [
    "tests.house.spread",
    "tests.servers.authority",
    "tests.servers.nats",
    "tests.servers.cassandra",
]

# A slow machine fails no test.
load_profile(settings(deadline=None, suppress_health_check=[HealthCheck.too_slow]))
