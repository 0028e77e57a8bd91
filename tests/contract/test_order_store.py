"""The order room's writes on every engine: what moto accepts, AWS's own engine may refuse."""

from datetime import datetime, time, timedelta
from functools import partial

import pytest
from msgspec.structs import replace

from fenxiao.catalogue.errors import OutOfStockError
from fenxiao.clock import SHANGHAI, shanghai_day
from fenxiao.order.close import cancel
from fenxiao.order.contract import PlaceOrder, RequestRefund, WantedLine
from fenxiao.order.errors import NotCancellableError, RefundTooLargeError
from fenxiao.order.model import Order, OrderStatus, Work
from fenxiao.order.payment import record_payment
from fenxiao.order.place import place
from fenxiao.order.refunding import create_refund, record_refund
from fenxiao.order.store import Change
from tests.support.engines import Engine, patiently, refusal
from tests.unit.order.shopfloor import ShopFloor


@pytest.fixture
def floor(engine: Engine) -> ShopFloor:
    floor = ShopFloor()
    floor.family()
    return floor


def test_an_orders_whole_life(floor: ShopFloor) -> None:
    tea, cup = floor.product(1000, stock=10), floor.product(300, stock=10)
    order = floor.paid([(tea, 9), (cup, 1)])
    refund = create_refund(floor.books, order.order_id, "refund-1", RequestRefund(reason="破损", amount_fen=931))
    record_refund(floor.books, floor.refund_result(refund))
    floor.received(order)
    (due,) = floor.orders.due(Work.SETTLE, floor.clock.now(), 10)
    floor.orders.record_wechat_settlement(order.order_id, floor.clock.now())
    floor.orders.mark_settled(order.order_id, floor.clock.now())
    floor.orders.set_due(due, None, None)

    settled, refunds = floor.orders.order_with_refunds(order.order_id)
    assert settled.status is OrderStatus.SETTLED
    assert settled.due is None
    assert sum(line.refunded_fen for line in settled.lines) == 931
    assert [one.refund_id for one in refunds] == [refund.refund_id]
    assert (floor.left(tea), floor.left(cup)) == (1, 9)
    assert [one.order_id for one in floor.orders.by_member("MD", None, 10)] == [order.order_id]


def test_a_payment_after_the_close_is_refunded(floor: ShopFloor) -> None:
    tea = floor.product(1000, stock=10)
    order = floor.place([(tea, 10)])
    cancel(floor.closer, "MD", order.order_id)

    late = record_payment(floor.books, floor.pays(order))

    assert (late.status, late.refundable_fen) == (OrderStatus.CLOSED, 0)
    assert [one.amount_fen for one in floor.orders.refunds(order.order_id)] == [10_000]
    assert floor.left(tea) == 10


def test_pages_of_orders_follow_on_each_other(floor: ShopFloor) -> None:
    tea = floor.product(stock=100)
    placed = []
    for number in range(5):
        floor.clock.advance(seconds=number % 2)
        placed.append(floor.place([(tea, 1)]).order_id)

    first = floor.orders.by_member("MD", None, 3)
    last = first[-1]
    rest = floor.orders.by_member("MD", (int(last.placed_at.timestamp() * 1000), last.order_id), 3)

    assert sorted(one.order_id for one in first + rest) == sorted(placed)


@pytest.mark.parametrize("quantity", [1, 3])
def test_rush_of_eight_on_the_last_pieces_sells_each_once(engine: Engine, floor: ShopFloor, quantity: int) -> None:
    pieces = 100 if engine.concurrent else 20
    orders_per_buyer = pieces * 3 // 20 // quantity
    tea = floor.product(stock=pieces)
    request = PlaceOrder(lines=[WantedLine(tea.skus[0].sku_id, quantity)], address_id=floor.address())

    def buy(key: str) -> int:
        answer = refusal(partial(place, floor.shop, "MD", key, request), OutOfStockError)
        return 0 if answer else quantity

    def buyer(number: int) -> int:
        return sum(buy(f"rush-{number}-{step:03d}") for step in range(orders_per_buyer))

    sold = sum(engine.at_once(*(partial(buyer, number) for number in range(8))))

    assert sold == pieces - pieces % quantity
    assert floor.left(tea) == pieces - sold
    assert min(floor.catalogue.available(tea.skus[0].sku_id).values()) == 0
    assert buy("rush-0-000") == quantity, "a placed order is answered again though nothing is left"


def test_orders_that_are_not_paid_give_their_pieces_back(floor: ShopFloor) -> None:
    tea = floor.product(stock=10)
    for _ in range(3):
        floor.place([(tea, 3)])
    assert floor.left(tea) == 1
    floor.clock.advance(hours=1)
    assert floor.sweeper.run() == 0
    assert floor.left(tea) == 10


def test_refunds_created_at_once_are_all_kept_and_never_exceed_what_was_paid(engine: Engine, floor: ShopFloor) -> None:
    order = floor.paid([(floor.product(1000), 1)])

    def refund(number: int) -> object:
        request = RequestRefund(reason="破损", amount_fen=300)
        return create_refund(floor.books, order.order_id, f"refund-{number}", request)

    answers = engine.at_once(*(partial(refusal, partial(refund, number), RefundTooLargeError) for number in range(5)))

    assert sorted(answers, key=str) == [RefundTooLargeError] * 2 + [None] * 3
    altered, refunds = floor.orders.order_with_refunds(order.order_id)
    assert (altered.refundable_fen, [one.amount_fen for one in refunds]) == (100, [300] * 3)


