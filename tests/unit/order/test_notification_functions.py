"""What WeChat is answered: only a 2xx says received, so every refusal makes it tell again."""

from dataclasses import dataclass, field

import pytest

from fenxiao import wiring
from fenxiao.order.contract import RequestRefund
from fenxiao.order.model import OrderStatus, RefundStatus
from fenxiao.order.refunding import create_refund
from fenxiao.wechat.errors import NotificationBadSignatureError
from fenxiao.wechat.facts import PaymentResult, RefundResult, SettlementMessage
from functions.payment_notification.app import lambda_handler as notified
from functions.wechat_message.app import lambda_handler as pushed
from tests.support.http import Answer, call
from tests.unit.order.shopfloor import ShopFloor


@dataclass
class Opened:
    """Stands for the adapters that verify and decrypt: hands out what the test puts in, or refuses."""

    payment: PaymentResult | None = None
    refund: RefundResult | None = None
    settlement: SettlementMessage | None = None
    seen: list[tuple[str, bytes]] = field(default_factory=list)

    def open_payment(self, headers: dict[str, str], raw_body: bytes) -> PaymentResult:
        self.seen.append((headers["wechatpay-nonce"], raw_body))
        if self.payment is None:
            raise NotificationBadSignatureError
        return self.payment

    def open_refund(self, _headers: dict[str, str], _raw_body: bytes) -> RefundResult:
        if self.refund is None:
            raise NotificationBadSignatureError
        return self.refund

    def verify_url(self, query: dict[str, str]) -> str:
        return query["echostr"]

    def open_message(self, _query: dict[str, str], _raw_body: bytes) -> SettlementMessage | None:
        return self.settlement


@pytest.fixture
def opened(floor: ShopFloor, monkeypatch: pytest.MonkeyPatch) -> Opened:
    opened = Opened()
    monkeypatch.setattr(wiring, "notifications", lambda: opened)
    monkeypatch.setattr(wiring, "messages", lambda: opened)
    monkeypatch.setattr(wiring, "bookkeeper", lambda: floor.books)
    monkeypatch.setattr(wiring, "orders", lambda: floor.orders)
    monkeypatch.setattr(wiring, "clock", lambda: floor.clock)
    return opened


def notify(kind: str) -> Answer:
    headers = {"Wechatpay-Nonce": "n"}
    return call(notified, "POST", f"/wechat/notifications/{kind}", raw='{"id": 1}', headers=headers)


def test_a_payment_is_taken_in_and_answered_without_a_body(floor: ShopFloor, opened: Opened) -> None:
    order = floor.place([(floor.product(), 1)])
    opened.payment = floor.pays(order)

    answer = notify("payments")

    assert (answer.status, answer.text) == (204, "")
    assert opened.seen == [("n", b'{"id": 1}')]
    assert floor.orders.order(order.order_id).status is OrderStatus.PAID
    assert notify("payments").status == 204


def test_what_is_not_wechats_is_refused_and_nothing_written(floor: ShopFloor, opened: Opened) -> None:
    order = floor.place([(floor.product(), 1)])

    answer = notify("payments")

    assert (answer.status, answer.json["code"]) == (401, "notification_bad_signature")
    assert notify("refunds").status == 401
    assert floor.orders.order(order.order_id) == order


def test_a_wrong_amount_is_refused_with_its_code(floor: ShopFloor, opened: Opened) -> None:
    order = floor.place([(floor.product(1000), 1)])
    opened.payment = floor.pays(order, total_fen=999)

    answer = notify("payments")

    assert (answer.status, answer.json["code"]) == (409, "payment_mismatch")
    assert floor.orders.order(order.order_id) == order


def test_unknown_numbers_are_not_swallowed(floor: ShopFloor, opened: Opened) -> None:
    order = floor.place([(floor.product(), 1)])
    opened.payment = floor.pays(order, out_trade_no="T" + "0" * 26)
    opened.refund = RefundResult(out_refund_no="R1", out_trade_no="T1", status="SUCCESS", refund_fen=1)

    assert notify("payments").json["code"] == "order_not_found"
    assert notify("refunds").json["code"] == "refund_not_found"


def test_a_refund_is_taken_in(floor: ShopFloor, opened: Opened) -> None:
    order = floor.paid([(floor.product(), 1)])
    refund = create_refund(floor.books, order.order_id, "refund-1", RequestRefund(reason="破损", all=True))
    opened.refund = floor.refund_result(refund)

    assert notify("refunds").status == 204
    ended = floor.orders.refund(order.order_id, refund.refund_id)
    assert ended
    assert ended.status is RefundStatus.SUCCEEDED


def test_the_address_of_the_push_is_verified_by_its_echo(opened: Opened) -> None:
    answer = call(pushed, "GET", "/wechat/messages", query={"echostr": "12345"})

    assert (answer.status, answer.text) == (200, "12345")


def test_a_settlement_is_taken_in_and_everything_else_acknowledged(floor: ShopFloor, opened: Opened) -> None:
    order = floor.received(floor.paid([(floor.product(), 1)]))

    def push() -> Answer:
        return call(pushed, "POST", "/wechat/messages", raw="<xml/>", headers={"content-type": "text/xml"})

    assert push().text == "success"
    assert floor.orders.order(order.order_id).wechat_settled_at is None
    opened.settlement = SettlementMessage(out_trade_no=order.order_id, settled_at=floor.clock.now())
    assert push().text == "success"
    assert floor.orders.order(order.order_id).wechat_settled_at == floor.clock.now()
    opened.settlement = SettlementMessage(out_trade_no="T" + "0" * 26, settled_at=floor.clock.now())
    assert push().status == 404
