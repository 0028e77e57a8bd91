from datetime import timedelta

import pytest

from fenxiao.order.contract import RequestRefund
from fenxiao.order.delivery import confirm_receipt, record_settlement, ship
from fenxiao.order.errors import (
    NotReceivableError,
    NotShippableError,
    OrderNotFoundError,
    TrackingRequiredError,
)
from fenxiao.order.model import OrderStatus, Work
from fenxiao.order.refunding import create_refund
from fenxiao.wechat.facts import SettlementMessage
from tests.unit.order.shopfloor import RECEIVE_AFTER, ShopFloor


def test_shipping_a_paid_order_lets_it_wait_for_its_receipt(floor: ShopFloor) -> None:
    order = floor.paid([(floor.product(), 1)])

    shipped = floor.shipped(order)

    assert shipped.status is OrderStatus.SHIPPED
    assert shipped.shipment
    assert shipped.due
    assert (shipped.due.work, shipped.due.at) == (Work.RECEIVE, floor.clock.now() + RECEIVE_AFTER)


def test_the_same_parcel_again_changes_nothing_and_another_is_refused(floor: ShopFloor) -> None:
    shipped = floor.shipped(floor.paid([(floor.product(), 1)]))
    floor.clock.advance(hours=1)

    assert floor.shipped(shipped) == shipped
    with pytest.raises(NotShippableError):
        ship(floor.dispatch, shipped.order_id, "SF", "SF999")


def test_an_unpaid_order_and_a_refunded_one_are_not_shipped(floor: ShopFloor) -> None:
    tea = floor.product()
    unpaid, refunded = floor.place([(tea, 1)]), floor.paid([(tea, 1)])
    create_refund(floor.books, refunded.order_id, "refund-1", RequestRefund(reason="不想要了", all=True))

    for order in (unpaid, refunded):
        with pytest.raises(NotShippableError):
            floor.shipped(order)


def test_a_parcel_needs_its_tracking_number_and_virtual_goods_none(floor: ShopFloor) -> None:
    parcel = floor.paid([(floor.product(), 1)])
    virtual = floor.paid([(floor.product(is_virtual=True), 1)])

    with pytest.raises(TrackingRequiredError):
        ship(floor.dispatch, parcel.order_id, "SF", "")
    assert ship(floor.dispatch, virtual.order_id, "", "").status is OrderStatus.SHIPPED


def test_the_buyer_confirms_the_receipt_once(floor: ShopFloor) -> None:
    order = floor.shipped(floor.paid([(floor.product(), 1)]))
    first = confirm_receipt(floor.orders, "MD", order.order_id, floor.clock.now())

    assert first.status is OrderStatus.RECEIVED
    assert first.received_at == floor.clock.now()
    assert first.due
    assert (first.due.work, first.due.at) == (Work.SETTLE, floor.clock.now())
    later = floor.clock.now() + timedelta(days=1)
    assert confirm_receipt(floor.orders, "MD", order.order_id, later) == first


def test_only_the_buyer_confirms_and_only_what_was_shipped(floor: ShopFloor) -> None:
    order = floor.paid([(floor.product(), 1)])

    with pytest.raises(NotReceivableError):
        confirm_receipt(floor.orders, "MD", order.order_id, floor.clock.now())
    floor.shipped(order)
    with pytest.raises(OrderNotFoundError):
        confirm_receipt(floor.orders, "MC", order.order_id, floor.clock.now())


def settlement(order_id: str, floor: ShopFloor, **later: float) -> SettlementMessage:
    return SettlementMessage(out_trade_no=order_id, settled_at=floor.clock.now() + timedelta(**later))


def test_wechats_settlement_of_a_received_order_lets_it_settle_now(floor: ShopFloor) -> None:
    order = floor.received(floor.paid([(floor.product(), 1)]))
    due = next(iter(floor.orders.due("settle", floor.clock.now(), 10)))
    floor.orders.set_due(due, "settle", floor.clock.now() + timedelta(hours=1))
    message = settlement(order.order_id, floor)
    floor.clock.advance(minutes=1)

    record_settlement(floor.orders, message, floor.clock.now())

    settled = floor.orders.order(order.order_id)
    assert settled.wechat_settled_at == message.settled_at
    assert settled.due
    assert settled.due.at == floor.clock.now()


def test_the_first_settlement_stands_and_does_not_touch_other_work(floor: ShopFloor) -> None:
    order = floor.shipped(floor.paid([(floor.product(), 1)]))
    first = settlement(order.order_id, floor)

    record_settlement(floor.orders, first, floor.clock.now())
    record_settlement(floor.orders, settlement(order.order_id, floor, days=1), floor.clock.now())
    floor.orders.record_wechat_settlement(order.order_id, floor.clock.now() + timedelta(days=2))

    noted = floor.orders.order(order.order_id)
    assert noted.wechat_settled_at == first.settled_at
    assert noted.due == order.due


def test_an_estimate_is_no_settlement(floor: ShopFloor) -> None:
    order = floor.shipped(floor.paid([(floor.product(), 1)]))

    estimate = SettlementMessage(out_trade_no=order.order_id, settled_at=None)
    record_settlement(floor.orders, estimate, floor.clock.now())

    assert floor.orders.order(order.order_id) == order


def test_only_a_received_order_becomes_settled(floor: ShopFloor) -> None:
    order = floor.paid([(floor.product(), 1)])
    floor.orders.mark_settled(order.order_id, floor.clock.now())
    assert floor.orders.order(order.order_id) == order

    floor.received(order)
    for hours in (1, 2):
        floor.orders.mark_settled(order.order_id, floor.clock.now() + timedelta(hours=hours))
    settled = floor.orders.order(order.order_id)
    assert settled.status is OrderStatus.SETTLED
    assert settled.settled_at == floor.clock.now() + timedelta(hours=1)
