from datetime import UTC, date, datetime

import pytest
from msgspec.structs import replace

from fenxiao.order.model import OrderStatus, Refund, RefundStatus
from fenxiao.reconcile.model import Billed, Course, Subject
from fenxiao.reconcile.sides import billed_payouts, billed_trades, own_payment, own_refund, own_transfer
from fenxiao.wechat.facts import AccountMove, BilledPayment, BilledRefund, FundFlowBill, TradeBill
from fenxiao.withdrawal.model import Figures, Status, Transfer, Withdrawal
from fenxiao.withdrawal.tax import TaxMethod
from tests.support.world import paid_order

BEFORE_MIDNIGHT = datetime(2026, 3, 1, 15, 59, 59, tzinfo=UTC)
MIDNIGHT = datetime(2026, 3, 1, 16, 0, tzinfo=UTC)
DAY, NEXT = date(2026, 3, 1), date(2026, 3, 2)


def moves(*ones: tuple[str, str, int]) -> list[Billed]:
    bill = FundFlowBill(tuple(AccountMove(business=name, voucher=voucher, out_fen=fen) for name, voucher, fen in ones))
    return list(billed_payouts(bill))


def trade(status: str) -> Billed:
    refund = BilledRefund(out_trade_no="T1", out_refund_no="R1", status=status, amount_fen=5)
    (row,) = billed_trades(TradeBill(refunds=(refund,)))
    assert (row.subject, row.reference) == (Subject.REFUND, "T1/R1")
    return row


@pytest.mark.parametrize(
    ("status", "misfits"),
    [
        ("SUCCESS", {Course.NOT_BEGUN, Course.UNDER_WAY, Course.VOID}),
        ("CLOSED", {Course.DONE}),
        ("PROCESSING", set()),
        ("ABNORMAL", set()),
        ("SOMETHING_NEW", set()),
    ],
)
def test_refund_that_was_under_way_when_the_bill_was_made_may_have_ended_since(
    status: str, misfits: set[Course]
) -> None:
    assert set(Course) - trade(status).fits == misfits


@pytest.mark.parametrize(("state", "fits"), [("SUCCESS", True), ("REVOKED", False)])
def test_payment_is_one_only_if_it_succeeded(state: str, *, fits: bool) -> None:
    payment = BilledPayment(out_trade_no="T1", transaction_id="42", state=state, amount_fen=5)
    (row,) = billed_trades(TradeBill(payments=(payment,)))
    assert (Course.DONE in row.fits, Course.NOT_BEGUN in row.fits) == (fits, not fits)
    assert (row.subject, row.reference, row.number) == (Subject.PAYMENT, "T1", "42")


def test_money_that_left_and_came_back_on_one_day_is_no_payout() -> None:
    assert moves(("商家转账", "W1", 500), ("商家转账", "W1", -500)) == []


def test_return_of_an_earlier_days_money_is_no_payout() -> None:
    assert moves(("商家转账", "W1", -500)) == []


def test_payouts_are_summed_by_number_whatever_wechat_calls_them() -> None:
    rows = moves(("商家转账", "W1", 500), ("企业付款", "W2", 30), ("商家转账", "W1", 1))
    assert [(row.reference, row.amount_fen) for row in rows] == [("W1", 501), ("W2", 30)]
    assert {row.subject for row in rows} == {Subject.TRANSFER}


@pytest.mark.parametrize("business", ["充值/提现", "充值", "提现"])
def test_merchants_own_deposits_and_withdrawals_are_no_payouts(business: str) -> None:
    assert moves((business, "X1", 500), (business, "X2", -500)) == []


@pytest.mark.rule("M20")
def test_payment_after_the_close_is_a_payment() -> None:
    order = replace(paid_order(1000), status=OrderStatus.CLOSED)
    assert order.payment is not None
    late = replace(order, payment=replace(order.payment, earns=False, paid_at=MIDNIGHT))
    one = own_payment(late)
    assert (one.course, one.done_on, one.amount_fen) == (Course.DONE, NEXT, order.total_fen)


