"""Journals and wallets: the conditions that keep every fen, as each engine judges them."""

from datetime import timedelta
from functools import partial

import pytest

from fenxiao.aws.dynamodb import Transaction, TransactionCancelledError
from fenxiao.ledger.errors import ContradictionError, DebtSmallerError, InsufficientBalanceError, MovedError
from fenxiao.ledger.model import Entry, TaxClass, Wallet, WalletKey
from fenxiao.ledger.post import post, post_batch
from fenxiao.ledger.store import LedgerStore, WalletItem
from tests.contract.entries import NOW, claw_back, earn, pay_out, release, reserve, settle, write_off
from tests.support.engines import Engine, patiently, refusal
from tests.support.world import FrozenClock

CLOCK = FrozenClock(NOW + timedelta(seconds=5))


@pytest.fixture
def store(engine: Engine) -> LedgerStore:
    return LedgerStore(CLOCK)


def wallet(member: str) -> Wallet:
    return LedgerStore(CLOCK).wallet(WalletKey(member))


@pytest.mark.rule("M7")
def test_ninety_earnings_on_one_chain_fold_into_three_wallets(store: LedgerStore) -> None:
    outcome = post_batch(store, [earn(f"T{number}", A=2, B=3, C=5) for number in range(90)])

    assert len(outcome.posted) == 90
    keys = [WalletKey(member) for member in "ABCD"]
    assert store.wallets(keys) == dict(
        zip(keys, [Wallet(held_fen=180), Wallet(held_fen=270), Wallet(held_fen=450), Wallet()], strict=True)
    )
    item = WalletItem.get("wallet#A", "commission")
    assert (item.available_fen, item.reserved_fen, item.debt_fen, item.revision) == (0, 0, 0, 1)


def test_batch_that_fills_several_transactions_is_posted_whole(store: LedgerStore) -> None:
    outcome = post_batch(store, [earn(f"T{number}", NOW, **{f"M{number}": 1, "A": 1}) for number in range(70)])
    assert len(outcome.posted) == 70
    assert wallet("A") == Wallet(held_fen=70)
    assert wallet("M69") == Wallet(held_fen=1)


def test_journals_come_back_in_order_as_they_were_posted(store: LedgerStore) -> None:
    posted = post_batch(store, [earn("T1", A=10, B=4), settle("T1", A=10, B=4), claw_back("T1", 2, A=3)]).posted
    assert store.collection("order#T1") == posted
    assert [journal.number for journal in posted] == [0, 1, 2]
    assert {(journal.at, journal.posted_at) for journal in posted} == {(NOW, CLOCK.now())}
    assert [journal.paid_day for journal in posted] == ["2026-03-01"] * 3
    assert store.collection("order#T2") == []


def test_whole_life_of_orders_folds_into_one_conditional_update_per_wallet(store: LedgerStore) -> None:
    post_batch(store, [earn("T1", A=10), settle("T1", A=10), reserve("W1", "A", 4), claw_back("T1", 2, A=8)])
    assert wallet("A") == Wallet(reserved_fen=4, debt_fen=2)
    post_batch(store, [earn("T2", A=7), settle("T2", A=7)])
    assert wallet("A") == Wallet(available_fen=5, reserved_fen=4)


def test_replay_is_recognised_by_what_stands_at_its_place(store: LedgerStore) -> None:
    assert post(store, earn("T1", A=2)) is True
    assert post(store, earn("T1", A=2)) is False

    outcome = post_batch(store, [earn("T0", A=1), earn("T1", A=2), earn("T2", A=4)])

    assert [one.collection for one in outcome.replayed] == ["order#T1"]
    assert wallet("A") == Wallet(held_fen=7)


def test_same_event_of_another_cause_is_a_contradiction(store: LedgerStore) -> None:
    post(store, earn("T1", A=2))

    outcome = post_batch(store, [earn("T1", A=3), earn("T2", A=4)])

    assert [one.collection for one in outcome.contradicted] == ["order#T1"]
    assert wallet("A") == Wallet(held_fen=6)
    with pytest.raises(ContradictionError):
        post(store, earn("T1", A=3))


def test_entry_whose_place_another_event_took_has_moved(store: LedgerStore) -> None:
    post_batch(store, [earn("T1", A=10), settle("T1", A=10)])

    outcome = post_batch(store, [claw_back("T1", 1, A=4), claw_back("T1", 2, A=3)])

    assert [one.number for one in outcome.moved] == [1, 2]
    assert wallet("A") == Wallet(available_fen=10)
    with pytest.raises(MovedError):
        post(store, claw_back("T1", 1, A=4))


def test_wallets_of_two_tax_classes_are_kept_apart(store: LedgerStore) -> None:
    post_batch(store, [earn("T1", NOW, {"D": 7}, A=10), earn("T2", D=5)])
    post_batch(store, [settle("T1", {"D": 7}, A=10)])
    assert wallet("D") == Wallet(held_fen=5)
    assert store.wallet(WalletKey("D", TaxClass.REBATE)) == Wallet(available_fen=7)


