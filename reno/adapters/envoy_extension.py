"""How Envoy names what it is made of. Pure."""

from typing import Any

Block = dict[str, Any]

TYPES = "type.googleapis.com/envoy."


def extension(name: str, kind: str, **fields: Any) -> Block:
    """One of Envoy's extensions with its configuration, a message of `kind` below envoy."""
    return {"name": name, "typed_config": {"@type": TYPES + kind, **fields}}
