from datetime import UTC, date, datetime, timedelta

import pytest
from msgspec.structs import replace

from fenxiao.aws.dynamodb import Transaction
from fenxiao.ids import Kind, derived_id
from fenxiao.order.close import cancel
from fenxiao.order.contract import RequestRefund
from fenxiao.order.model import Order, Refund
from fenxiao.order.payment import record_payment
from fenxiao.order.refunding import create_refund, record_refund
from fenxiao.reconcile import run as run_module
from fenxiao.reconcile.contract import reconciliation_view
from fenxiao.reconcile.model import Status, Sums, Tally
from fenxiao.reconcile.run import RECONCILE_DIFFERENCE, Reconciler, TooManyDifferencesError, due_days
from fenxiao.reconcile.store import ReconciliationItem, ReconciliationNotFoundError, ReconciliationStore
from fenxiao.review.model import Case, CaseStatus
from fenxiao.wechat.errors import BillMalformedError, WeChatUnavailableError
from fenxiao.wechat.facts import AccountMove, BilledPayment, BilledRefund
from fenxiao.withdrawal.model import Figures, Transfer, Withdrawal
from fenxiao.withdrawal.model import Status as WithdrawalStatus
from fenxiao.withdrawal.store import WithdrawalStore, put_withdrawal
from fenxiao.withdrawal.tax import TaxMethod
from tests.unit.order.shopfloor import ShopFloor
from tests.unit.reconcile.fakes import FakeBills, payment_row, payout_row, refund_row

DAY = date(2026, 3, 1)
NOON = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)
LATE_EVENING = datetime(2026, 3, 1, 15, 59, 50, tzinfo=UTC)
NEXT_MORNING = datetime(2026, 3, 2, 2, 40, tzinfo=UTC)
YESTERDAY, TOMORROW = DAY - timedelta(days=1), DAY + timedelta(days=1)


class Ledgers:
    """Our books with the days before already reconciled, and WeChat's bills."""

    def __init__(self) -> None:
        self.floor = ShopFloor()
        self.floor.family()
        self.bills = FakeBills()
        self.withdrawals = WithdrawalStore()
        self.results = ReconciliationStore()
        self.reconciler = Reconciler(
            self.bills,
            self.floor.orders,
            self.withdrawals,
            self.floor.cases,
            self.results,
            self.floor.clock,
            timedelta(hours=48),
        )

    def at(self, moment: datetime) -> None:
        self.floor.clock.moment = moment

    def paid(self, price_fen: int = 1000) -> Order:
        return self.floor.paid([(self.floor.product(price_fen), 1)])

    def refund(self, order: Order, fen: int) -> Refund:
        request = RequestRefund(reason="破损", amount_fen=fen)
        return create_refund(self.floor.books, order.order_id, f"refund-{fen}", request)

    def refunded(self, order: Order, fen: int) -> Refund:
        return record_refund(self.floor.books, self.floor.refund_result(self.refund(order, fen)))

    def withdrawal(self, name: str = "w", status: WithdrawalStatus = WithdrawalStatus.PAID) -> Withdrawal:
        now = self.floor.clock.now()
        figures = Figures(tax_fen=40, fee_fen=0, net_fen=960, tax_method=TaxMethod.LABOUR)
        withdrawal = Withdrawal(
            withdrawal_id=derived_id(Kind.WITHDRAWAL, name),
            member_id="MA",
            person="person-MA",
            openid="o",
            amount_fen=1000,
            content_hash="",
            status=status,
            requested_at=now,
            quote=figures,
            final=figures,
            transfer=Transfer(body="{}", prepared_at=now, stall_at=now),
            ended_at=now if status.ended else None,
            due_at=None,
        )
        transaction = Transaction()
        put_withdrawal(transaction, withdrawal)
        transaction.commit()
        return withdrawal

    def run(self, at: datetime = NEXT_MORNING) -> dict[date, int]:
        """Run at a moment; return the number of differences by day."""
        self.at(at)
        return {one.day: one.differences for one in self.reconciler.run()}

    @property
    def cases(self) -> list[Case]:
        found, _ = self.floor.cases.queue(RECONCILE_DIFFERENCE, CaseStatus.OPEN, 99, None)
        return found

    def forget(self) -> None:
        """Let the run believe that nothing was ever reconciled."""
        for item in ReconciliationItem.query("reconcile"):
            item.delete()


