"""Every step may stop before its write, or after it with the answer lost: done again, it ends the same."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from fenxiao.aws.clients import client
from fenxiao.catalogue.model import Product
from fenxiao.order.close import close_unpaid
from fenxiao.order.contract import RequestRefund
from fenxiao.order.delivery import confirm_receipt
from fenxiao.order.model import OrderStatus, RefundStatus
from fenxiao.order.payment import record_payment
from fenxiao.order.prepay import prepay
from fenxiao.order.refunding import create_refund, record_refund
from tests.unit.order.shopfloor import ShopFloor

pytestmark = pytest.mark.moto

WRITES = ("PutItem", "UpdateItem", "TransactWriteItems")


class StoppedError(Exception):
    pass


@contextmanager
def stops_at(nth: int, when: str) -> Iterator[None]:
    """Stop at the n-th write, before it (`before-call`) or after it (`after-call`)."""
    seen = 0

    def stop(**_details: object) -> None:
        nonlocal seen
        seen += 1
        if seen == nth:
            raise StoppedError

    events = client("dynamodb").meta.events
    names = [f"{when}.dynamodb.{operation}" for operation in WRITES]
    for name in names:
        events.register(name, stop)
    try:
        yield
    finally:
        for name in names:
            events.unregister(name, stop)


def live(floor: ShopFloor, tea: Product, buyer: str) -> None:
    """One order is bought, refunded in part, shipped and received, another is never paid."""
    order = floor.place([(tea, 3)], buyer, key="bought-one")
    unpaid = floor.place([(tea, 2)], buyer, key="left-unpaid")
    if order.status is OrderStatus.PLACED:
        prepay(floor.cashier, buyer, order.order_id)
        known = floor.wechat.payments[order.order_id]
        record_payment(floor.books, known if known.success else floor.pays(order))
    refund = create_refund(floor.books, order.order_id, "refund-1", RequestRefund(reason="破损", amount_fen=500))
    record_refund(floor.books, floor.refund_result(refund))
    floor.shipped(order)
    confirm_receipt(floor.orders, buyer, order.order_id, floor.clock.now())
    floor.orders.mark_settled(order.order_id, floor.clock.now())
    close_unpaid(floor.closer, unpaid.order_id)


@pytest.mark.parametrize("when", ["before-call", "after-call"])
def test_a_life_that_stops_at_any_write_ends_as_one_that_never_stopped(tables: None, when: str) -> None:
    stops = 0
    for nth in range(1, 100):
        floor = ShopFloor()
        if nth == 1:
            floor.family()
        buyer = floor.member(f"MD{nth:03d}", "MC", "MB", "MA")
        tea = floor.product(1000, stock=10)
        floor.address(buyer)
        try:
            with stops_at(nth, when):
                live(floor, tea, buyer)
        except StoppedError:
            stops += 1
            live(floor, tea, buyer)
            _check(floor, tea, buyer)
        else:
            break
    assert stops >= 11, "place twice, prepay twice, pay, refund twice, ship, receive, settle, close"


def _check(floor: ShopFloor, tea: Product, buyer: str) -> None:
    orders = {order.status: order for order in floor.orders.by_member(buyer, None, 10)}
    assert set(orders) == {OrderStatus.SETTLED, OrderStatus.CLOSED}
    bought = orders[OrderStatus.SETTLED]
    assert bought.payment
    assert bought.payment.first_order
    assert (bought.lines[0].refunded_fen, bought.lines[0].refund_pending_fen) == (500, 0)
    (refund,) = floor.orders.refunds(bought.order_id)
    assert refund.status is RefundStatus.SUCCEEDED
    assert floor.left(tea) == 7
