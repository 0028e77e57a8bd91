import pytest

from fenxiao.order.close import cancel, close_unpaid
from fenxiao.order.errors import NotCancellableError, OrderNotFoundError, PaymentMismatchError
from fenxiao.order.model import OrderStatus
from fenxiao.order.prepay import prepay
from fenxiao.order.store import OrderStore
from fenxiao.wechat.errors import WeChatUnavailableError
from fenxiao.wechat.facts import PaymentResult
from tests.unit.order.shopfloor import ShopFloor, meanwhile


def test_cancelling_puts_the_stock_back_once(floor: ShopFloor) -> None:
    tea = floor.product(stock=10)
    before = floor.catalogue.available(tea.skus[0].sku_id)
    order = floor.place([(tea, 9)])

    for _ in range(2):
        closed = cancel(floor.closer, "MD", order.order_id)

    assert closed.status is OrderStatus.CLOSED
    assert closed.closed_at == floor.clock.now()
    assert closed.due is None
    assert floor.catalogue.available(tea.skus[0].sku_id) == before


def test_an_order_that_wechat_never_heard_of_is_closed_without_asking(floor: ShopFloor) -> None:
    cancel(floor.closer, "MD", floor.place([(floor.product(), 1)]).order_id)

    assert floor.wechat.asked == []


def test_wechat_is_asked_and_closed_first_once_a_prepay_was_asked_for(floor: ShopFloor) -> None:
    order = floor.place([(floor.product(), 1)])
    floor.wechat.lose_answers = 1
    with pytest.raises(WeChatUnavailableError):
        prepay(floor.cashier, "MD", order.order_id)

    assert cancel(floor.closer, "MD", order.order_id).status is OrderStatus.CLOSED
    assert floor.wechat.asked[1:] == [("query", order.order_id), ("close", order.order_id)]
    assert floor.wechat.payments[order.order_id].trade_state == "CLOSED"


def test_a_payment_of_which_the_notification_was_lost_wins_over_the_cancellation(floor: ShopFloor) -> None:
    tea = floor.product(stock=10)
    order = floor.place([(tea, 1)])
    prepay(floor.cashier, "MD", order.order_id)
    floor.pays(order)

    with pytest.raises(NotCancellableError):
        cancel(floor.closer, "MD", order.order_id)

    assert floor.orders.order(order.order_id).status is OrderStatus.PAID
    assert floor.left(tea) == 9


def test_a_payment_between_the_question_and_the_close_wins(floor: ShopFloor, monkeypatch: pytest.MonkeyPatch) -> None:
    order = floor.place([(floor.product(), 1)])
    prepay(floor.cashier, "MD", order.order_id)
    real_query = floor.wechat.query

    def query_and_pay(order_id: str) -> PaymentResult | None:
        answer = real_query(order_id)
        if answer and not answer.success:
            floor.pays(order)
        return answer

    monkeypatch.setattr(floor.wechat, "query", query_and_pay)

    assert close_unpaid(floor.closer, order.order_id).status is OrderStatus.PAID


def test_a_prepay_asked_for_while_closing_is_noticed(floor: ShopFloor, monkeypatch: pytest.MonkeyPatch) -> None:
    tea = floor.product(stock=10)
    order = floor.place([(tea, 1)])
    meanwhile(monkeypatch, OrderStore, "order", lambda: prepay(floor.cashier, "MD", order.order_id), after=True)

    assert close_unpaid(floor.closer, order.order_id).status is OrderStatus.CLOSED
    assert floor.wechat.payments[order.order_id].trade_state == "CLOSED"
    assert floor.left(tea) == 10


def test_a_mismatching_payment_keeps_the_order_open(floor: ShopFloor) -> None:
    tea = floor.product(stock=10)
    order = floor.place([(tea, 1)])
    prepay(floor.cashier, "MD", order.order_id)
    floor.pays(order, total_fen=1)

    with pytest.raises(PaymentMismatchError):
        close_unpaid(floor.closer, order.order_id)

    assert floor.orders.order(order.order_id).status is OrderStatus.PLACED
    assert floor.left(tea) == 9


def test_nobody_cancels_somebody_elses_order(floor: ShopFloor) -> None:
    order = floor.place([(floor.product(), 1)])

    with pytest.raises(OrderNotFoundError):
        cancel(floor.closer, "MC", order.order_id)
    assert floor.orders.order(order.order_id).status is OrderStatus.PLACED
