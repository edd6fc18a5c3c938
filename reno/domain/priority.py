"""The lanes: one for each priority."""

from enum import IntEnum


class Priority(IntEnum):
    """Same numbers as reno.v1.Priority; the number is also the lane's byte in stored keys."""

    HIGH = 1
    MEDIUM = 2
    LOW = 3

    @property
    def word(self) -> str:
        """The lane's name in subjects, settings and metrics: high, medium or low."""
        return self.name.lower()


LANES = (Priority.HIGH, Priority.MEDIUM, Priority.LOW)
"""Every lane, in the order in which devices are served."""
