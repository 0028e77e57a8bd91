from datetime import timedelta

import pytest
from msgspec.structs import replace

from fenxiao.aws.dynamodb import Transaction, TransactionCancelledError
from fenxiao.ledger.errors import BrokenBooksError, ContradictionError, InsufficientBalanceError
from fenxiao.ledger.model import Entry, Movement, Platform, Wallet, WalletKey
from fenxiao.ledger.post import post, post_batch
from fenxiao.ledger.store import LedgerStore, WalletItem
from tests.support.world import NOW, FrozenClock

CLOCK = FrozenClock()
pytestmark = pytest.mark.usefixtures("tables")


def earn(order: str, *, number: int = 0, event: str = "earn", **fens: int) -> Entry:
    return Entry(
        collection=f"order#{order}",
        number=number,
        event=event,
        cause={"order_id": order, "fens": str(fens)},
        at=NOW,
        movements=tuple(Movement(wallet=WalletKey(member), held_fen=fen) for member, fen in fens.items()),
        platform={Platform.COMMISSION_EXPENSE: -sum(fens.values())},
        may_owe=True,
    )


def settle(order: str, number: int = 1, **fens: int) -> Entry:
    return Entry(
        collection=f"order#{order}",
        number=number,
        event="settle",
        cause={"order_id": order},
        at=NOW,
        movements=tuple(
            Movement(wallet=WalletKey(member), held_fen=-fen, free_fen=fen) for member, fen in fens.items()
        ),
        may_owe=True,
    )


def reserve(withdrawal: str, member: str, fen: int) -> Entry:
    return Entry(
        collection=f"withdrawal#{withdrawal}",
        number=0,
        event="reserve",
        cause={"fen": fen},
        at=NOW,
        movements=(Movement(wallet=WalletKey(member), free_fen=-fen, reserved_fen=fen),),
    )


def claw(order: str, number: int, member: str, fen: int) -> Entry:
    return Entry(
        collection=f"order#{order}",
        number=number,
        event=f"refund#{number}",
        cause={"fen": fen},
        at=NOW,
        movements=(Movement(wallet=WalletKey(member), free_fen=-fen),),
        platform={Platform.COMMISSION_EXPENSE: fen},
        may_owe=True,
    )


@pytest.mark.rule("M6", "M7")
def test_a_batch_folds_many_earnings_into_one_change_per_wallet() -> None:
    store = LedgerStore(CLOCK)
    outcome = post_batch(store, [earn(f"T{i}", A=2, B=3, C=5) for i in range(90)])
    assert len(outcome.posted) == 90
    assert store.wallet(WalletKey("C")) == Wallet(held_fen=450)
    assert store.wallet(WalletKey("A")) == Wallet(held_fen=180)


def test_wallets_are_created_with_explicit_zeros() -> None:
    post(LedgerStore(CLOCK), earn("T1", A=2))
    item = WalletItem.get("wallet#A", "commission")
    assert (item.available_fen, item.reserved_fen, item.debt_fen) == (0, 0, 0)


def test_every_update_of_a_wallet_is_counted() -> None:
    post(LedgerStore(CLOCK), earn("T1", A=2))
    post_batch(LedgerStore(CLOCK), [earn("T2", A=2), earn("T3", A=2)])
    post(LedgerStore(CLOCK), settle("T1", A=2))
    assert WalletItem.get("wallet#A", "commission").revision == 3


def test_a_replayed_entry_is_recognised_and_changes_nothing() -> None:
    store = LedgerStore(CLOCK)
    assert post(store, earn("T1", A=2)) is True
    assert post(store, earn("T1", A=2)) is False
    outcome = post_batch(store, [earn("T0", A=1), earn("T1", A=2), earn("T2", A=4)])
    assert [one.collection for one in outcome.replayed] == ["order#T1"]
    assert store.wallet(WalletKey("A")).held_fen == 7


@pytest.mark.rule("M3")
def test_the_same_event_with_another_cause_is_a_contradiction_and_posts_nothing() -> None:
    store = LedgerStore(CLOCK)
    post(store, earn("T1", A=2))
    outcome = post_batch(store, [earn("T1", A=3), earn("T2", A=4)])
    assert [one.collection for one in outcome.contradicted] == ["order#T1"]
    assert store.wallet(WalletKey("A")).held_fen == 6
    with pytest.raises(ContradictionError):
        post(store, earn("T1", A=3))


def test_a_lost_place_takes_what_was_planned_on_top_of_it_along() -> None:
    store = LedgerStore(CLOCK)
    post_batch(store, [earn("T1", A=10), settle("T1", A=10)])
    outcome = post_batch(store, [claw("T1", 1, "A", 4), claw("T1", 2, "A", 3)])
    assert len(outcome.moved) == 2
    assert store.wallet(WalletKey("A")) == Wallet(available_fen=10)


