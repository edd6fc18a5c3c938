"""The lane's inbox as the service sees it: there once it is open, and until it closes."""

from collections.abc import Sequence

from reno.domain.priority import Priority
from reno.domain.reason import Reason
from reno.errors import Unavailable
from reno.ports import Acknowledged, Inbox, Page, Slice


class InboxDoor:
    """Implements reno.ports.InboxReader; raises errors.Unavailable while there is no inbox."""

    def __init__(self) -> None:
        self._inbox: Inbox | None = None

    def open(self, inbox: Inbox) -> None:
        """Reads are answered from now on."""
        self._inbox = inbox

    def close(self) -> Inbox:
        """Reads are refused until another one is open. Raises errors.Unavailable where none is."""
        inbox, self._inbox = self._opened(), None
        return inbox

    async def read(self, priority: Priority, slices: Sequence[Slice], now_ms: int) -> list[Page]:
        """See InboxReader."""
        return await self._opened().read(priority, slices, now_ms)

    async def keep_acknowledged(self, priority: Priority, marks: Sequence[Acknowledged]) -> None:
        """See InboxReader."""
        await self._opened().keep_acknowledged(priority, marks)

    def _opened(self) -> Inbox:
        if self._inbox is None:
            raise Unavailable(Reason.NOT_READY, "the inbox is not open yet")
        return self._inbox
