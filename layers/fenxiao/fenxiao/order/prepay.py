"""Asking WeChat for a prepay, with which the buyer's phone pays."""

from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from fenxiao.clock import Clock
from fenxiao.order.course import prepaid, prepay_requested
from fenxiao.order.errors import NotPayableError
from fenxiao.order.model import FREIGHT_CATEGORY, Order, OrderStatus, Prepay
from fenxiao.order.ports import PaymentPort
from fenxiao.order.reading import own_order
from fenxiao.order.store import Change, OrderStore
from fenxiao.wechat.errors import WeChatRefusedError
from fenxiao.wechat.facts import PaymentParameters

_PREPAY_LIFE: Final = timedelta(hours=2)
_MARGIN: Final = timedelta(minutes=5)
"""The buyer still has to confirm with a password after the parameters were handed out."""

_OVER: Final = frozenset({"ORDERPAID", "ORDER_CLOSED"})
"""WeChat knows of an end that we were not told of yet; the sweeper asks for it when the time to pay is over."""


class Cashier(Struct, frozen=True):
    """What it takes to ask for a payment."""

    orders: OrderStore
    payments: PaymentPort
    clock: Clock
    time_to_pay: timedelta


def prepay(cashier: Cashier, member_id: str, order_id: str) -> PaymentParameters:
    """Return what the buyer's phone pays with; a prepay that still lives is used again.

    Raises:
        OrderNotFoundError: there is no such order of this member.
        NotPayableError: the order is paid or closed, or its time to pay is over.
    """
    order = own_order(cashier.orders, member_id, order_id)
    now = cashier.clock.now()
    if order.prepay and order.status is OrderStatus.PLACED and now < order.prepay.expires_at:
        return cashier.payments.payment_parameters(order.prepay.prepay_id)
    pay_until = order.placed_at + cashier.time_to_pay
    cashier.orders.alter(order_id, lambda order: Change(prepay_requested(order, now, pay_until)))
    prepay_id = _ask(cashier.payments, order, pay_until)
    kept = Prepay(prepay_id=prepay_id, expires_at=now + _PREPAY_LIFE - _MARGIN)
    cashier.orders.alter(order_id, lambda order: Change(prepaid(order, kept)))
    return cashier.payments.payment_parameters(prepay_id)


def _ask(payments: PaymentPort, order: Order, pay_until: datetime) -> str:
    try:
        return payments.create_prepay(order.order_id, describe(order), order.total_fen, order.openid, pay_until)
    except WeChatRefusedError as refused:
        if refused.code in _OVER:
            raise NotPayableError from refused
        raise


def describe(order: Order) -> str:
    """Return what the buyer reads on WeChat's payment page; WeChat wants the same words each time it is asked."""
    goods = [line for line in order.lines if line.category != FREIGHT_CATEGORY]
    return goods[0].title if len(goods) == 1 else f"{goods[0].title} 等 {len(goods)} 种商品"
