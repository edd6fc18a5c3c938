from gateway.ingestion.confirmations import Confirmations


def test_so_many_in_a_row_are_missing_until_one_comes() -> None:
    confirmations = Confirmations(2)
    confirmations.missed()
    confirmations.came()
    confirmations.missed()
    assert not confirmations.are_missing
    confirmations.missed()
    assert confirmations.are_missing
    confirmations.came()
    assert not confirmations.are_missing
