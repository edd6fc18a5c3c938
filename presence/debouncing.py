"""When a change is told. Pure: the caller has the clock."""

from typing import Generic, TypeVar

Value = TypeVar("Value")


class Debounced(Generic[Value]):
    """A value as somebody is told of it: a change counts once the value has been other than `told` for an interval without going back."""

    __slots__ = ("_since_ms", "now", "told")

    def __init__(self, told: Value) -> None:
        self.told = told
        self.now = told
        self._since_ms: int | None = None

    @property
    def is_settled(self) -> bool:
        """There is nothing to tell, now or later, unless the value changes."""
        return self._since_ms is None

    def see(self, value: Value, now_ms: int) -> None:
        """What holds now."""
        self.now = value
        if value == self.told:
            self._since_ms = None
        elif self._since_ms is None:
            self._since_ms = now_ms

    def is_due(self, interval_ms: int, now_ms: int) -> bool:
        """`now` is to be told."""
        return self._since_ms is not None and now_ms - self._since_ms >= interval_ms

    def tell(self) -> None:
        """What holds now is told."""
        self.told = self.now
        self._since_ms = None
