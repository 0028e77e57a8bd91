import json

import pytest

from fenxiao.aws.clients import client
from fenxiao.order.close import cancel
from fenxiao.order.contract import RequestRefund
from fenxiao.order.model import Order, RefundStatus
from fenxiao.order.payment import record_payment
from fenxiao.order.refunding import create_refund, record_refund
from fenxiao.wechat.errors import WeChatRefusedError, WeChatUnavailableError
from tests.unit.order.shopfloor import ShopFloor, raw, stream_event

ALL = RequestRefund(reason="不想要了", all=True)


@pytest.fixture
def parked(floor: ShopFloor, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The reasons of the records that were parked."""
    bodies: list[str] = []

    class Queue:
        def send_message(self, **message: str) -> None:
            bodies.append(json.loads(message["MessageBody"])["reason"])

    monkeypatch.setenv("PARKED_QUEUE_URL", "queue")
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "fulfilment")
    monkeypatch.setattr("fenxiao.aws.streams.client", lambda name: Queue() if name == "sqs" else client(name))
    return bodies


def refund_event(order: Order, refund_id: str) -> dict[str, object]:
    return stream_event((None, raw(order.order_id, f"refund#{refund_id}")))


def test_a_new_refund_is_asked_for_at_wechat(floor: ShopFloor) -> None:
    order = floor.paid([(floor.product(1000), 1)])
    refund = create_refund(floor.books, order.order_id, "refund-1", ALL)

    for _ in range(2):
        floor.courier.carry(refund_event(order, refund.refund_id))

    request = ("request", refund.refund_id, order.order_id, 1000, 1000, "不想要了")
    assert floor.refund_side.asked == [request, request]
    assert list(floor.refund_side.refunds) == [refund.refund_id]
    assert floor.orders.refund(order.order_id, refund.refund_id) == refund


def test_an_answer_that_says_success_ends_the_refund(floor: ShopFloor) -> None:
    order = floor.paid([(floor.product(1000), 1)])
    refund = create_refund(floor.books, order.order_id, "refund-1", ALL)
    floor.refund_side.answer = "SUCCESS"

    floor.courier.carry(refund_event(order, refund.refund_id))

    ended = floor.orders.refund(order.order_id, refund.refund_id)
    assert ended
    assert ended.status is RefundStatus.SUCCEEDED


def test_a_late_payment_is_refunded_through_the_same_way(floor: ShopFloor) -> None:
    order = floor.place([(floor.product(1000), 1)])
    cancel(floor.closer, "MD", order.order_id)
    record_payment(floor.books, floor.pays(order))
    (refund,) = floor.orders.refunds(order.order_id)

    floor.courier.carry(refund_event(order, refund.refund_id))
    record_refund(floor.books, floor.refund_result(refund))

    assert floor.refund_side.refunds[refund.refund_id].refund_fen == 1000
    assert floor.orders.order(order.order_id).lines[0].refunded_fen == 1000


def test_a_refund_that_has_ended_is_not_asked_for_again(floor: ShopFloor) -> None:
    order = floor.paid([(floor.product(1000), 1)])
    refund = create_refund(floor.books, order.order_id, "refund-1", ALL)
    event = refund_event(order, refund.refund_id)
    record_refund(floor.books, floor.refund_result(refund))

    floor.courier.carry(event)

    assert floor.refund_side.asked == []


def test_a_shipment_is_uploaded_and_other_changes_are_not(floor: ShopFloor) -> None:
    order = floor.paid([(floor.product(), 1)])
    paid = raw(order.order_id, "order")
    floor.shipped(order)
    shipped = raw(order.order_id, "order")

    floor.courier.carry(stream_event((None, paid), (paid, shipped), (shipped, shipped), (shipped, None)))

    assert [one.out_trade_no for one in floor.shipping.uploaded] == [order.order_id]
    assert floor.shipping.uploaded[0].tracking_number == "SF1234567890"


def test_what_is_refunded_altogether_is_not_uploaded(floor: ShopFloor) -> None:
    order = floor.paid([(floor.product(), 1)])
    paid = raw(order.order_id, "order")
    floor.shipped(order)
    create_refund(floor.books, order.order_id, "refund-1", ALL)

    floor.courier.carry(stream_event((paid, raw(order.order_id, "order"))))

    assert floor.shipping.uploaded == []


def test_a_shipment_is_uploaded_after_all_once_the_refund_of_everything_has_failed(floor: ShopFloor) -> None:
    order = floor.paid([(floor.product(), 1)])
    paid = raw(order.order_id, "order")
    floor.shipped(order)
    refund = create_refund(floor.books, order.order_id, "refund-1", ALL)
    floor.courier.carry(stream_event((paid, raw(order.order_id, "order"))))
    asked = raw(order.order_id, f"refund#{refund.refund_id}")

    record_refund(floor.books, floor.refund_result(refund, "CLOSED"))
    floor.courier.carry(stream_event((asked, raw(order.order_id, f"refund#{refund.refund_id}"))))

    assert [one.tracking_number for one in floor.shipping.uploaded] == ["SF1234567890"]


def test_a_failed_refund_of_what_was_not_shipped_uploads_nothing(floor: ShopFloor) -> None:
    order = floor.paid([(floor.product(), 1)])
    refund = create_refund(floor.books, order.order_id, "refund-1", ALL)
    asked = raw(order.order_id, f"refund#{refund.refund_id}")
    record_refund(floor.books, floor.refund_result(refund, "CLOSED"))

    floor.courier.carry(stream_event((asked, raw(order.order_id, f"refund#{refund.refund_id}"))))

    assert floor.shipping.uploaded == []


def test_a_passing_fault_is_raised_so_that_the_batch_comes_again(floor: ShopFloor) -> None:
    order = floor.paid([(floor.product(), 1)])
    refund = create_refund(floor.books, order.order_id, "refund-1", ALL)
    floor.refund_side.refusal = WeChatUnavailableError()

    with pytest.raises(WeChatUnavailableError):
        floor.courier.carry(refund_event(order, refund.refund_id))


def test_a_refusal_is_parked_and_the_rest_of_the_batch_goes_on(floor: ShopFloor, parked: list[str]) -> None:
    order = floor.paid([(floor.product(), 2)])
    refund = create_refund(floor.books, order.order_id, "refund-1", RequestRefund(reason="破损", amount_fen=1))
    floor.refund_side.refusal = WeChatRefusedError("INVALID_REQUEST")
    paid = raw(order.order_id, "order")
    floor.shipped(order)

    floor.courier.carry(
        stream_event((None, raw(order.order_id, f"refund#{refund.refund_id}")), (paid, raw(order.order_id, "order")))
    )

    assert parked == ["WeChatRefusedError: INVALID_REQUEST"]
    assert len(floor.shipping.uploaded) == 1
    pending = floor.orders.refund(order.order_id, refund.refund_id)
    assert pending
    assert pending.status is RefundStatus.PENDING
