"""Where Cassandra is, and how it is asked."""

from typing import Any

import pytest
from pydantic import ValidationError

from reno.config.cassandra_settings import CassandraSettings


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"user": "reno"}, "user and password go together"),
        ({"password": "secret"}, "user and password go together"),
        ({"ca_file": "ca.pem", "key_file": "k.pem"}, "certificate_file and key_file go together"),
        ({"certificate_file": "c.pem", "key_file": "k.pem"}, "certificate_file needs ca_file"),
        ({"contact_points": ("a:1", "b:2")}, "the same port"),
    ],
)
def test_half_of_a_setting_is_refused(given: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        CassandraSettings.model_validate(given)


def test_a_password_is_not_shown() -> None:
    settings = CassandraSettings.model_validate({"user": "reno", "password": "secret"})
    assert "secret" not in f"{settings!r} {settings.model_dump_json()}"
