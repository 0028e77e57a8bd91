from datetime import timedelta

import pytest

from fenxiao.ledger.apply import apply, is_blind
from fenxiao.ledger.errors import BrokenBooksError, DebtSmallerError
from fenxiao.ledger.model import Entry, Movement, Platform, Wallet, WalletKey
from tests.support.world import NOW

A = WalletKey("A")


def entry(
    number: int, *, held: int = 0, free: int = 0, reserved: int = 0, forgiven: int = 0, may_owe: bool = True
) -> Entry:
    move = Movement(wallet=A, held_fen=held, free_fen=free, reserved_fen=reserved, forgiven_fen=forgiven)
    return Entry(
        collection=f"order#{number}",
        number=0,
        event="x",
        cause={"n": number},
        at=NOW,
        movements=(move,),
        platform={Platform.COMMISSION_EXPENSE: -move.sum_fen},
        may_owe=may_owe,
    )


@pytest.mark.rule("M6")
def test_the_write_requires_what_the_lowest_step_of_the_batch_needs() -> None:
    steps = [entry(1, held=-3), entry(2, held=5), entry(3, held=-6), entry(4, reserved=-2), entry(5, reserved=4)]
    _, changes = apply(steps, {A: Wallet(held_fen=10, reserved_fen=2)}, NOW)
    assert (changes[A].held_fen, changes[A].needed_held_fen) == (-4, 4)
    assert (changes[A].reserved_fen, changes[A].needed_reserved_fen) == (2, 2)


def test_no_step_may_go_below_zero_even_if_a_later_one_makes_it_good() -> None:
    with pytest.raises(BrokenBooksError):
        apply([entry(1, held=-3), entry(2, held=5)], {A: Wallet(held_fen=2)}, NOW)


def test_only_additions_to_held_are_blind() -> None:
    assert is_blind([entry(1, held=3), entry(2)])
    assert not is_blind([entry(1, held=3), entry(2, held=-1)])
    assert not is_blind([entry(1, free=1)])
    assert not is_blind([entry(1, reserved=1)])
    assert not is_blind([entry(1, forgiven=1)])


def test_a_write_off_takes_from_the_debt_alone() -> None:
    journals, changes = apply([entry(1, forgiven=4)], {A: Wallet(reserved_fen=3, debt_fen=5)}, NOW)
    assert changes[A].after == Wallet(reserved_fen=3, debt_fen=1)
    assert [(posting.account, posting.amount_fen) for posting in journals[0].postings if posting.member_id] == [
        ("debt", 4)
    ]


def test_no_more_is_written_off_than_is_owed() -> None:
    with pytest.raises(DebtSmallerError):
        apply([entry(1, forgiven=6)], {A: Wallet(debt_fen=5)}, NOW)


def test_journals_say_when_the_books_learned_of_them_and_the_hash_does_not() -> None:
    at_once, _ = apply([entry(1, held=3)], None, NOW)
    later, _ = apply([entry(1, held=3)], None, NOW + timedelta(days=1))
    assert (at_once[0].posted_at, later[0].posted_at) == (NOW, NOW + timedelta(days=1))
    assert at_once[0].hash == later[0].hash


@pytest.mark.parametrize("held", [1, -1])
def test_an_entry_that_does_not_sum_to_zero_cannot_be_made(held: int) -> None:
    with pytest.raises(ValueError, match="sum to zero"):
        Entry(
            collection="order#1",
            number=0,
            event="x",
            cause={},
            at=NOW,
            movements=(Movement(wallet=A, held_fen=held),),
        )
