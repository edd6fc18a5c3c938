"""Whether the log confirms what it is given. Pure."""


class Confirmations:
    """Of all lanes together: who confirms one lane's envelopes can write."""

    def __init__(self, most_missed: int) -> None:
        self._most_missed = most_missed
        self._missed = 0

    @property
    def are_missing(self) -> bool:
        """So many envelopes in a row were given up that nobody knows what became of."""
        return self._missed >= self._most_missed

    def came(self) -> None:
        """The log decided on an envelope; also that it is full."""
        self._missed = 0

    def missed(self) -> None:
        """An envelope was given up as UNCERTAIN."""
        self._missed += 1
