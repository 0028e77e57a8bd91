"""The two sides in one form, pure: bills on the one hand, orders, refunds and withdrawals on the other."""

from collections.abc import Iterator
from typing import Final

from fenxiao.clock import shanghai_day
from fenxiao.order.model import Order, Refund, RefundStatus
from fenxiao.reconcile.model import Billed, Course, Own, Subject
from fenxiao.wechat.facts import FundFlowBill, TradeBill
from fenxiao.withdrawal.model import Status, Withdrawal

_SUCCESS: Final = "SUCCESS"
_CLOSED: Final = "CLOSED"
_MONEY_OUT: Final = "OUT"
_TREASURY: Final = frozenset({"充值/提现", "充值", "提现"})
"""The merchant's own deposits into the account and withdrawals from it: nobody's payout."""
_REFUND_COURSE: Final = {
    RefundStatus.PENDING: Course.UNDER_WAY,
    RefundStatus.SUCCEEDED: Course.DONE,
    RefundStatus.FAILED: Course.VOID,
}
_ANY: Final = frozenset(Course)
_NOT_DONE: Final = _ANY - {Course.DONE}


def billed_trades(bill: TradeBill) -> Iterator[Billed]:
    """Yield the payments and refunds of a bill.

    A refund's status is that of the moment at which the bill was made: what was still under way may have ended since.
    """
    for payment in bill.payments:
        yield Billed(
            subject=Subject.PAYMENT,
            reference=payment.out_trade_no,
            number=payment.transaction_id,
            amount_fen=payment.amount_fen,
            state=payment.state,
            fits=frozenset({Course.DONE}) if payment.state == _SUCCESS else _NOT_DONE,
        )
    for refund in bill.refunds:
        yield Billed(
            subject=Subject.REFUND,
            reference=refund_reference(refund.out_trade_no, refund.out_refund_no),
            amount_fen=refund.amount_fen,
            state=refund.status,
            fits=_refund_fits(refund.status),
        )


def billed_payouts(bill: FundFlowBill) -> Iterator[Billed]:
    """Yield what left the account for somebody, by the merchant's number; what came back on the same day is no payout.

    Money may leave the account before the payee has confirmed, so a transfer that is still under way fits.
    """
    left: dict[str, int] = {}
    for move in bill.moves:
        if move.business not in _TREASURY:
            left[move.voucher] = left.get(move.voucher, 0) + move.out_fen
    for voucher, out_fen in left.items():
        if out_fen > 0:
            yield Billed(
                subject=Subject.TRANSFER,
                reference=voucher,
                amount_fen=out_fen,
                state=_MONEY_OUT,
                fits=frozenset({Course.UNDER_WAY, Course.DONE}),
            )


def own_payment(order: Order) -> Own:
    """Return the payment of an order, made or not; one that came after the close is a payment too (M20)."""
    payment = order.payment
    return Own(
        subject=Subject.PAYMENT,
        reference=order.order_id,
        number=payment.transaction_id if payment else "",
        amount_fen=order.total_fen,
        course=Course.DONE if payment else Course.NOT_BEGUN,
        since=shanghai_day(payment.paid_at if payment else order.placed_at),
        done_on=shanghai_day(payment.paid_at) if payment else None,
    )


def own_refund(refund: Refund) -> Own:
    """Return a refund, which stands in the bill of the day on which WeChat accepted it."""
    return Own(
        subject=Subject.REFUND,
        reference=refund_reference(refund.order_id, refund.refund_id),
        amount_fen=refund.amount_fen,
        course=_REFUND_COURSE[refund.status],
        since=shanghai_day(refund.requested_at),
        done_on=shanghai_day(refund.ended_at) if refund.ended_at else None,
    )


def own_transfer(withdrawal: Withdrawal) -> Own:
    """Return the transfer of a withdrawal, sent or not."""
    figures = withdrawal.final or withdrawal.quote
    transfer, ended_at = withdrawal.transfer, withdrawal.ended_at
    paid = withdrawal.status is Status.PAID
    return Own(
        subject=Subject.TRANSFER,
        reference=withdrawal.withdrawal_id,
        amount_fen=figures.net_fen,
        course=_transfer_course(withdrawal),
        since=shanghai_day(transfer.prepared_at if transfer else withdrawal.requested_at),
        done_on=shanghai_day(ended_at) if paid and ended_at else None,
        person=withdrawal.person,
    )


def refund_reference(order_id: str, refund_id: str) -> str:
    """Return by what a refund is found."""
    return f"{order_id}/{refund_id}"


def refund_ids(reference: str) -> tuple[str, str]:
    """Return the order's and the refund's number."""
    order_id, _, refund_id = reference.partition("/")
    return order_id, refund_id


def _refund_fits(status: str) -> frozenset[Course]:
    if status == _SUCCESS:
        return frozenset({Course.DONE})
    return _NOT_DONE if status == _CLOSED else _ANY


def _transfer_course(withdrawal: Withdrawal) -> Course:
    match withdrawal.status:
        case Status.PAID:
            return Course.DONE
        case Status.RETURNED:
            return Course.VOID
        case Status.TRANSFERRING:
            return Course.UNDER_WAY
        case _:
            return Course.NOT_BEGUN