@pytest.mark.rule("M4", "M5")
def test_a_refund_beyond_what_is_available_becomes_debt_and_the_next_credit_repays_it() -> None:
    store = LedgerStore(CLOCK)
    post_batch(store, [earn("T1", A=10), settle("T1", A=10)])
    post(store, reserve("W1", "A", 8))
    post(store, claw("T1", 2, "A", 5))
    assert store.wallet(WalletKey("A")) == Wallet(reserved_fen=8, debt_fen=3)
    post_batch(store, [earn("T2", A=7), settle("T2", A=7)])
    assert store.wallet(WalletKey("A")) == Wallet(available_fen=4, reserved_fen=8)


def test_a_withdrawal_of_more_than_is_available_is_refused_and_writes_nothing() -> None:
    store = LedgerStore(CLOCK)
    post_batch(store, [earn("T1", A=10), settle("T1", A=10)])
    with pytest.raises(InsufficientBalanceError):
        post(store, reserve("W1", "A", 11))
    assert store.wallet(WalletKey("A")) == Wallet(available_fen=10)
    assert store.collection("withdrawal#W1") == []


def test_a_replayed_reservation_is_recognised_though_the_balance_no_longer_covers_it() -> None:
    store = LedgerStore(CLOCK)
    post_batch(store, [earn("T1", A=10), settle("T1", A=10)])
    assert post(store, reserve("W1", "A", 10)) is True
    assert post(store, reserve("W1", "A", 10)) is False


def test_a_failed_condition_of_the_callers_own_action_stops_everything() -> None:
    store = LedgerStore(CLOCK)
    post_batch(store, [earn("T1", A=10), settle("T1", A=10)])

    def extra(transaction: Transaction) -> None:
        transaction.check(WalletItem, "wallet#B", "commission", WalletItem.debt_fen == 1)

    with pytest.raises(TransactionCancelledError) as caught:
        post(store, reserve("W1", "A", 5), extra)
    assert caught.value.failed(0)
    assert store.wallet(WalletKey("A")) == Wallet(available_fen=10)


@pytest.mark.rule("M6")
def test_a_wallet_that_changed_after_it_was_read_is_read_again() -> None:
    class Stale(LedgerStore):
        reads = 0

        def wallets(self, keys):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
            self.reads += 1
            found = super().wallets(keys)
            if self.reads == 1:  # another writer comes in between the read and the write
                post_batch(LedgerStore(CLOCK), [earn("T2", A=5), settle("T2", A=5)])
            return found

    post_batch(LedgerStore(CLOCK), [earn("T1", A=10), settle("T1", A=10)])
    store = Stale(CLOCK)
    post(store, reserve("W1", "A", 10))
    assert store.reads == 2
    assert store.wallet(WalletKey("A")) == Wallet(available_fen=5, reserved_fen=10)


def test_journals_are_read_back_as_posted() -> None:
    store = LedgerStore(FrozenClock(NOW + timedelta(hours=1)))
    entries = [replace(earn("T1", A=10), paid_day="2026-03-01"), settle("T1", A=10)]
    outcome = post_batch(store, entries)
    assert store.collection("order#T1") == outcome.posted
    assert [(one.paid_day, one.at, one.posted_at) for one in outcome.posted] == [
        ("2026-03-01", NOW, NOW + timedelta(hours=1)),
        ("", NOW, NOW + timedelta(hours=1)),
    ]


def test_an_end_that_a_twin_posted_a_moment_ago_is_recognised_though_nothing_is_reserved_any_more() -> None:
    class Late(LedgerStore):
        def wallets(self, keys):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
            assert post(LedgerStore(CLOCK), end)  # the twin comes between our caller's look and ours
            return super().wallets(keys)

    post_batch(LedgerStore(CLOCK), [earn("T1", A=10), settle("T1", A=10)])
    post(LedgerStore(CLOCK), reserve("W1", "A", 10))
    end = Entry(
        collection="withdrawal#W1",
        number=1,
        event="paid",
        cause={"fen": 10},
        at=NOW,
        movements=(Movement(wallet=WalletKey("A"), reserved_fen=-10),),
        platform={Platform.PAID_OUT: 10},
    )
    assert post(Late(CLOCK), end) is False
    assert LedgerStore(CLOCK).wallet(WalletKey("A")) == Wallet()
    with pytest.raises(BrokenBooksError):
        post(LedgerStore(CLOCK), replace(end, collection="withdrawal#W2"))