def test_order_altered_at_once_takes_every_change(engine: Engine, floor: ShopFloor) -> None:
    order = floor.place([(floor.product(1000), 1)])
    placed = floor.orders.order(order.order_id)
    assert order.due is not None

    def put_off(by: timedelta, one: Order) -> Change:
        assert one.due is not None
        return Change(replace(one, due=replace(one.due, at=one.due.at + by)))

    def touch(minutes: int) -> object:
        decide = partial(put_off, timedelta(minutes=minutes))
        return patiently(partial(floor.orders.alter, order.order_id, decide))

    engine.at_once(*(partial(touch, 10**step) for step in range(5)))

    after = floor.orders.order(order.order_id)
    assert after.due == replace(order.due, at=order.due.at + timedelta(minutes=11_111))
    assert after.version == placed.version + 5


def test_payment_and_cancellation_at_once_end_in_one_of_two_ways(engine: Engine, floor: ShopFloor) -> None:
    tea = floor.product(1000, stock=9)
    for number in range(3):
        order = floor.place([(tea, 3)])
        result = floor.pays(order)
        engine.at_once(
            partial(patiently, partial(record_payment, floor.books, result)),
            partial(refusal, partial(cancel, floor.closer, "MD", order.order_id), NotCancellableError),
        )
        ended, refunds = floor.orders.order_with_refunds(order.order_id)
        assert (ended.status, [one.amount_fen for one in refunds]) in [
            (OrderStatus.PAID, []),
            (OrderStatus.CLOSED, [3000]),
        ]
        if ended.status is OrderStatus.PAID:
            assert floor.left(tea) == 9 - 3 * (number + 1)
        else:
            assert floor.left(tea) == 9 - 3 * number
            floor.place([(tea, 3)])


def test_first_order_is_one_of_those_paid_at_once(engine: Engine, floor: ShopFloor) -> None:
    tea = floor.product(1000, stock=9)
    orders = [floor.place([(tea, 1)]) for _ in range(3)]
    payments = [floor.pays(order) for order in orders]
    engine.at_once(*(partial(patiently, partial(record_payment, floor.books, one)) for one in payments))
    paid = [floor.orders.order(order.order_id) for order in orders]
    assert sorted(one.payment.first_order for one in paid if one.payment) == [False, False, True]


def test_addresses_are_the_members_own(floor: ShopFloor) -> None:
    address_id = floor.address()
    assert floor.addresses.get("MD", address_id) is not None
    assert floor.addresses.get("MC", address_id) is None
    assert list(floor.addresses.of_member("MD")) == [address_id]


@pytest.mark.rule("M20")
def test_index_by_day_finds_payments_and_refunds_by_the_time_that_wechat_gave(floor: ShopFloor) -> None:
    day = shanghai_day(floor.clock.now())
    tea = floor.product(1000, stock=10)
    floor.clock.advance(days=-1)
    late, _unpaid = floor.place([(tea, 1)]), floor.place([(tea, 1)])
    floor.clock.advance(days=1)
    paid = floor.paid([(tea, 1)])
    cancel(floor.closer, "MD", late.order_id)
    before_midnight = datetime.combine(day, time(23, 59, 59), SHANGHAI)
    floor.clock.moment = before_midnight + timedelta(hours=1)
    record_payment(floor.books, floor.pays(late, success_time=before_midnight))
    refunds = [
        create_refund(floor.books, paid.order_id, f"refund-{fen}", RequestRefund(reason="破损", amount_fen=fen))
        for fen in (100, 200, 300)
    ]
    record_refund(floor.books, floor.refund_result(refunds[0], success_time=before_midnight))
    record_refund(floor.books, floor.refund_result(refunds[1]))
    record_refund(floor.books, floor.refund_result(refunds[2], status="CLOSED"))

    yesterday, tomorrow = day - timedelta(days=1), day + timedelta(days=1)
    assert list(floor.orders.paid_on(yesterday)) == []
    assert sorted(floor.orders.paid_on(day)) == sorted([paid.order_id, late.order_id])
    assert list(floor.orders.refunded_on(day)) == [(paid.order_id, refunds[0].refund_id)]
    assert list(floor.orders.paid_on(tomorrow)) == []
    assert list(floor.orders.refunded_on(tomorrow)) == [(paid.order_id, refunds[1].refund_id)]


def test_many_are_found_at_once_and_those_that_are_not_there_are_left_out(floor: ShopFloor) -> None:
    order = floor.paid([(floor.product(1000), 1)])
    refund = create_refund(floor.books, order.order_id, "refund-1", RequestRefund(reason="破损", amount_fen=1))
    strangers = [f"T{number:026d}" for number in range(130)]
    found = list(floor.orders.find_many([*strangers, order.order_id, order.order_id]))
    assert [one.order_id for one in found] == [order.order_id]
    assert found[0].payment == order.payment
    pairs = [
        (order.order_id, refund.refund_id),
        (order.order_id, "R1"),
        *((one, refund.refund_id) for one in strangers),
    ]
    assert list(floor.orders.find_refunds(pairs)) == [refund]
    assert list(floor.orders.find_many([])) == []
    assert list(floor.orders.find_refunds([])) == []


def test_the_due_index_finds_what_is_due_and_nothing_else(floor: ShopFloor) -> None:
    order = floor.place([(floor.product(), 1)])

    assert list(floor.orders.due(Work.CLOSE, floor.clock.now(), 10)) == []
    (due,) = floor.orders.due(Work.CLOSE, floor.clock.now() + timedelta(minutes=30), 10)
    assert (due.order_id, due.sk, due.refund_id) == (order.order_id, "order", "")
