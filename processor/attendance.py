"""Who of a lane's processors lives, as one of them hears it. Pure: times are this process's monotonic seconds, and no clock is compared with another one's."""

from collections.abc import Set

from reno.ports import Beat, Word


class Attendance:
    """Of all that is heard of the lane's processors, oneself among them.

    Who comes listens for settle_s before it says that it is here, so that it knows the others by then; all count it from that word on, itself too, until it says
    that it is gone or is silent for lease_s. Who does not hear himself does not hear others either: the log is away, or this process was frozen. He comes anew
    when his own beats are back; whom he knew before then has a whole lease again.
    """

    def __init__(self, me: str, lease_s: float, settle_s: float) -> None:
        self._me = me
        self._lease_s = lease_s
        self._settle_s = settle_s
        self._is_here: dict[str, bool] = {}
        self._last_s: dict[str, float] = {}
        self._sighted_s = -lease_s

    def heard(self, beat: Beat, at_s: float) -> None:
        """Times never fall from one call to the next."""
        name = beat.name
        if beat.word is Word.GONE:
            self._forget(name)
            return
        is_blind = self._is_gone(self._me, at_s)
        if name == self._me and is_blind:
            self._sighted_s = at_s
            self._forget(name)
        elif not is_blind and self._is_gone(name, at_s):
            self._forget(name)
        self._is_here[name] = self._is_here.get(name, False) or beat.word is Word.HERE
        self._last_s[name] = at_s

    def word(self, at_s: float) -> Word:
        """What to say of oneself."""
        is_settled = at_s - self._sighted_s >= self._settle_s
        return Word.HERE if is_settled and not self._is_gone(self._me, at_s) else Word.COMING

    def living(self, at_s: float) -> Set[str] | None:
        """Those that count. None while one does not count oneself: who has shards keeps them, since two owners of a shard do no harm and none would."""
        if self.word(at_s) is not Word.HERE or not self._is_here[self._me]:
            return None
        for name in [name for name in self._last_s if self._is_gone(name, at_s)]:
            self._forget(name)
        return {name for name, is_here in self._is_here.items() if is_here}

    def _is_gone(self, name: str, at_s: float) -> bool:
        last_s = self._last_s.get(name)
        # Others are silent when one's own beats came meanwhile: where nothing comes any more, nobody is gone for it.
        now_s = at_s if name == self._me else self._last_s.get(self._me, at_s)
        return last_s is None or now_s - max(last_s, self._sighted_s) >= self._lease_s

    def _forget(self, name: str) -> None:
        self._is_here.pop(name, None)
        self._last_s.pop(name, None)