@pytest.fixture
def ledgers(tables: None) -> Ledgers:
    return Ledgers()


def test_day_on_which_everything_agrees_is_kept_and_opens_nothing(ledgers: Ledgers) -> None:
    order, other, withdrawal = ledgers.paid(1000), ledgers.paid(300), ledgers.withdrawal()
    refund = ledgers.refunded(order, 931)
    rows = [payment_row(order), payment_row(other)]
    ledgers.bills.put(DAY, rows, [refund_row(refund)], [payout_row(withdrawal)])

    assert ledgers.run() == {DAY: 0}

    kept = ledgers.results.get(DAY)
    assert (kept.status, kept.differences, kept.reconciled_at) == (Status.BALANCED, 0, NEXT_MORNING)
    assert kept.payments == Tally(wechat=Sums(2, 1300), ours=Sums(2, 1300))
    assert kept.refunds == Tally(wechat=Sums(1, 931), ours=Sums(1, 931))
    assert kept.transfers == Tally(wechat=Sums(1, 960), ours=Sums(1, 960))
    assert ledgers.cases == []
    assert ledgers.results.last_day() == DAY
    assert reconciliation_view(kept).reconciled_at.isoformat() == "2026-03-02T10:40:00+08:00"


@pytest.mark.rule("M20")
def test_payment_after_the_close_and_its_refund_reconcile(ledgers: Ledgers) -> None:
    order = ledgers.floor.place([(ledgers.floor.product(1000), 1)])
    cancel(ledgers.floor.closer, "MD", order.order_id)
    late = record_payment(ledgers.floor.books, ledgers.floor.pays(order))
    (refund,) = ledgers.floor.orders.refunds(order.order_id)
    record_refund(ledgers.floor.books, ledgers.floor.refund_result(refund))
    ledgers.bills.put(DAY, [payment_row(late)], [refund_row(refund)])
    assert ledgers.run() == {DAY: 0}
    assert ledgers.results.get(DAY).payments.ours == Sums(1, 1000)


def test_what_wechat_does_not_show_is_missing_there(ledgers: Ledgers, capsys: pytest.CaptureFixture[str]) -> None:
    order, withdrawal = ledgers.paid(1000), ledgers.withdrawal()
    refund = ledgers.refunded(order, 931)
    assert ledgers.run() == {DAY: 3}
    assert sorted(case.subject_id for case in ledgers.cases) == [
        f"2026-03-01/missing_at_wechat/payment/{order.order_id}",
        f"2026-03-01/missing_at_wechat/refund/{order.order_id}/{refund.refund_id}",
        f"2026-03-01/missing_at_wechat/transfer/{withdrawal.withdrawal_id}",
    ]
    by_subject = {case.facts["subject"]: case for case in ledgers.cases}
    assert by_subject["transfer"].person == "person-MA"
    assert by_subject["payment"].facts == {
        "day": "2026-03-01",
        "difference": "missing_at_wechat",
        "subject": "payment",
        "reference": order.order_id,
        "our_fen": 1000,
        "our_state": "done",
    }
    assert ledgers.results.get(DAY).status is Status.DIFFERENCES
    assert '"ReconcileDifference":[3.0]' in capsys.readouterr().out.replace(" ", "")


def test_what_we_do_not_know_of_is_a_case_each(ledgers: Ledgers) -> None:
    order = ledgers.paid(1000)
    strangers = [derived_id(Kind.ORDER, "x"), "ELSEWHERE", "MD", "|" * 64]
    payments = [
        BilledPayment(out_trade_no=number, transaction_id="42", state="SUCCESS", amount_fen=7) for number in strangers
    ]
    refunds = [
        BilledRefund(out_trade_no=order.order_id, out_refund_no=number, status="SUCCESS", amount_fen=7)
        for number in (derived_id(Kind.REFUND, "x"), "BYHAND")
    ]
    moves = [
        AccountMove(business="商家转账", voucher=number, out_fen=7)
        for number in (derived_id(Kind.WITHDRAWAL, "x"), "BY HAND", "tax#person")
    ]
    ledgers.bills.put(DAY, [payment_row(order), *payments], refunds, moves)
    assert ledgers.run() == {DAY: 9}
    assert {case.facts["difference"] for case in ledgers.cases} == {"unknown_to_us"}
    assert {case.facts["wechat_fen"] for case in ledgers.cases} == {7}
    assert len(ledgers.cases) == 9


