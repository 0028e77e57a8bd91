"""Closing an order that was not paid, by the buyer's wish or because its time is over."""

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from fenxiao.aws.dynamodb import Transaction
from fenxiao.catalogue.store import return_stock
from fenxiao.order.course import closed
from fenxiao.order.errors import NotCancellableError
from fenxiao.order.model import Order, OrderStatus
from fenxiao.order.payment import record_payment
from fenxiao.order.ports import Bookkeeper, PaymentPort
from fenxiao.order.reading import own_order
from fenxiao.order.store import Change
from fenxiao.wechat.errors import WeChatRefusedError
from fenxiao.wechat.facts import PaymentResult

_PAID_MEANWHILE: Final = "ORDERPAID"


class Closer(Struct, frozen=True):
    """What it takes to close an order."""

    books: Bookkeeper
    payments: PaymentPort


def cancel(closer: Closer, member_id: str, order_id: str) -> Order:
    """Close an order because its buyer does not want it any more; doing so again changes nothing.

    Raises:
        OrderNotFoundError: there is no such order of this member.
        NotCancellableError: it is paid.
    """
    own_order(closer.books.orders, member_id, order_id)
    order = close_unpaid(closer, order_id)
    if order.status is not OrderStatus.CLOSED:
        raise NotCancellableError
    return order


def close_unpaid(closer: Closer, order_id: str) -> Order:
    """Close a waiting order and put its stock back, unless WeChat says that it is paid: then take in the payment.

    Once WeChat was asked for a prepay, WeChat has the first word, even if its answer never came. A prepay that is asked
    for after this looked makes the write fail, and it is looked at again.

    Raises:
        PaymentMismatchError: WeChat reports a payment that differs from the order.
    """
    order = closer.books.orders.order(order_id)
    if order.status is not OrderStatus.PLACED:
        return order
    asked = order.prepay_requested_at is not None
    if asked and _paid_at_wechat(closer, order_id):
        return closer.books.orders.order(order_id)
    order = closer.books.orders.alter(order_id, _closing(closer, asked=asked))
    return order if order.status is not OrderStatus.PLACED else close_unpaid(closer, order_id)


def _paid_at_wechat(closer: Closer, order_id: str) -> bool:
    """Close the order at WeChat, or take in the payment that came first; tell whether it was paid."""
    result = closer.payments.query(order_id)
    if result is not None and not result.success:
        result = _closed_at_wechat(closer.payments, order_id)
    if result is None:
        return False
    record_payment(closer.books, result)
    return result.success


def _closed_at_wechat(payments: PaymentPort, order_id: str) -> PaymentResult | None:
    try:
        payments.close(order_id)
    except WeChatRefusedError as refused:
        if refused.code != _PAID_MEANWHILE:
            raise
        return payments.query(order_id)
    return None


def _closing(closer: Closer, *, asked: bool) -> Callable[[Order], Change]:
    def decide(order: Order) -> Change:
        if order.status is not OrderStatus.PLACED or (order.prepay_requested_at is not None) != asked:
            return Change(order)
        return Change(closed(order, closer.books.clock.now()), lambda transaction: _put_back(transaction, order))

    return decide


def _put_back(transaction: Transaction, order: Order) -> None:
    for portion in order.stock:
        return_stock(transaction, portion)
