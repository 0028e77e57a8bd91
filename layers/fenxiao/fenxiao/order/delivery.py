"""Shipping, receipt, and WeChat's word that it released the funds."""

from datetime import datetime, timedelta

from msgspec import Struct

from fenxiao.clock import Clock
from fenxiao.order.course import received, settled_by_wechat, shipped
from fenxiao.order.model import FREIGHT_CATEGORY, Order, Shipment
from fenxiao.order.reading import named_order, own_order
from fenxiao.order.store import Change, OrderStore
from fenxiao.wechat.facts import Parcel, SettlementMessage


class Dispatch(Struct, frozen=True):
    """What it takes to ship."""

    orders: OrderStore
    clock: Clock
    receive_after: timedelta
    """After so long a shipped order counts as received."""


def ship(dispatch: Dispatch, order_id: str, carrier: str, tracking_number: str) -> Order:
    """Ship a paid order; its stream record carries the news to WeChat. The same parcel again changes nothing.

    Raises:
        OrderNotFoundError: there is no such order.
        TrackingRequiredError: a parcel without carrier or tracking number.
        NotShippableError: the order is not paid, all of it is refunded, or it was shipped with other details.
    """
    named_order(dispatch.orders, order_id)
    shipment = Shipment(carrier=carrier, tracking_number=tracking_number, shipped_at=dispatch.clock.now())
    return dispatch.orders.alter(order_id, lambda order: Change(shipped(order, shipment, dispatch.receive_after)))


def parcel_of(order: Order) -> Parcel:
    """Return how a shipped order went out, as WeChat is told.

    Raises:
        ValueError: the order was not shipped.
    """
    if order.shipment is None:
        raise ValueError(f"order {order.order_id} was not shipped")
    goods = [f"{line.title}×{line.quantity}" for line in order.lines if line.category != FREIGHT_CATEGORY]
    return Parcel(
        out_trade_no=order.order_id,
        openid=order.openid,
        description="，".join(goods),
        carrier=None if order.is_virtual else order.shipment.carrier,
        tracking_number=None if order.is_virtual else order.shipment.tracking_number,
        receiver_phone=order.address.phone if order.address else None,
    )


def confirm_receipt(orders: OrderStore, member_id: str, order_id: str, now: datetime) -> Order:
    """Confirm, as the buyer, that the goods came; doing so again changes nothing.

    Raises:
        OrderNotFoundError: there is no such order of this member.
        NotReceivableError: it was not shipped.
    """
    own_order(orders, member_id, order_id)
    return receive(orders, order_id, now)


def receive(orders: OrderStore, order_id: str, now: datetime) -> Order:
    """Take a shipped order as received."""
    return orders.alter(order_id, lambda order: Change(received(order, now)))


def record_settlement(orders: OrderStore, message: SettlementMessage, now: datetime) -> None:
    """Take in WeChat's word that it released an order's funds; an estimate, and the same word again, change nothing.

    Raises:
        OrderNotFoundError: there is no such order.
    """
    settled_at = message.settled_at
    if settled_at is None:
        return
    orders.alter(message.out_trade_no, lambda order: Change(settled_by_wechat(order, settled_at, now)))
