import pytest

from fenxiao.order.close import cancel
from fenxiao.order.errors import NotPayableError, OrderNotFoundError
from fenxiao.order.payment import record_payment
from fenxiao.order.prepay import describe, prepay
from fenxiao.wechat.errors import WeChatUnavailableError
from tests.unit.order.shopfloor import TIME_TO_PAY, ShopFloor


def test_prepay_tells_wechat_amount_payer_and_deadline(floor: ShopFloor) -> None:
    order = floor.place([(floor.product(1000), 2), (floor.product(300), 1)])

    parameters = prepay(floor.cashier, "MD", order.order_id)

    assert parameters.package == f"prepay_id=wx{order.order_id}"
    assert floor.wechat.terms[order.order_id] == (
        "龙井 一盒 等 2 种商品",
        2300,
        "openid-MD",
        order.placed_at + TIME_TO_PAY,
    )


def test_a_living_prepay_is_used_again_and_a_dead_one_renewed(floor: ShopFloor) -> None:
    order = floor.place([(floor.product(), 1)])
    first = prepay(floor.cashier, "MD", order.order_id)

    floor.clock.advance(minutes=20)
    assert prepay(floor.cashier, "MD", order.order_id) == first
    assert floor.wechat.asked == [("prepay", order.order_id)]


def test_a_lost_answer_is_asked_for_again_with_the_same_content(floor: ShopFloor) -> None:
    order = floor.place([(floor.product(), 1)])
    floor.wechat.lose_answers = 1

    with pytest.raises(WeChatUnavailableError):
        prepay(floor.cashier, "MD", order.order_id)
    assert floor.orders.order(order.order_id).prepay_requested_at == floor.clock.now()

    floor.clock.advance(minutes=1)
    assert prepay(floor.cashier, "MD", order.order_id).package
    assert floor.orders.order(order.order_id).prepay_requested_at == order.placed_at


def test_somebody_elses_order_looks_as_if_it_did_not_exist(floor: ShopFloor) -> None:
    order = floor.place([(floor.product(), 1)])

    for order_id in (order.order_id, "T" + "0" * 26, "nonsense"):
        with pytest.raises(OrderNotFoundError):
            prepay(floor.cashier, "MC", order_id)
    assert floor.wechat.asked == []


def test_paid_closed_and_overdue_orders_cannot_be_paid(floor: ShopFloor) -> None:
    tea = floor.product()
    paid, closed, overdue = floor.paid([(tea, 1)]), floor.place([(tea, 1)]), floor.place([(tea, 1)])
    cancel(floor.closer, "MD", closed.order_id)
    floor.clock.advance(minutes=29, seconds=30)

    for order in (paid, closed, overdue):
        with pytest.raises(NotPayableError):
            prepay(floor.cashier, "MD", order.order_id)


def test_a_payment_that_only_wechat_knows_of_ends_the_prepay(floor: ShopFloor) -> None:
    order = floor.place([(floor.product(), 1)])
    floor.pays(order)

    with pytest.raises(NotPayableError):
        prepay(floor.cashier, "MD", order.order_id)
    assert record_payment(floor.books, floor.wechat.payments[order.order_id]).payment


def test_the_description_names_a_single_product_without_the_freight(tables: None) -> None:
    floor = ShopFloor(freight_fen=800)
    floor.family()

    assert describe(floor.place([(floor.product(), 1)])) == "龙井 一盒"
