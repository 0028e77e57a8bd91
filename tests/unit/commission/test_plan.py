from collections.abc import Callable
from datetime import timedelta

import pytest
from msgspec.structs import replace

from fenxiao.commission.plan import Settlement, plan
from fenxiao.commission.rules import SelfPurchase
from fenxiao.ledger.errors import ContradictionError
from fenxiao.ledger.model import Wallet
from fenxiao.order.model import Denial, Order, RefundStatus
from fenxiao.relation.model import Standing
from tests.support.world import NOW, Books, line, paid_order, refund, rule_set, shares


def test_product_rates_go_before_category_rates_before_base_rates() -> None:
    lines = [line(10_000, "tea", "P1"), line(10_000, "ware", "P2"), line(10_000, "ware", "P3")]
    rules = rule_set(base_bps=(1000,), category_bps={"ware": (500,)}, product_bps={"P3": (200,)})
    order = paid_order(lines=lines)
    assert [shares(order, left, rules) for left in ([10_000, 0, 0], [0, 10_000, 0], [0, 0, 10_000])] == [
        {"C": 1000},
        {"C": 500},
        {"C": 200},
    ]


def test_freight_and_virtual_goods_earn_nothing() -> None:
    order = paid_order(lines=[line(10_000, "freight"), line(10_000, is_virtual=True)])
    assert shares(order, [10_000, 10_000], rule_set()) == {}


def test_nobody_moves_up_into_the_place_of_an_ineligible_level() -> None:
    order = paid_order(10_000, standings={"C": Standing.SUSPENDED, "B": Standing.SHOPPER})
    assert shares(order, [10_000], rule_set()) == {"A": 200}


def test_until_first_order_pays_for_the_first_paid_order_only() -> None:
    assert shares(paid_order(10_000, first_order_only=True, first_order=False), [10_000], rule_set()) == {}
    assert shares(paid_order(10_000, first_order_only=True), [10_000], rule_set()) == {"C": 1000, "B": 500, "A": 200}


def test_self_purchase_makes_a_buying_promoter_level_one_and_never_a_fourth_beneficiary() -> None:
    rules = rule_set(self_purchase=SelfPurchase.LEVEL_1)
    order = paid_order(10_000, buyer_standing=Standing.PROMOTER)
    assert shares(order, [10_000], rules) == {"D": 1000, "C": 500, "B": 200}
    assert shares(paid_order(10_000), [10_000], rules) == {"C": 1000, "B": 500, "A": 200}


def test_shares_above_the_cap_shrink_in_proportion() -> None:
    rules = rule_set(base_bps=(3000, 2000, 1000), cap_bps=3000)
    assert shares(paid_order(10_000), [10_000], rules) == {"C": 1500, "B": 1000, "A": 500}


def test_an_order_before_the_first_rules_leaves_a_journal_without_postings() -> None:
    (entry,) = plan(paid_order(10_000), [], [], None)
    assert (entry.event, entry.movements, entry.sale_fen) == ("earn", (), 10_000)


def test_a_payment_after_the_close_earns_nothing() -> None:
    order = paid_order(10_000)
    assert order.payment is not None
    late = replace(order, payment=replace(order.payment, earns=False))
    assert plan(late, [], [], rule_set()) == []


def test_only_a_refund_that_wechat_reported_as_successful_posts() -> None:
    books, order = Books(), paid_order(10_000)
    books.follow(order, [refund(order, 5_000, status=RefundStatus.PENDING)], rule_set())
    assert books.wallet("C").held_fen == 1000


def test_nothing_settles_while_a_refund_is_pending() -> None:
    books, order = Books(), paid_order(10_000)
    pending = refund(order, 5_000, status=RefundStatus.PENDING)
    books.follow(order, [pending], rule_set(), Settlement(NOW))
    assert books.wallet("C") == Wallet(held_fen=1000)


def test_a_suspended_beneficiary_is_withheld_and_released_later_less_what_was_refunded() -> None:
    books, order, rules = Books(), paid_order(10_000), rule_set()
    books.follow(order, [], rules, Settlement(NOW, frozenset({"C"})))
    assert (books.wallet("C"), books.wallet("B")) == (Wallet(held_fen=1000), Wallet(available_fen=500))
    taken = [refund(order, 5_000)]
    books.follow(order, taken, rules, Settlement(NOW, frozenset({"C"})))
    assert (books.wallet("C"), books.wallet("B")) == (Wallet(held_fen=500), Wallet(available_fen=250))
    books.follow(order, taken, rules, Settlement(NOW + timedelta(days=1)))
    assert (books.wallet("C"), books.wallet("B")) == (Wallet(available_fen=500), Wallet(available_fen=250))
    assert books.follow(order, taken, rules, Settlement(NOW + timedelta(days=2))) == []