def test_other_amounts_and_other_states_are_cases(ledgers: Ledgers) -> None:
    order = ledgers.paid(1000)
    unpaid = ledgers.floor.place([(ledgers.floor.product(500), 1)])
    pending = ledgers.refund(order, 10)
    returned = ledgers.withdrawal("returned", WithdrawalStatus.RETURNED)
    told = ledgers.floor.pays(unpaid)
    assert told.transaction_id is not None
    unheard = BilledPayment(
        out_trade_no=unpaid.order_id, transaction_id=told.transaction_id, state="SUCCESS", amount_fen=500
    )
    rows = [replace(payment_row(order), amount_fen=999), unheard]
    ledgers.bills.put(DAY, rows, [refund_row(pending)], [payout_row(returned)])

    assert ledgers.run() == {DAY: 4}

    facts = {case.facts["reference"]: case.facts for case in ledgers.cases}
    assert (facts[order.order_id]["difference"], facts[order.order_id]["wechat_fen"]) == ("amount", 999)
    assert facts[order.order_id]["our_fen"] == 1000
    for reference, state in (
        (unpaid.order_id, "not_begun"),
        (f"{order.order_id}/{pending.refund_id}", "under_way"),
        (returned.withdrawal_id, "void"),
    ):
        assert (facts[reference]["difference"], facts[reference]["our_state"]) == ("state", state)


def test_run_again_opens_nothing_twice(ledgers: Ledgers) -> None:
    ledgers.paid(1000)
    assert ledgers.run() == {DAY: 1}
    (case,) = ledgers.cases
    assert ledgers.run() == {}
    ledgers.forget()
    assert ledgers.run(NEXT_MORNING + timedelta(hours=1)) == {DAY: 1}
    assert ledgers.cases == [case]


def test_run_that_died_after_opening_its_cases_ends_the_same(ledgers: Ledgers, monkeypatch: pytest.MonkeyPatch) -> None:
    ledgers.paid(1000)
    with monkeypatch.context() as patch:
        patch.setattr(ReconciliationStore, "put", lambda _self, _one: (_ for _ in ()).throw(ConnectionError))
        with pytest.raises(ConnectionError):
            ledgers.run()
    assert len(ledgers.cases) == 1
    assert ledgers.results.last_day() is None
    assert ledgers.run() == {DAY: 1}
    assert len(ledgers.cases) == 1


def test_payment_just_before_midnight_that_is_told_of_after_it_belongs_to_its_day(ledgers: Ledgers) -> None:
    ledgers.at(LATE_EVENING)
    order = ledgers.floor.place([(ledgers.floor.product(1000), 1)])
    told = ledgers.floor.pays(order)
    ledgers.at(LATE_EVENING + timedelta(hours=3))
    paid = record_payment(ledgers.floor.books, told)
    ledgers.bills.put(DAY, [payment_row(paid)])
    assert ledgers.run() == {DAY: 0}
    assert ledgers.run(NEXT_MORNING + timedelta(days=1)) == {TOMORROW: 0}
    assert ledgers.results.get(TOMORROW).payments.ours == Sums()


@pytest.mark.parametrize("listed", [True, False])
def test_refund_over_midnight_is_looked_for_in_the_bill_of_its_acceptance(ledgers: Ledgers, *, listed: bool) -> None:
    ledgers.at(LATE_EVENING - timedelta(minutes=10))
    order = ledgers.paid(1000)
    refund = ledgers.refund(order, 931)
    rows = [refund_row(refund, "PROCESSING")] if listed else []
    ledgers.bills.put(DAY, [payment_row(order)], rows)
    assert ledgers.run() == {DAY: 0}
    record_refund(ledgers.floor.books, ledgers.floor.refund_result(refund))
    assert ledgers.run(NEXT_MORNING + timedelta(days=1)) == {TOMORROW: 0 if listed else 1}
    assert ledgers.bills.asked == [DAY, TOMORROW, DAY]


