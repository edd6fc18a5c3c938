"""When a child is killed for its silence, and how long it waits to be started again. Pure: time comes as an argument."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WatchLimits:
    """All in seconds; see SupervisorSettings."""

    silent_after_s: float
    start_timeout_s: float
    restart_delay_s: float
    max_restart_delay_s: float
    longest_step_s: float
    """What one unanswered question may add to the silence: a watcher that was frozen itself must not blame the child."""


class Watch:
    """One child as seen by whoever asks it for its health."""

    def __init__(self, limits: WatchLimits) -> None:
        self._limits = limits
        self._deaths_in_a_row = 0
        self._begin(0.0)

    def _begin(self, now_s: float) -> None:
        self._silence_s = 0.0
        self._asked_at_s = now_s
        self._first_answer_at_s: float | None = None

    @property
    def silence_s(self) -> float:
        """How long the child has not answered."""
        return self._silence_s

    def started(self, now_s: float) -> None:
        """A process was started."""
        self._begin(now_s)

    def heard(self, now_s: float, answered: bool) -> bool:
        """Whether the child is silent for too long and must be killed: longer than start_timeout_s before its first answer, than silent_after_s later."""
        step_s = min(now_s - self._asked_at_s, self._limits.longest_step_s)
        self._asked_at_s = now_s
        if answered:
            self._silence_s = 0.0
            if self._first_answer_at_s is None:
                self._first_answer_at_s = now_s
            return False
        self._silence_s += step_s
        begun = self._first_answer_at_s is not None
        limit_s = self._limits.silent_after_s if begun else self._limits.start_timeout_s
        return self._silence_s >= limit_s

    def died(self, now_s: float) -> float:
        """Seconds to wait before the next start: doubled with each death, from the beginning after a life that lasted longer than the longest wait."""
        limits = self._limits
        lived_well = (
            self._first_answer_at_s is not None
            and now_s - self._first_answer_at_s > limits.max_restart_delay_s
        )
        if lived_well:
            self._deaths_in_a_row = 0
        delay_s = limits.restart_delay_s * 2.0 ** min(self._deaths_in_a_row, 32)
        self._deaths_in_a_row += 1
        return float(min(delay_s, limits.max_restart_delay_s))