def test_write_off_forgives_what_is_owed_and_no_more(store: LedgerStore) -> None:
    post_batch(store, [earn("T1", A=10), settle("T1", A=10), reserve("W1", "A", 8), claw_back("T1", 2, A=6)])
    assert wallet("A") == Wallet(reserved_fen=8, debt_fen=4)
    with pytest.raises(DebtSmallerError):
        post(store, write_off("C1", "A", 5))
    assert store.collection("writeoff#C1") == []
    post(store, write_off("C1", "A", 3))
    assert wallet("A") == Wallet(reserved_fen=8, debt_fen=1)


def test_every_update_of_a_wallet_moves_its_revision_on(store: LedgerStore) -> None:
    post_batch(store, [earn("T1", A=10), earn("T2", A=10)])
    post_batch(store, [settle("T1", A=10)])
    post(store, earn("T2", A=10))  # a replay updates nothing
    assert WalletItem.get("wallet#A", "commission").revision == 2


def test_more_than_is_available_is_refused_and_nothing_written(store: LedgerStore) -> None:
    post_batch(store, [earn("T1", A=10), settle("T1", A=10)])
    with pytest.raises(InsufficientBalanceError):
        post(store, reserve("W1", "A", 11))
    assert wallet("A") == Wallet(available_fen=10)
    assert store.collection("withdrawal#W1") == []


def test_replay_is_recognised_though_what_it_took_is_gone(store: LedgerStore) -> None:
    post_batch(store, [earn("T1", A=10), settle("T1", A=10)])
    post(store, reserve("W1", "A", 10))
    assert post(store, pay_out("W1", "A", 10)) is True
    assert post(store, pay_out("W1", "A", 10)) is False
    assert post(store, reserve("W1", "A", 10)) is False
    assert [one.event for one in post_batch(store, [settle("T1", A=10)]).replayed] == ["settle"]
    assert wallet("A") == Wallet()


def test_entry_that_was_planned_before_a_settlement_has_moved_and_is_no_fault(store: LedgerStore) -> None:
    """A refund that was planned on what is held, while the settlement takes the same number."""
    post_batch(store, [earn("T1", A=10), settle("T1", A=10)])
    stale = release("T1", 1, A=10)
    assert post_batch(store, [stale]).moved == [stale]
    assert wallet("A") == Wallet(available_fen=10)


def test_failed_condition_of_the_callers_own_action_stops_everything(store: LedgerStore) -> None:
    post_batch(store, [earn("T1", A=10), settle("T1", A=10)])

    def extra(transaction: Transaction) -> None:
        transaction.check(WalletItem, "wallet#A", "other", WalletItem.pk.does_not_exist())
        transaction.check(WalletItem, "wallet#B", "commission", WalletItem.debt_fen == 1)

    with pytest.raises(TransactionCancelledError) as caught:
        post(store, reserve("W1", "A", 5), extra)

    assert (caught.value.failed(0), caught.value.failed(1)) == (False, True)
    assert wallet("A") == Wallet(available_fen=10)
    assert store.collection("withdrawal#W1") == []


def test_posts_at_once_on_one_wallet_lose_nothing(engine: Engine, store: LedgerStore) -> None:
    post_batch(store, [earn("T0", A=1000), settle("T0", A=1000)])

    def writer(number: int) -> None:
        orders = [f"T{number}-{step}" for step in range(3)]
        for order in orders:
            patiently(partial(post_batch, store, [earn(order, A=10)]))
        for order in orders:
            patiently(partial(post_batch, store, [settle(order, A=10)]))
        patiently(partial(post, store, reserve(f"W{number}", "A", 100)))
        patiently(partial(post_batch, store, [claw_back(orders[0], 2, A=7)]))

    engine.at_once(*(partial(writer, number) for number in range(1, 6)))

    # 1000 + 5 × (3 × 10 − 100 − 7)
    assert wallet("A") == Wallet(available_fen=615, reserved_fen=500)


@pytest.mark.rule("M6")
def test_last_fen_is_reserved_once_however_many_ask_at_once(engine: Engine, store: LedgerStore) -> None:
    post_batch(store, [earn("T1", A=10), settle("T1", A=10)])

    ask = [partial(post, store, reserve(f"W{number}", "A", 10)) for number in range(5)]
    answers = engine.at_once(*(partial(refusal, one, InsufficientBalanceError) for one in ask))

    assert sorted(answers, key=str) == [InsufficientBalanceError] * 4 + [None]
    assert wallet("A") == Wallet(reserved_fen=10)


@pytest.mark.rule("M1")
def test_twins_at_once_post_one_journal(engine: Engine, store: LedgerStore) -> None:
    post_batch(store, [earn("T1", A=10), settle("T1", A=10)])

    def twin(entry: Entry) -> bool:
        return patiently(partial(post, store, entry))

    assert sorted(engine.at_once(*[partial(twin, earn("T2", A=5))] * 4)) == [False, False, False, True]
    assert sorted(engine.at_once(*[partial(twin, reserve("W1", "A", 10))] * 4)) == [False, False, False, True]
    assert wallet("A") == Wallet(held_fen=5, reserved_fen=10)