def test_a_line_stays_under_its_cap_to_the_fen() -> None:
    rules = rule_set(base_bps=(300, 201), cap_bps=500)
    assert shares(paid_order(10_000, chain=("C", "B")), [10_000], rules) == {"C": 299, "B": 200}


@pytest.mark.rule("M16")
def test_denial_takes_back_what_is_held_and_what_was_settled() -> None:
    books, order, rules = Books(), paid_order(10_000), rule_set()
    books.follow(order, [], rules, Settlement(NOW, frozenset({"C"})))
    denied = replace(order, denial=Denial(case_id="C1", at=NOW))
    (journal,) = books.follow(denied, [], rules)
    assert (journal.event, books.wallet("C"), books.wallet("B")) == ("deny", Wallet(), Wallet())
    (journal,) = books.follow(denied, [refund(order, 5_000)], rules)
    assert (journal.event, journal.postings, journal.sale_fen) == ("refund#R1", (), -5_000)
    assert books.follow(denied, [refund(order, 5_000)], rules, Settlement(NOW)) == [], "nobody has anything to release"


@pytest.mark.rule("M16")
def test_denial_that_is_known_before_the_refund_and_the_earning_comes_after_them() -> None:
    books, order = Books(), paid_order(10_000)
    denied = replace(order, denial=Denial(case_id="C1", at=NOW))
    journals = books.follow(denied, [refund(order, 5_000)], rule_set(), Settlement(NOW))
    assert [journal.event for journal in journals] == ["earn", "refund#R1", "deny", "settle"]
    assert books.wallet("C") == Wallet()


@pytest.mark.rule("M17")
def test_refund_of_all_that_was_withheld_leaves_nothing_to_release() -> None:
    books, order, rules = Books(), paid_order(10_000), rule_set()
    books.follow(order, [], rules, Settlement(NOW, frozenset({"C"})))
    journals = books.follow(order, [refund(order, 10_000)], rules, Settlement(NOW))
    assert [journal.event for journal in journals] == ["refund#R1"]


@pytest.mark.rule("M3")
@pytest.mark.parametrize(
    ("change", "event"),
    [
        (lambda order: replace(order, lines=paid_order(20_000).lines), "earn"),
        (lambda order: replace(order, payment=replace(order.payment, transaction_id="4200000002")), "earn"),
        (lambda order: replace(order, denial=Denial(case_id="C2", at=NOW)), "deny"),
    ],
)
def test_event_that_stands_with_another_cause_contradicts_and_nothing_is_planned(
    change: Callable[[Order], Order], event: str
) -> None:
    books, rules = Books(), rule_set()
    order = replace(paid_order(10_000), denial=Denial(case_id="C1", at=NOW))
    books.follow(order, [], rules)
    with pytest.raises(ContradictionError) as caught:
        books.follow(change(order), [refund(order, 5_000)], rules, Settlement(NOW))
    assert [(entry.event, entry.number) for entry in caught.value.entries] == [(event, 0 if event == "earn" else 1)]


@pytest.mark.rule("M3")
def test_refund_that_stands_with_other_amounts_contradicts() -> None:
    books, order, rules = Books(), paid_order(10_000), rule_set()
    books.follow(order, [refund(order, 5_000)], rules)
    with pytest.raises(ContradictionError) as caught:
        books.follow(order, [refund(order, 4_000)], rules)
    assert [(entry.event, entry.number) for entry in caught.value.entries] == [("refund#R1", 1)]


@pytest.mark.rule("M3")
def test_times_of_processing_are_no_cause() -> None:
    books, order, rules = Books(), paid_order(10_000), rule_set()
    taken = refund(order, 5_000)
    books.follow(order, [taken], rules, Settlement(NOW))
    later = NOW + timedelta(days=1)
    assert books.follow(order, [replace(taken, ended_at=later)], rules, Settlement(later)) == []
