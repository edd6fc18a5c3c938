"""What is installed only with the extra `cassandra`."""

from collections.abc import Iterator
from contextlib import contextmanager

from reno.cli.fault import USAGE, Fault


@contextmanager
def cassandra_drivers() -> Iterator[None]:
    """For imports; raises Fault saying how to install what is missing."""
    try:
        yield
    except ImportError as error:
        raise Fault(
            "Cassandra's drivers are missing: pip install 'reno-mesh[cassandra]'", USAGE
        ) from error
