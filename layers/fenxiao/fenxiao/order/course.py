"""The course of an order, pure: what each event makes of it.

A function returns the order unchanged if the event has already happened to it, and raises if it may not happen now.
"""

from datetime import datetime, timedelta
from typing import Final

from msgspec.structs import replace

from fenxiao.order.errors import (
    NotPayableError,
    NotReceivableError,
    NotShippableError,
    TrackingRequiredError,
)
from fenxiao.order.model import (
    Due,
    Order,
    OrderLine,
    OrderStatus,
    Payment,
    Prepay,
    Refund,
    RefundStatus,
    Shipment,
    Work,
)

EVENT_GRACE: Final = timedelta(minutes=10)
"""What the stream's consumers have not done by then, the sweeper does (M29)."""
REFUND_GRACE: Final = timedelta(minutes=15)
"""When WeChat is asked about a refund that nothing was heard of."""

_LAST_CALL: Final = timedelta(minutes=1)
"""WeChat refuses a deadline that is nearer than this."""
_RECEIVED: Final = frozenset({OrderStatus.RECEIVED, OrderStatus.SETTLED})


def prepay_requested(order: Order, now: datetime, pay_until: datetime) -> Order:
    """Note, before it happens, that WeChat is asked for a prepay.

    Raises:
        NotPayableError: the order is not waiting for its payment, or its time is over.
    """
    if order.status is not OrderStatus.PLACED or now >= pay_until - _LAST_CALL:
        raise NotPayableError
    return order if order.prepay_requested_at else replace(order, prepay_requested_at=now)


def prepaid(order: Order, prepay: Prepay) -> Order:
    """Keep the prepay.

    Raises:
        NotPayableError: the order was paid or closed meanwhile.
    """
    if order.status is not OrderStatus.PLACED:
        raise NotPayableError
    return replace(order, prepay=prepay)


def paid(order: Order, payment: Payment, now: datetime) -> Order:
    """Take in the payment of an order that waited for it."""
    return replace(order, status=OrderStatus.PAID, payment=payment, due=Due(work=Work.EARN, at=now + EVENT_GRACE))


def paid_late(order: Order, payment: Payment, refund: Refund) -> Order:
    """Take in a payment of a closed order, which stays closed and is refunded by this refund (M20)."""
    return pending(replace(order, payment=payment), refund)


def closed(order: Order, now: datetime) -> Order:
    """Close an order that waited for its payment."""
    return replace(order, status=OrderStatus.CLOSED, closed_at=now, due=None)


def shipped(order: Order, shipment: Shipment, receive_after: timedelta) -> Order:
    """Ship a paid order.

    Raises:
        TrackingRequiredError: a parcel without carrier or tracking number.
        NotShippableError: the order is not paid, all of it is refunded, or it was shipped with other details.
    """
    if not order.is_virtual and not (shipment.carrier and shipment.tracking_number):
        raise TrackingRequiredError
    if order.shipment and _same_parcel(order.shipment, shipment):
        return order
    if order.status is not OrderStatus.PAID or not order.refundable_fen:
        raise NotShippableError
    due = Due(work=Work.RECEIVE, at=shipment.shipped_at + receive_after)
    return replace(order, status=OrderStatus.SHIPPED, shipment=shipment, due=due)


def received(order: Order, now: datetime) -> Order:
    """Confirm the receipt of a shipped order.

    Raises:
        NotReceivableError: it was not shipped.
    """
    if order.status in _RECEIVED:
        return order
    if order.status is not OrderStatus.SHIPPED:
        raise NotReceivableError
    return replace(order, status=OrderStatus.RECEIVED, received_at=now, due=Due(work=Work.SETTLE, at=now))


def settled_by_wechat(order: Order, settled_at: datetime, now: datetime) -> Order:
    """Note that WeChat released the funds, and let a received order settle without waiting for the next question."""
    if order.wechat_settled_at:
        return order
    due = Due(work=Work.SETTLE, at=now) if order.status is OrderStatus.RECEIVED else order.due
    return replace(order, wechat_settled_at=settled_at, due=due)


def pending(order: Order, refund: Refund) -> Order:
    """Set aside on the lines what a new refund will take."""
    return _with_lines(order, refund, pending=1, refunded=0)


def refunded(order: Order, refund: Refund) -> Order:
    """Move what a refund set aside to what was refunded."""
    return _with_lines(order, refund, pending=-1, refunded=1)


def released(order: Order, refund: Refund) -> Order:
    """Give back to the lines what a failed refund had set aside."""
    return _with_lines(order, refund, pending=-1, refunded=0)


def succeeded(refund: Refund, success_time: datetime, now: datetime) -> Refund:
    """Return the refund as WeChat paid it out."""
    due = Due(work=Work.CLAWBACK, at=now + EVENT_GRACE)
    return replace(refund, status=RefundStatus.SUCCEEDED, ended_at=success_time, due=due)


def failed(refund: Refund) -> Refund:
    """Return the refund as WeChat closed it without paying."""
    return replace(refund, status=RefundStatus.FAILED, due=None)


def _same_parcel(one: Shipment, other: Shipment) -> bool:
    return (one.carrier, one.tracking_number) == (other.carrier, other.tracking_number)


def _with_lines(order: Order, refund: Refund, *, pending: int, refunded: int) -> Order:
    lines = [
        _moved(line, pending * fen, refunded * fen) for line, fen in zip(order.lines, refund.line_fens, strict=True)
    ]
    return replace(order, lines=tuple(lines))


def _moved(line: OrderLine, pending_fen: int, refunded_fen: int) -> OrderLine:
    moved = replace(
        line,
        refund_pending_fen=line.refund_pending_fen + pending_fen,
        refunded_fen=line.refunded_fen + refunded_fen,
    )
    if min(moved.refundable_fen, moved.refund_pending_fen, moved.refunded_fen) < 0:
        raise ValueError(f"a refund of {line.sku_id} would take more than was paid")
    return moved
