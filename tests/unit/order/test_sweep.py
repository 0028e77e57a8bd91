from datetime import timedelta

import pytest

from fenxiao.order.contract import RequestRefund
from fenxiao.order.model import OrderStatus, RefundStatus, Work
from fenxiao.order.payment import record_payment
from fenxiao.order.prepay import prepay
from fenxiao.order.refunding import create_refund
from fenxiao.wechat.errors import WeChatUnavailableError
from tests.unit.order.shopfloor import RECEIVE_AFTER, TIME_TO_PAY, ShopFloor

ALL = RequestRefund(reason="不想要了", all=True)


def test_an_unpaid_order_is_closed_when_its_time_is_over_and_not_before(floor: ShopFloor) -> None:
    tea = floor.product(stock=10)
    order = floor.place([(tea, 3)])

    floor.clock.moment = order.placed_at + TIME_TO_PAY - timedelta(seconds=1)
    assert floor.sweeper.run() == 0
    assert floor.orders.order(order.order_id).status is OrderStatus.PLACED

    floor.clock.advance(seconds=1)
    assert floor.sweeper.run() == 0
    assert floor.orders.order(order.order_id).status is OrderStatus.CLOSED
    assert floor.left(tea) == 10
    assert list(floor.orders.due(Work.CLOSE, floor.clock.now(), 10)) == []


def test_a_lost_payment_notification_is_made_good(floor: ShopFloor) -> None:
    order = floor.place([(floor.product(), 1)])
    prepay(floor.cashier, "MD", order.order_id)
    result = floor.pays(order)
    floor.clock.advance(hours=1)

    floor.sweeper.run()

    paid = floor.orders.order(order.order_id)
    assert paid.status is OrderStatus.PAID
    assert paid.payment
    assert paid.payment.paid_at == result.success_time
    assert record_payment(floor.books, result) == paid


def test_a_shipped_order_counts_as_received_in_the_end(floor: ShopFloor) -> None:
    order = floor.shipped(floor.paid([(floor.product(), 1)]))

    floor.clock.moment += RECEIVE_AFTER
    floor.sweeper.run()

    received = floor.orders.order(order.order_id)
    assert (received.status, received.received_at) == (OrderStatus.RECEIVED, floor.clock.now())
    assert [due.order_id for due in floor.orders.due(Work.SETTLE, floor.clock.now(), 10)] == [order.order_id]


def test_a_refund_that_never_reached_wechat_is_asked_for_again_under_its_number(floor: ShopFloor) -> None:
    order = floor.paid([(floor.product(1000), 1)])
    refund = create_refund(floor.books, order.order_id, "refund-1", ALL)

    floor.clock.advance(minutes=15)
    floor.sweeper.run()

    assert list(floor.refund_side.refunds) == [refund.refund_id]
    (due,) = floor.orders.due(Work.REFUND, floor.clock.now() + timedelta(hours=1), 10)
    assert due.at == floor.clock.now() + timedelta(hours=1)


def test_a_lost_refund_notification_is_made_good(floor: ShopFloor) -> None:
    order = floor.paid([(floor.product(1000), 1)])
    refund = create_refund(floor.books, order.order_id, "refund-1", ALL)
    floor.refund_side.refunds[refund.refund_id] = floor.refund_result(refund)

    floor.clock.advance(minutes=15)
    floor.sweeper.run()

    ended = floor.orders.refund(order.order_id, refund.refund_id)
    assert ended
    assert ended.status is RefundStatus.SUCCEEDED
    assert ended.due
    assert ended.due.work is Work.CLAWBACK


def test_one_items_fault_does_not_hold_up_the_others_and_is_tried_again(
    floor: ShopFloor, monkeypatch: pytest.MonkeyPatch
) -> None:
    tea = floor.product()
    sick, healthy = floor.place([(tea, 1)]), floor.place([(tea, 1)])
    prepay(floor.cashier, "MD", sick.order_id)
    floor.clock.moment += TIME_TO_PAY

    def fail(_order_id: str) -> None:
        raise WeChatUnavailableError

    with monkeypatch.context() as patch:
        patch.setattr(floor.wechat, "query", fail)
        assert floor.sweeper.run() == 1
    assert floor.orders.order(sick.order_id).status is OrderStatus.PLACED
    assert floor.orders.order(healthy.order_id).status is OrderStatus.CLOSED
    assert list(floor.orders.due(Work.CLOSE, floor.clock.now(), 10)) == [], "it makes room"

    floor.clock.advance(minutes=15)
    assert floor.sweeper.run() == 0
    assert floor.orders.order(sick.order_id).status is OrderStatus.CLOSED


def test_a_page_takes_the_longest_waiting_first(floor: ShopFloor) -> None:
    tea = floor.product(stock=100)
    placed = []
    for _ in range(12):
        placed.append(floor.place([(tea, 1)]).order_id)
        floor.clock.advance(seconds=1)
    now = floor.clock.now() + TIME_TO_PAY

    first = {due.shard: due.order_id for due in floor.orders.due(Work.CLOSE, now, 1)}

    everything = list(floor.orders.due(Work.CLOSE, now, 100))
    assert sorted(due.order_id for due in everything) == sorted(placed)
    for shard, order_id in first.items():
        assert order_id == min((due.order_id for due in everything if due.shard == shard), key=placed.index)


def test_a_due_slot_that_moved_on_is_not_moved_back(floor: ShopFloor) -> None:
    order = floor.received(floor.paid([(floor.product(), 1)]))
    (due,) = floor.orders.due(Work.SETTLE, floor.clock.now(), 10)
    floor.orders.set_due(due, Work.SETTLE, floor.clock.now() + timedelta(days=7))

    floor.orders.set_due(due, None, None)

    kept = floor.orders.order(order.order_id).due
    assert kept
    assert (kept.work, kept.at) == (Work.SETTLE, floor.clock.now() + timedelta(days=7))
    (again,) = floor.orders.due(Work.SETTLE, floor.clock.now() + timedelta(days=7), 10)
    floor.orders.set_due(again, None, None)
    assert floor.orders.order(order.order_id).due is None
