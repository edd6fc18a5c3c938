"""Fixtures of the tests with real processes."""

from tests.e2e.running import running_reno

__all__ = ["running_reno"]