def test_earlier_bills_are_looked_into_for_a_month(ledgers: Ledgers) -> None:
    order = ledgers.paid(1000)
    refund = ledgers.refund(order, 931)
    ledgers.at(NOON + timedelta(days=40))
    record_refund(ledgers.floor.books, ledgers.floor.refund_result(refund))
    assert ledgers.run(NEXT_MORNING + timedelta(days=40)) == {DAY + timedelta(days=40): 1}
    assert len(ledgers.bills.asked) == 32
    assert min(ledgers.bills.asked) == DAY + timedelta(days=9)


def test_no_bill_is_asked_for_that_wechat_no_longer_keeps(ledgers: Ledgers) -> None:
    order = ledgers.paid(1000)
    refund = ledgers.refund(order, 931)
    ledgers.at(NOON + timedelta(days=3))
    record_refund(ledgers.floor.books, ledgers.floor.refund_result(refund))
    assert ledgers.run(NOON + timedelta(days=2)) == {TOMORROW: 0}
    ledgers.bills.asked.clear()
    found = ledgers.run(NOON + timedelta(days=92))
    assert (len(found), sum(found.values())) == (31, 1)
    assert set(ledgers.bills.asked) == {TOMORROW + timedelta(days=i) for i in range(1, 32)}


@pytest.mark.parametrize("bill", ["being_made", "payouts_being_made"])
def test_bill_that_is_not_made_yet_ends_the_run_without_fault(
    ledgers: Ledgers, bill: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ledgers.run(NEXT_MORNING - timedelta(days=1)) == {YESTERDAY: 0}
    getattr(ledgers.bills, bill).add(TOMORROW)
    assert ledgers.run(NEXT_MORNING + timedelta(days=2)) == {DAY: 0}
    assert "ReconciliationFault" not in capsys.readouterr().out
    with pytest.raises(ReconciliationNotFoundError):
        ledgers.results.get(TOMORROW)
    getattr(ledgers.bills, bill).clear()
    assert list(ledgers.run(NEXT_MORNING + timedelta(days=2))) == [TOMORROW, TOMORROW + timedelta(days=1)]


@pytest.mark.parametrize("fault", [WeChatUnavailableError(), BillMalformedError("another header", 1)])
def test_day_that_fails_is_the_first_of_the_next_run(
    ledgers: Ledgers, fault: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ledgers.run(NEXT_MORNING - timedelta(days=1)) == {YESTERDAY: 0}
    ledgers.bills.faults.append(fault)
    with pytest.raises(type(fault)):
        ledgers.run()
    assert "ReconciliationFault" in capsys.readouterr().out
    assert ledgers.results.last_day() == YESTERDAY
    assert ledgers.run() == {DAY: 0}


def test_flood_of_differences_is_a_fault_and_opens_nothing(ledgers: Ledgers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "MAX_DIFFERENCES", 2)
    orders = [ledgers.paid(1000) for _ in range(3)]
    with pytest.raises(TooManyDifferencesError):
        ledgers.run()
    assert ledgers.cases == []
    assert ledgers.results.last_day() is None
    ledgers.bills.put(DAY, [payment_row(orders[0])])
    assert ledgers.run() == {DAY: 2}


@pytest.mark.parametrize(
    ("last", "now", "first", "count"),
    [
        (None, NEXT_MORNING, DAY, 1),
        (None, NEXT_MORNING.replace(minute=0), DAY, 1),
        (None, NEXT_MORNING.replace(hour=1, minute=59), YESTERDAY, 1),
        (YESTERDAY, NEXT_MORNING, DAY, 1),
        (YESTERDAY, NEXT_MORNING.replace(hour=1, minute=59), DAY, 0),
        (DAY, NEXT_MORNING, DAY, 0),
        (TOMORROW, NEXT_MORNING, DAY, 0),
        (DAY - timedelta(days=5), NEXT_MORNING, DAY - timedelta(days=4), 5),
        (DAY - timedelta(days=40), NEXT_MORNING, DAY - timedelta(days=39), 31),
        (DAY - timedelta(days=400), NEXT_MORNING, DAY - timedelta(days=89), 31),
    ],
)
def test_days_are_caught_up_with_oldest_first(last: date | None, now: datetime, first: date, count: int) -> None:
    assert due_days(last, now) == [first + timedelta(days=i) for i in range(count)]
