"""What `reno up` starts its roles with."""

import pytest

from reno.cli.ports import pick_free
from reno.cli.up_children import role_children
from reno.config.loading import load
from reno.config.transport import GRPCIO, H2

GATEWAY, INGESTION = "RENO_GATEWAY__TRANSPORT", "RENO_INGESTION__TRANSPORT"


@pytest.mark.parametrize(
    ("mesh", "said", "expected"),
    [
        (True, {}, {GATEWAY: H2, INGESTION: H2}),
        (True, {GATEWAY: GRPCIO}, {GATEWAY: GRPCIO, INGESTION: H2}),
        (False, {}, {}),
        (False, {GATEWAY: H2}, {GATEWAY: H2}),
    ],
)
def test_doors_behind_envoy_speak_over_the_thin_transport_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch, mesh: bool, said: dict[str, str], expected: dict[str, str]
) -> None:
    for variable, transport in said.items():
        monkeypatch.setenv(variable, transport)
    children = role_children(load(), pick_free(mesh=mesh))
    assert {child.name for child in children} >= {"gateway", "ingestion"}
    for child in children:
        assert {
            name: transport
            for name, transport in child.environment.items()
            if name in (GATEWAY, INGESTION)
        } == expected
