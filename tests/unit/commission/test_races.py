"""Cancellation, refund, settlement, denial and withdrawal at the same moment: always the same books (M1, M2, M5)."""

from collections.abc import Callable
from contextlib import suppress
from itertools import permutations

import pytest

from fenxiao.commission.follow import follow, settle
from fenxiao.commission.plan import Settlement
from fenxiao.ledger.errors import InsufficientBalanceError
from fenxiao.ledger.model import Bucket, Entry, Movement, Wallet, WalletKey
from fenxiao.ledger.post import post
from fenxiao.ledger.store import LedgerStore
from fenxiao.order.items import refund_item
from fenxiao.order.model import Denial, Order
from tests.support.world import refund
from tests.unit.commission.settling import Till

type Act = Callable[[], object]

SHARES = {"MC": 1_000, "MB": 500, "MA": 200}
"""Of the order's 10 000 fen."""
ACTS = ("refund", "cancel", "settle", "deny", "withdraw")


def acts_on(till: Till, order: Order) -> dict[str, Act]:
    def follow_it() -> None:
        follow(order.order_id, till.orders, till.ledger, till.settler.rules)

    def refund_part() -> None:
        refund_item(refund(order, 3_000, refund_id="R1")).save()
        follow_it()

    def cancel() -> None:
        refund_item(refund(order, 7_000, refund_id="R2")).save()
        follow_it()

    def settle_it() -> None:
        settle(order.order_id, Settlement(till.clock.now()), till.orders, till.ledger, till.settler.rules)

    def deny() -> None:
        till.orders.deny(order.order_id, Denial(case_id="C1", at=till.clock.now()))
        follow_it()

    def withdraw() -> None:
        fen = till.wallet("MC").available_fen
        move = Movement(wallet=WalletKey("MC"), free_fen=-fen, reserved_fen=fen)
        entry = Entry(
            collection="withdrawal#W1", number=0, event="reserve", cause={}, at=till.clock.now(), movements=(move,)
        )
        with suppress(InsufficientBalanceError):  # somebody was quicker
            post(till.ledger, entry)

    return {"refund": refund_part, "cancel": cancel, "settle": settle_it, "deny": deny, "withdraw": withdraw}


@pytest.mark.rule("M1", "M2", "M4", "M5", "M6")
@pytest.mark.parametrize("names", list(permutations(ACTS, 3)), ids="-".join)
def test_three_at_once_end_at_the_same_books(
    tables: None, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...]
) -> None:
    """The second comes between what the first reads and what it writes, the third likewise into the second."""
    till = Till()
    order = till.received()
    acts = acts_on(till, order)
    if "withdraw" in names:
        acts["settle"]()  # so that there is something to withdraw
    waiting = [acts[name] for name in names[1:]]

    def intrude[**P, R](read: Callable[P, R]) -> Callable[P, R]:
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            found = read(*args, **kwargs)
            if waiting:
                waiting.pop(0)()
            return found

        return call

    with monkeypatch.context() as patched:
        patched.setattr(LedgerStore, "collection", intrude(LedgerStore.collection))
        patched.setattr(LedgerStore, "wallets", intrude(LedgerStore.wallets))
        acts[names[0]]()
        while waiting:
            waiting.pop(0)()
    acts["settle"]()
    assert_books(till, order, names)


def assert_books(till: Till, order: Order, names: tuple[str, ...]) -> None:
    left_fen = 10_000 - 3_000 * ("refund" in names) - 7_000 * ("cancel" in names)
    journals = till.journals(order.order_id)
    assert [journal.number for journal in journals] == list(range(len(journals)))
    assert len({journal.event for journal in journals}) == len(journals)
    withdrawals = till.ledger.collection("withdrawal#W1")
    for member_id, share_fen in SHARES.items():
        target_fen = 0 if "deny" in names else share_fen * left_fen // 10_000
        postings = [one for journal in journals for one in journal.postings if one.member_id == member_id]
        assert sum(one.amount_fen for one in postings) == target_fen
        assert sum(one.amount_fen for one in postings if one.account == Bucket.HELD) == 0
        postings += [one for journal in withdrawals for one in journal.postings if one.member_id == member_id]
        sums = {bucket: sum(one.amount_fen for one in postings if one.account == bucket) for bucket in Bucket}
        wallet = till.wallet(member_id)
        assert wallet == Wallet(sums[Bucket.HELD], sums[Bucket.AVAILABLE], sums[Bucket.RESERVED], -sums[Bucket.DEBT])
        assert min(wallet.available_fen, wallet.reserved_fen, wallet.debt_fen) == 0
        assert wallet.available_fen == 0 or wallet.debt_fen == 0
