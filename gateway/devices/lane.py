"""One lane of a session: what it may queue from pushes, and when it must read the inbox instead. Pure."""

from dataclasses import dataclass
from enum import Enum, auto


class Verdict(Enum):
    """What becomes of a pushed row."""

    QUEUE = auto()
    """It follows what is queued without a gap."""
    ALREADY = auto()
    """It was queued before."""
    FELL_BEHIND = auto()
    """Something before it may be missing: what waits is void, the inbox is read from `sent`."""
    WAIT = auto()
    """The inbox is being read; it will be read once more."""


@dataclass(frozen=True, slots=True)
class ReadToken:
    """What the lane looked like when a read began."""

    after: int
    words: int


class Lane:
    """LIVE takes pushes; BEHIND reads. Begins BEHIND at a position; `queued` is the last position that was put in the outbox or needed no place
    in it, `sent` the last one that was handed to the transport."""

    __slots__ = ("_words", "current_at", "is_live", "queued", "sent")

    def __init__(self, position: int) -> None:
        self.queued = position
        self.sent = position
        self.is_live = False
        self.current_at: int | None = None
        """Where `queued` stood when a read last found nothing; None after falling behind, or when a new look was asked for."""
        self._words = 0

    def offer(self, position: int, previous: int | None) -> Verdict:
        """`previous`: the member's row before it; None: unknown, 0: none."""
        if position <= self.queued:
            return Verdict.ALREADY
        if not self.is_live:
            self._words += 1
            return Verdict.WAIT
        if previous is not None and previous <= self.queued:
            self.queued = position
            return Verdict.QUEUE
        self.read_again()
        return Verdict.FELL_BEHIND

    def read_again(self) -> None:
        """Something may have been missed. When the lane was LIVE, its rows in the outbox are void now, as after fall_behind."""
        self._words += 1
        if self.is_live:
            self.fall_behind()

    def fall_behind(self) -> None:
        """The rows in the outbox are void; the caller drops them."""
        self.is_live = False
        self.queued = self.sent
        self.current_at = None

    def restart(self, position: int) -> None:
        """Begins again, BEHIND, at a position that may lie before the present one."""
        self.sent = position
        self.fall_behind()

    def look(self) -> None:
        """`current_at` will be set by the next read that begins after this and finds nothing; pushes are taken meanwhile."""
        self._words += 1
        self.current_at = None

    def read_began(self) -> ReadToken:
        """To be given back with the answer; the read asks for rows after token.after."""
        return ReadToken(self.queued, self._words)

    def is_usable(self, token: ReadToken) -> bool:
        """False: the lane was set back meanwhile, and between it and the answer there may be rows."""
        return token.after <= self.queued

    def read_answered(self, token: ReadToken, through: int, *, found: bool, more: bool) -> None:
        """The caller has queued the answer's rows after `queued`; `found`: there were some."""
        if not self.is_usable(token):
            return
        self.queued = max(self.queued, through)
        if found or more:
            self.is_live = False
            self.current_at = None
        elif token.words == self._words:
            self.is_live = True
            self.current_at = self.queued

    def handed(self, position: int) -> None:
        """The transport has everything up to this position."""
        self.sent = max(self.sent, position)

    def settle(self) -> None:
        """Nothing of the lane waits in the outbox."""
        self.sent = self.queued
