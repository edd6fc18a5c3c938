"""What a test keeps in memory reaches the checker whole: each bad history is called by its promise."""

from collections.abc import Callable

import pytest

from tests.e2e.history import Arrival, History, Receipt


def good() -> History:
    history = History()
    for n in range(1, 4):
        history.published.add(f"e{n}")
        history.receipts.append(Receipt(f"e{n}", "anna", 1, n * 4096, clean=True))
        for seen in (history.received["anna/tv"], history.pulled["anna/audit"]):
            seen.append(Arrival(f"e{n}", "anna", 1, n * 4096))
    return history


def lose(history: History) -> None:
    history.pulled["anna/audit"].pop()


def repeat(history: History) -> None:
    history.received["anna/tv"].append(history.received["anna/tv"][-1])


def swap(history: History) -> None:
    history.received["anna/tv"].reverse()


def invent(history: History) -> None:
    history.pulled["anna/audit"].append(Arrival("e9", "anna", 1, 9 * 4096))


def move(history: History) -> None:
    history.receipts[0] = Receipt("e1", "anna", 1, 77, clean=True)


def overtake(history: History) -> None:
    history.receipts.reverse()


def test_a_good_history_passes() -> None:
    assert good().broken_promises() == []


def test_one_without_a_receipt_may_be_seen() -> None:
    history = good()
    history.receipts.pop()
    assert history.broken_promises() == []


@pytest.mark.parametrize(
    ("spoil", "promise"),
    [
        (lose, "Durable"),
        (repeat, "Once"),
        (swap, "Ordered"),
        (invent, "Private"),
        (move, "Once"),
        (overtake, "Ordered"),
    ],
)
def test_a_bad_history_is_caught(spoil: Callable[[History], None], promise: str) -> None:
    history = good()
    spoil(history)
    assert any(line.startswith(f"{promise}:") for line in history.broken_promises())


def test_what_was_uncertain_first_may_lie_before_its_receipt() -> None:
    history = History(published={"b-1"}, uncertain={"b-1"})
    history.receipts.append(Receipt("b-1", "anna", 2, 8192, clean=False))
    history.pulled["anna/audit"].append(Arrival("b-1", "anna", 2, 4096))
    assert history.broken_promises() == []
    history.uncertain.clear()
    assert [line.partition(" b-1")[0] for line in history.broken_promises()] == ["Once: moved:"]
