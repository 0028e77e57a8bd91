"""Whatever is changed behind the ledger's back is found, named, and becomes one case."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from fenxiao.audit.model import Scope
from fenxiao.audit.run import AUDIT_DIFFERENCE, Auditor
from fenxiao.aws.clients import client
from fenxiao.commission.follow import follow
from fenxiao.ledger.projection import ProjectionStore
from fenxiao.ledger.statement_store import StatementStore
from fenxiao.ledger.store import LedgerStore
from fenxiao.order.contract import RequestRefund
from fenxiao.order.model import Order
from fenxiao.order.refunding import create_refund, record_refund
from fenxiao.review.model import Case, CaseStatus
from fenxiao.withdrawal.store import WithdrawalStore
from tests.support.world import RulesInForce, rule_set
from tests.unit.order.shopfloor import ShopFloor

pytestmark = pytest.mark.usefixtures("tables")


class Shop:
    """Two orders, one of them refunded in part, followed into the books and projected."""

    def __init__(self) -> None:
        self.floor = floor = ShopFloor()
        self.rules = RulesInForce(rule_set())
        self.ledger = LedgerStore(floor.clock)
        self.pauses: list[float] = []
        self.auditor = Auditor(
            self.ledger,
            StatementStore(),
            ProjectionStore(),
            floor.orders,
            WithdrawalStore(),
            self.rules,
            floor.cases,
            floor.clock,
            timedelta(hours=48),
            self.pauses.append,
        )
        floor.family()
        self.tea = floor.product(10_000, stock=50)
        self.order = self.buy()
        self.other = self.buy()
        refund = create_refund(
            floor.books, self.order.order_id, "a-refund", RequestRefund(reason="破损", amount_fen=500)
        )
        record_refund(floor.books, floor.refund_result(refund))
        self.post(self.order)

    def buy(self) -> Order:
        order = self.floor.paid([(self.tea, 1)])
        self.post(order)
        return order

    def post(self, order: Order) -> None:
        before = len(self.ledger.collection(f"order#{order.order_id}"))
        follow(order.order_id, self.floor.orders, self.ledger, self.rules)
        self.auditor.projection.project(self.ledger.collection(f"order#{order.order_id}")[before:])

    def found(self) -> set[tuple[str, str, str, str]]:
        report = self.auditor.run(Scope())
        assert report.difference_count == len(report.differences)
        return {(one.subject, one.what, one.expected, one.actual) for one in report.differences}

    def cases(self) -> list[Case]:
        return self.floor.cases.queue(AUDIT_DIFFERENCE, CaseStatus.OPEN, 50, None)[0]


@pytest.fixture
def shop() -> Shop:
    return Shop()


def tamper(table: str, pk: str, sk: str, attribute: str, value: dict[str, Any]) -> None:
    client("dynamodb").update_item(
        TableName=table,
        Key={"pk": {"S": pk}, "sk": {"S": sk}},
        UpdateExpression="SET #a = :v",
        ExpressionAttributeNames={"#a": attribute},
        ExpressionAttributeValues={":v": value},
    )


def remove(table: str, pk: str, sk: str) -> None:
    client("dynamodb").delete_item(TableName=table, Key={"pk": {"S": pk}, "sk": {"S": sk}})


def test_books_that_nobody_touched_agree(shop: Shop) -> None:
    report = shop.auditor.run(Scope())
    assert report.differences == ()
    assert (report.counts.journals, report.counts.wallets, report.counts.orders, report.counts.days) == (3, 3, 2, 1)
    assert (report.figures.sales_fen, report.figures.refunds_fen) == (20_000, 500)
    assert report.figures.commission_fen == report.figures.held_fen == 1_700 + 950 + 475 + 190
    assert shop.cases() == []
    assert shop.pauses == []


@pytest.mark.rule("M8")
def test_a_changed_wallet_is_found_once(shop: Shop) -> None:
    tamper("LEDGER_TABLE", "wallet#MC", "commission", "held_fen", {"N": "1951"})
    expected = {("wallet#MC#commission", "held_fen", "1950", "1951")}
    assert shop.found() == expected
    assert shop.found() == expected
    (case,) = shop.cases()
    assert case.facts == {"subject": "wallet#MC#commission", "what": "held_fen", "expected": "1950", "actual": "1951"}


def test_a_wallet_with_money_and_debt_breaks_the_law_of_wallets(shop: Shop) -> None:
    for attribute in ("available_fen", "debt_fen"):
        tamper("LEDGER_TABLE", "wallet#MC", "commission", attribute, {"N": "5"})
    assert {what for _, what, _, _ in shop.found()} == {"available_fen", "debt_fen", "available_and_debt"}


def test_a_wallet_out_of_nowhere_is_found(shop: Shop) -> None:
    wallet = {"held_fen": 0, "available_fen": 7, "reserved_fen": 0, "debt_fen": 0, "revision": 1}
    item = {"pk": {"S": "wallet#MX"}, "sk": {"S": "commission"}} | {name: {"N": str(n)} for name, n in wallet.items()}
    client("dynamodb").put_item(TableName="LEDGER_TABLE", Item=item)
    assert shop.found() == {("wallet#MX#commission", "available_fen", "0", "7")}


def test_a_journal_that_does_not_follow_from_its_order_is_found(shop: Shop) -> None:
    postings = '[["MC","commission","held",1001],["","","commission_expense",-1001]]'
    tamper("LEDGER_TABLE", f"order#{shop.other.order_id}", "j#000000", "postings", {"S": postings})
    assert f"order#{shop.other.order_id}#0" in {subject for subject, what, _, _ in shop.found() if what == "postings"}


def test_a_journal_that_is_not_in_balance_is_found(shop: Shop) -> None:
    tamper(
        "LEDGER_TABLE", f"order#{shop.other.order_id}", "j#000000", "postings", {"S": '[["MC","commission","held",1]]'}
    )
    assert (f"order#{shop.other.order_id}#0", "sum_fen", "0", "1") in shop.found()


def test_a_lost_journal_is_found(shop: Shop) -> None:
    shop.floor.clock.advance(hours=1)
    remove("LEDGER_TABLE", f"order#{shop.order.order_id}", "j#000001")
    refund = shop.floor.orders.refunds(shop.order.order_id)[0].refund_id
    assert (f"order#{shop.order.order_id}", "journal", f"refund#{refund}", "missing") in shop.found()


def test_a_collection_that_lost_its_beginning_is_found(shop: Shop) -> None:
    remove("LEDGER_TABLE", f"order#{shop.order.order_id}", "j#000000")
    assert (f"order#{shop.order.order_id}#0", "number", "0", "1") in shop.found()


@pytest.mark.rule("M29")
def test_a_paid_order_of_which_the_ledger_knows_nothing_is_found_when_its_time_is_over(shop: Shop) -> None:
    order = shop.floor.paid([(shop.tea, 1)])
    assert shop.found() == set()
    shop.floor.clock.advance(hours=1)
    assert shop.found() == {(f"order#{order.order_id}", "journal", "earn", "missing")}


def test_a_journal_of_no_order_is_found(shop: Shop) -> None:
    remove("ORDER_TABLE", shop.other.order_id, "order")
    assert shop.found() == {(f"order#{shop.other.order_id}", "order", "exists", "none")}


@pytest.mark.rule("M10")
def test_an_order_computed_by_another_version_than_the_one_in_force_is_found(shop: Shop) -> None:
    shop.rules.known = (rule_set(), rule_set(version=2))
    found = shop.found()
    assert {what for _, what, _, _ in found} == {"cause"}
    assert len(found) == 2


def test_wrong_totals_and_a_short_log_are_found(shop: Shop) -> None:
    day = datetime(2026, 3, 1, tzinfo=UTC).date()
    tamper("STATEMENT_TABLE", f"day#{day}", "totals", "held_fen", {"N": "0"})
    tamper("STATEMENT_TABLE", f"paid#{day:%Y-%m}", day.isoformat(), "commission_fen", {"N": "1"})
    tamper("STATEMENT_TABLE", "log", "head", "size", {"N": "2"})
    assert {(subject, what) for subject, what, _, _ in shop.found()} == {
        (f"day#{day}", "held_fen"),
        (f"paid#{day}", "commission_fen"),
        ("log", "size"),
    }


def test_what_is_gone_at_the_second_look_was_under_way(shop: Shop) -> None:
    tamper("LEDGER_TABLE", "wallet#MC", "commission", "held_fen", {"N": "1951"})

    def mend(_seconds: float) -> None:
        tamper("LEDGER_TABLE", "wallet#MC", "commission", "held_fen", {"N": "1950"})

    shop.auditor = replace(shop.auditor, sleep=mend)
    assert shop.found() == set()
    assert shop.cases() == []


def test_a_month_is_audited_as_it_was_known_then(shop: Shop) -> None:
    known_at = shop.floor.clock.now()
    shop.floor.clock.advance(days=40)
    refund = create_refund(shop.floor.books, shop.other.order_id, "later", RequestRefund(reason="破损", all=True))
    record_refund(shop.floor.books, shop.floor.refund_result(refund))
    shop.post(shop.other)
    shop.buy()

    then = shop.auditor.run(Scope(month="2026-03", as_of=known_at))
    now = shop.auditor.run(Scope(month="2026-03"))
    assert (then.differences, now.differences) == ((), ())
    assert (then.figures.commission_fen, now.figures.commission_fen) == (3_315, 1_615)
    assert (then.counts.orders, now.counts.orders) == (2, 2)
    assert shop.auditor.run(Scope(month="2026-04")).counts.orders == 1
