"""What `reno up` says: lines for a person, or one JSON object a line for a program."""

import json
import sys
from collections.abc import Mapping
from typing import Any, Protocol

from reno.cli.child import Happening
from reno.cli.ports import PortPlan

_SILENT_UNLESS_JSON = frozenset({"started", "stopped"})


class Report(Protocol):
    """Where everything that a person may want to know goes."""

    def ready(self, plan: PortPlan, state: Mapping[str, Any]) -> None:
        """All services do their work."""
        ...

    def happened(self, happening: Happening) -> None:
        """Something about a child."""
        ...

    def said(self, child: str, line: str) -> None:
        """A line of a child's log that is worth showing."""
        ...

    def note(self, event: str, text: str) -> None:
        """Something about the whole."""
        ...


def ready_line(plan: PortPlan) -> str:
    """The one line that says where everything listens."""
    doors = ("ingestion", "devices", "presence", "nats", *(["mesh-admin"] if plan.mesh else []))
    places = "  ".join(f"{name} :{plan[name]}" for name in doors)
    return f"ready: {places}  (INSECURE: identity is trusted)"


class PlainReport:
    """The ready line on standard output, the rest on standard error."""

    def ready(self, plan: PortPlan, state: Mapping[str, Any]) -> None:
        """See Report."""
        print(ready_line(plan), flush=True)

    def happened(self, happening: Happening) -> None:
        """Starts and stops go without saying."""
        if happening.what not in _SILENT_UNLESS_JSON:
            self.said(happening.child, f"{happening.what}: {happening.detail}")

    def said(self, child: str, line: str) -> None:
        """See Report."""
        print(f"{child:16} {line}", file=sys.stderr, flush=True)

    def note(self, event: str, text: str) -> None:
        """See Report."""
        print(text, file=sys.stderr, flush=True)


class JsonReport:
    """One JSON object a line on standard output; what children say goes to standard error as it is."""

    def ready(self, plan: PortPlan, state: Mapping[str, Any]) -> None:
        """With everything that up.json has."""
        self._print({"event": "ready", **state})

    def happened(self, happening: Happening) -> None:
        """See Report."""
        self._print(
            {
                "event": happening.what,
                "child": happening.child,
                "pid": happening.pid,
                "detail": happening.detail,
            }
        )

    def said(self, child: str, line: str) -> None:
        """See Report."""
        print(f"{child:16} {line}", file=sys.stderr, flush=True)

    def note(self, event: str, text: str) -> None:
        """See Report."""
        self._print({"event": event, "text": text})

    def _print(self, value: Mapping[str, Any]) -> None:
        print(json.dumps(value), flush=True)
