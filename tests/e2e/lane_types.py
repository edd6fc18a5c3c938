"""A type for each lane, with nothing special about it."""

from tests.e2e.many import LANES

TYPES = [f"plain.{lane}" for lane in LANES]
CATALOGUE = "\n".join(
    f'["plain.{lane}"]\npriority = "{lane}"\nmax_age = "1h"\nttl = "1d"\naction = "act"'
    for lane in LANES
)
