"""How quickly a peer may cancel calls that were not answered yet. Pure."""


class ResetBound:
    """So many in any second."""

    def __init__(self, per_s: int) -> None:
        self._per_s = per_s
        self._left = float(per_s)
        self._at_s = 0.0

    def allows(self, now_s: float) -> bool:
        """One more, at this time."""
        self._left = min(self._per_s, self._left + (now_s - self._at_s) * self._per_s) - 1
        self._at_s = now_s
        return self._left >= 0
