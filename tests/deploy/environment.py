"""A container's RENO_ variables, as the process would read them."""

import os
from collections.abc import Mapping

import pytest

from reno.config import loading
from reno.config.settings import Settings


def settings_of(variables: Mapping[str, str], patch: pytest.MonkeyPatch) -> Settings:
    """Raises ConfigError for what the process would refuse. Other RENO_ variables are not seen."""
    with patch.context() as here:
        for name in os.environ:
            if name.startswith(loading.PREFIX):
                here.delenv(name)
        for name, value in variables.items():
            if name.startswith(loading.PREFIX):
                here.setenv(name, value)
        return loading.load()


def drain_s(settings: Settings) -> float:
    """How long the longest drain of a role may take, by its limits: a gateway's."""
    return settings.gateway.drain_wait_s + 2 * settings.server.drain_s
