"""Taking in a payment that WeChat reports, by notification or by query (M10, M18, M20)."""

from datetime import datetime
from typing import Final

from msgspec import Struct

from fenxiao.aws.dynamodb import Transaction
from fenxiao.ids import Kind, derived_id
from fenxiao.observability import count
from fenxiao.order.course import REFUND_GRACE, paid, paid_late
from fenxiao.order.errors import OrderNotFoundError, PaymentMismatchError
from fenxiao.order.mismatch import PAYMENT_MISMATCH, report_mismatch
from fenxiao.order.model import (
    Due,
    FrozenStanding,
    Order,
    OrderStatus,
    Payment,
    Refund,
    RefundStatus,
    Work,
)
from fenxiao.order.ports import Bookkeeper
from fenxiao.order.store import Also, Change, put_refund
from fenxiao.relation.model import Member, Standing
from fenxiao.relation.store import MemberStore
from fenxiao.wechat.facts import PaymentResult

_LATE_REASON: Final = "订单已关闭，自动退款"


class _Paid(Struct, frozen=True):
    """A successful payment with all that a success must have."""

    transaction_id: str
    paid_at: datetime


def record_payment(books: Bookkeeper, result: PaymentResult) -> Order:
    """Take in a payment; the same one again changes nothing, and an unsuccessful one never does.

    A waiting order becomes paid: what the payment's instant decides is frozen, and a first order is claimed, in the
    same transaction. An order that was closed before stays closed and is refunded in full (M20).

    Raises:
        OrderNotFoundError: there is no such order (yet): WeChat will tell again.
        PaymentMismatchError: amount or payer differ from the order's, or it is a second payment of the same order; it
            becomes a case and is not booked.
    """
    order = books.orders.find(result.out_trade_no)
    if order is None:
        count("UnknownOrderPaid")
        raise OrderNotFoundError
    if not result.success:
        return order
    success = _checked(books, order, result)
    return books.orders.alter(order.order_id, lambda order: _take_in(books, order, success))


def _checked(books: Bookkeeper, order: Order, result: PaymentResult) -> _Paid:
    reported_fen = result.total_fen or 0
    wrong = None
    if result.transaction_id is None or result.success_time is None:
        wrong = "incomplete"
    elif order.payment and order.payment.transaction_id != result.transaction_id:
        wrong = "second_payment"
    elif reported_fen != order.total_fen:
        wrong = "amount"
    elif result.payer_openid != order.openid:
        wrong = "payer"
    else:
        return _Paid(result.transaction_id, result.success_time)
    report_mismatch(
        books,
        PAYMENT_MISMATCH,
        order.order_id,
        result.transaction_id or "unknown",
        wrong,
        expected_fen=order.total_fen,
        reported_fen=reported_fen,
    )
    raise PaymentMismatchError(wrong)


def _take_in(books: Bookkeeper, order: Order, success: _Paid) -> Change:
    if order.payment:
        return Change(order)
    ids = [order.member_id, *(upline.member_id for upline in order.chain)]
    members = books.members.get_many(ids)
    standings = tuple(_frozen(member_id, members.get(member_id), success.paid_at) for member_id in ids)
    if order.status is OrderStatus.CLOSED:
        payment = _payment(success, standings, first_order=False, earns=False)
        return _late(order, payment, books.clock.now())
    buyer = members.get(order.member_id)
    first_order = buyer is not None and buyer.first_paid_order_id is None
    payment = _payment(success, standings, first_order=first_order, earns=True)
    claim = _claim(books.members, order, success) if first_order else None
    return Change(paid(order, payment, books.clock.now()), claim)


def _claim(members: MemberStore, order: Order, success: _Paid) -> Also:
    def add(transaction: Transaction) -> None:
        members.claim_first_order(transaction, order.member_id, order.order_id, success.paid_at)

    return add


def _late(order: Order, payment: Payment, now: datetime) -> Change:
    count("PaidAfterClose")
    refund = Refund(
        refund_id=derived_id(Kind.REFUND, order.order_id, "paid after close"),
        order_id=order.order_id,
        line_fens=tuple(line.paid_fen for line in order.lines),
        reason=_LATE_REASON,
        status=RefundStatus.PENDING,
        requested_at=now,
        due=Due(work=Work.REFUND, at=now + REFUND_GRACE),
    )
    return Change(paid_late(order, payment, refund), lambda transaction: _put(transaction, refund))


def _put(transaction: Transaction, refund: Refund) -> None:
    put_refund(transaction, refund)


def _payment(success: _Paid, standings: tuple[FrozenStanding, ...], *, first_order: bool, earns: bool) -> Payment:
    return Payment(
        transaction_id=success.transaction_id,
        paid_at=success.paid_at,
        first_order=first_order,
        standings=standings,
        earns=earns,
    )


def _frozen(member_id: str, member: Member | None, moment: datetime) -> FrozenStanding:
    """A member whose record is gone cannot earn any more."""
    if member is None:
        return FrozenStanding(member_id=member_id, standing=Standing.SHOPPER)
    return FrozenStanding(member_id=member_id, standing=member.standing_at(moment), tier=member.tier_at(moment))