@pytest.mark.parametrize("status", [OrderStatus.PLACED, OrderStatus.CLOSED])
def test_order_without_a_payment_has_none(status: OrderStatus) -> None:
    one = own_payment(replace(paid_order(1000), status=status, payment=None))
    assert (one.course, one.done_on, one.number) == (Course.NOT_BEGUN, None, "")


@pytest.mark.parametrize(("moment", "day"), [(BEFORE_MIDNIGHT, DAY), (MIDNIGHT, NEXT)])
def test_wechats_time_of_success_decides_the_shanghai_day(moment: datetime, day: date) -> None:
    order = paid_order(1000)
    assert order.payment is not None
    assert own_payment(replace(order, payment=replace(order.payment, paid_at=moment))).done_on == day
    assert own_refund(refund(RefundStatus.SUCCEEDED, moment)).done_on == day
    assert own_transfer(withdrawal(Status.PAID, moment)).done_on == day


def refund(status: RefundStatus, ended_at: datetime | None) -> Refund:
    return Refund(
        refund_id="R1",
        order_id="T1",
        line_fens=(3, 4),
        reason="破损",
        status=status,
        requested_at=BEFORE_MIDNIGHT,
        ended_at=ended_at,
    )


@pytest.mark.parametrize(
    ("status", "ended_at", "course"),
    [
        (RefundStatus.PENDING, None, Course.UNDER_WAY),
        (RefundStatus.SUCCEEDED, MIDNIGHT, Course.DONE),
        (RefundStatus.FAILED, None, Course.VOID),
    ],
)
def test_refund_can_stand_in_bills_from_its_request_on(
    status: RefundStatus, ended_at: datetime | None, course: Course
) -> None:
    one = own_refund(refund(status, ended_at))
    assert (one.reference, one.amount_fen, one.course, one.since) == ("T1/R1", 7, course, DAY)


def withdrawal(status: Status, ended_at: datetime | None = None, *, prepared: bool = True) -> Withdrawal:
    figures = Figures(tax_fen=40, fee_fen=0, net_fen=960, tax_method=TaxMethod.LABOUR)
    transfer = Transfer(body="{}", prepared_at=MIDNIGHT, stall_at=MIDNIGHT)
    return Withdrawal(
        withdrawal_id="W1",
        member_id="M1",
        person="hmac",
        openid="o",
        amount_fen=1000,
        content_hash="",
        status=status,
        requested_at=BEFORE_MIDNIGHT,
        quote=replace(figures, net_fen=970),
        final=figures if prepared else None,
        transfer=transfer if prepared else None,
        ended_at=ended_at,
        due_at=None,
    )


@pytest.mark.parametrize(
    ("status", "course"),
    [(Status.PAID, Course.DONE), (Status.RETURNED, Course.VOID), (Status.TRANSFERRING, Course.UNDER_WAY)],
)
def test_transfer_is_the_net_amount_from_the_day_on_which_it_was_prepared(status: Status, course: Course) -> None:
    one = own_transfer(withdrawal(status, MIDNIGHT if status.ended else None))
    assert (one.amount_fen, one.course, one.since, one.person) == (960, course, NEXT, "hmac")
    assert one.done_on == (NEXT if status is Status.PAID else None)


@pytest.mark.parametrize("status", [Status.REQUESTED, Status.IN_REVIEW, Status.APPROVED])
def test_withdrawal_whose_transfer_was_never_prepared_cannot_have_left(status: Status) -> None:
    one = own_transfer(withdrawal(status, prepared=False))
    (row,) = moves(("商家转账", "W1", 960))
    assert one.course is Course.NOT_BEGUN
    assert one.course not in row.fits
    assert {Course.UNDER_WAY, Course.DONE} == row.fits
