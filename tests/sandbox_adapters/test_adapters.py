from datetime import timedelta

import pytest
from msgspec.structs import replace

from fenxiao.clock import shanghai_day
from fenxiao.order.delivery import parcel_of
from fenxiao.order.model import Address, Shipment
from fenxiao.wechat.errors import (
    NotificationRefusedError,
    WeChatCodeRefusedError,
    WeChatRefusedError,
    WeChatUnavailableError,
)
from fenxiao.wechat.facts import FundFlowBill, Identity, Parcel, TextVerdict, TradeBill, TransferState
from tests.support.world import line, paid_order

from .conftest import Shop

ORDER = "T01ARZ3NDEKTSV4RRFFQ69G5FA"
REFUND = "R01ARZ3NDEKTSV4RRFFQ69G5FA"
BILL = "W01ARZ3NDEKTSV4RRFFQ69G5FA"
PAYMENTS = "/wechat/notifications/payments"
REFUNDS = "/wechat/notifications/refunds"
TRANSFERS = "/wechat/notifications/transfers"
MESSAGES = "/wechat/messages"


def test_login_and_phone_number(shop: Shop) -> None:
    user = shop.world.control("POST", "/_login_codes", {"name": "小李"})
    assert shop.program.login(user["code"]) == Identity(openid=user["openid"], unionid=user["unionid"])
    with pytest.raises(WeChatCodeRefusedError):
        shop.program.login(user["code"])
    phone = shop.world.control("POST", "/_phone_codes", {"name": "小李"})
    assert shop.program.phone_number(phone["code"]) == phone["phone"]
    with pytest.raises(WeChatCodeRefusedError):
        shop.program.phone_number(phone["code"])


def test_text_is_checked_and_an_invite_has_a_picture(shop: Shop) -> None:
    openid = shop.world.user()
    assert shop.program.check_text(openid, "小李的店") is TextVerdict.PASS
    assert shop.program.check_text(openid, "赌博") is TextVerdict.RISKY
    assert shop.program.check_text(openid, "加微信") is TextVerdict.REVIEW
    assert shop.program.invite_image("K7M2QX").startswith(b"\x89PNG")


def test_token_that_wechat_ended_is_replaced(shop: Shop) -> None:
    openid = shop.world.user()
    assert shop.program.check_text(openid, "小李的店") is TextVerdict.PASS
    shop.world.sandbox.tokens.stable(force_refresh=True)
    assert shop.program.check_text(openid, "小李的店") is TextVerdict.PASS


def test_payment_from_prepay_to_notification(shop: Shop) -> None:
    openid = shop.world.user()
    assert shop.pay.query(ORDER) is None
    shop.paid(ORDER, openid, 1234)
    ((headers, body),) = shop.arrived(PAYMENTS)
    payment = shop.notifications.open_payment(headers, body)
    assert payment.success
    assert (payment.out_trade_no, payment.payer_openid, payment.total_fen) == (ORDER, openid, 1234)
    assert shop.pay.query(ORDER) == payment
    with pytest.raises(WeChatRefusedError, match="ORDERPAID"):
        shop.pay.close(ORDER)


def test_same_prepay_again_is_the_same_and_a_closed_order_is_not_payable(shop: Shop) -> None:
    openid, until = shop.world.user(), shop.clock.now() + timedelta(hours=1)
    one = shop.pay.create_prepay(ORDER, "龙井", 1234, openid, until)
    assert shop.pay.create_prepay(ORDER, "龙井", 1234, openid, until) == one
    unpaid = shop.pay.query(ORDER)
    assert unpaid is not None
    assert (unpaid.success, unpaid.trade_state) == (False, "NOTPAY")
    shop.pay.close(ORDER)
    shop.pay.close(ORDER)
    shop.pay.close("T01ARZ3NDEKTSV4RRFFQ69G5FB")
    with pytest.raises(WeChatRefusedError, match="ORDER_CLOSED"):
        shop.pay.create_prepay(ORDER, "龙井", 1234, openid, until)


@pytest.mark.parametrize("knob", ["fail_next", "lose_answer"])
def test_lost_calls_and_answers_are_made_up_for(shop: Shop, knob: str) -> None:
    openid, until = shop.world.user(), shop.clock.now() + timedelta(hours=1)
    fault = {"path_prefix": "/v3/pay", "method": "POST"}
    refused = {"status": 500, "code": "SYSTEM_ERROR"} if knob == "fail_next" else {}
    shop.world.control("PUT", "/_knobs", {knob: [{**fault, **refused}] * 2})
    assert shop.pay.create_prepay(ORDER, "龙井", 1234, openid, until)


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("bad_signature", "notification_bad_signature"),
        ("probe", "notification_bad_signature"),
        ("stale", "notification_stale"),
        ("unknown_serial", "notification_unknown_serial"),
        ("mangled_ciphertext", "notification_mangled"),
        ("foreign_merchant", "notification_foreign_merchant"),
    ],
)
def test_forgeries_are_refused(shop: Shop, kind: str, code: str) -> None:
    shop.paid(ORDER, shop.world.user(), 1234)
    shop.world.idle()
    shop.world.control("POST", "/_forge", {"kind": kind, "out_trade_no": ORDER})
    genuine, forged = shop.arrived(PAYMENTS)
    assert shop.notifications.open_payment(*genuine).success
    with pytest.raises(NotificationRefusedError) as caught:
        shop.notifications.open_payment(*forged)
    assert caught.value.code == code


def test_wrong_amount_is_opened_as_it_was_signed(shop: Shop) -> None:
    shop.paid(ORDER, shop.world.user(), 1234)
    shop.world.idle()
    shop.world.control("POST", "/_forge", {"kind": "wrong_amount", "out_trade_no": ORDER})
    assert shop.notifications.open_payment(*shop.arrived(PAYMENTS)[1]).total_fen == 1233


def test_refund_from_request_to_notification(shop: Shop) -> None:
    shop.paid(ORDER, shop.world.user(), 1234)
    assert shop.refunds.query(REFUND) is None
    asked = shop.refunds.request(REFUND, ORDER, 234, 1234, "不想要了")
    assert (asked.status, asked.refund_fen) == ("PROCESSING", 234)
    ((headers, body),) = shop.arrived(REFUNDS)
    notified = shop.notifications.open_refund(headers, body)
    assert (notified.out_refund_no, notified.status, notified.refund_fen) == (REFUND, "SUCCESS", 234)
    assert shop.refunds.query(REFUND) == notified
    assert shop.refunds.request(REFUND, ORDER, 234, 1234, "不想要了") == notified
    with pytest.raises(WeChatRefusedError, match="INVALID_REQUEST"):
        shop.refunds.request("R01ARZ3NDEKTSV4RRFFQ69G5FB", ORDER, 2000, 1234, "不想要了")
    payment = shop.pay.query(ORDER)
    assert payment is not None
    assert payment.success


def body_of(shop: Shop, openid: str, amount_fen: int = 20_000, name: str | None = None) -> str:
    cipher = shop.transfers.encrypt(name) if name else None
    return shop.transfers.build_body(out_bill_no=BILL, openid=openid, amount_fen=amount_fen, user_name_cipher=cipher)


def test_transfer_from_stored_body_to_notification(shop: Shop) -> None:
    openid = shop.world.user("小王", real_name="王五")
    assert shop.transfers.query(BILL) is None
    stored = body_of(shop, openid, name="王五")
    bill = shop.transfers.send(stored)
    assert bill.state is TransferState.WAIT_USER_CONFIRM
    assert shop.transfers.send(stored) == bill
    shop.world.control("POST", f"/_transfers/{BILL}/confirm", {"package_info": bill.package_info, "openid": openid})
    ((headers, body),) = shop.arrived(TRANSFERS)
    done = shop.notifications.open_transfer(headers, body)
    assert (done.out_bill_no, done.state, done.amount_fen) == (BILL, TransferState.SUCCESS, 20_000)
    assert shop.transfers.query(BILL) == done


def test_transfer_whose_answer_was_lost_is_found_by_its_number(shop: Shop) -> None:
    stored = body_of(shop, shop.world.user())
    shop.world.control("PUT", "/_knobs", {"lose_answer": [{"path_prefix": "/v3/fund-app", "method": "POST"}]})
    with pytest.raises(WeChatUnavailableError):
        shop.transfers.send(stored)
    found = shop.transfers.query(BILL)
    assert found is not None
    assert found.state is TransferState.WAIT_USER_CONFIRM
    assert shop.transfers.send(stored).package_info
    assert len(shop.world.control("GET", "/_state")["transfers"]) == 1


def test_transfer_is_cancelled_or_refused(shop: Shop) -> None:
    openid = shop.world.user()
    shop.transfers.send(body_of(shop, openid))
    shop.transfers.cancel(BILL)
    ((headers, body),) = shop.arrived(TRANSFERS)
    assert shop.notifications.open_transfer(headers, body).state is TransferState.CANCELLED
    shop.world.control("PUT", "/_knobs", {"merchant_balance_fen": 0})
    other = body_of(shop, openid).replace(BILL, "W01ARZ3NDEKTSV4RRFFQ69G5FB")
    with pytest.raises(WeChatRefusedError, match="NOT_ENOUGH"):
        shop.transfers.send(other)


def test_bills_of_a_day_from_its_trades_to_the_next_morning(shop: Shop) -> None:
    openid, day = shop.world.user(), shanghai_day(shop.clock.now())
    assert (shop.bills.trades(day), shop.bills.payouts(day)) == (None, None)
    shop.paid(ORDER, openid, 1234)
    shop.refunds.request(REFUND, ORDER, 234, 1234, "不想要了")
    shop.transfers.send(body_of(shop, openid))
    shop.world.control("POST", f"/_transfers/{BILL}/confirm", {})
    shop.world.advance(days=2)

    trades, payouts, payment = shop.bills.trades(day), shop.bills.payouts(day), shop.pay.query(ORDER)

    assert trades is not None
    assert payouts is not None
    assert payment is not None
    (paid,), (refunded,) = trades.payments, trades.refunds
    assert (paid.out_trade_no, paid.transaction_id, paid.amount_fen) == (ORDER, payment.transaction_id, 1234)
    assert (refunded.out_refund_no, refunded.status, refunded.amount_fen) == (REFUND, "SUCCESS", 234)
    assert [(one.voucher, one.out_fen) for one in payouts.moves] == [(BILL, 20_000)]
    yesterday = day - timedelta(days=1)
    assert (shop.bills.trades(yesterday), shop.bills.payouts(yesterday)) == (TradeBill(), FundFlowBill())


def test_bills_survive_a_bad_line(shop: Shop) -> None:
    day = shanghai_day(shop.clock.now())
    shop.paid(ORDER, shop.world.user(), 1234)
    shop.world.advance(days=2)
    download = {"path_prefix": "/v3/billdownload/", "method": "GET"}
    shop.world.control(
        "PUT",
        "/_knobs",
        {"fail_next": [{**download, "status": 500, "code": "SYSTEM_ERROR"}], "lose_answer": [download]},
    )
    bill = shop.bills.trades(day)
    assert bill is not None
    assert len(bill.payments) == 1


def shipped(shop: Shop, openid: str, carrier: str = "SF") -> Parcel:
    order = replace(paid_order(lines=[line(1234)]), order_id=ORDER, openid=openid)
    shipment = Shipment(carrier=carrier, tracking_number="SF1", shipped_at=shop.clock.now())
    address = Address(recipient="李四", phone="13800001234", region="上海", street="一号")
    return parcel_of(replace(order, shipment=shipment, address=address))


def test_shipping_from_upload_to_settlement(shop: Shop) -> None:
    openid = shop.world.user()
    assert shop.shipping.status(ORDER) is None
    shop.paid(ORDER, openid, 1234)
    assert shop.shipping.status(ORDER) is None
    shop.shipping.upload(shipped(shop, openid))
    shop.shipping.upload(shipped(shop, openid))
    status = shop.shipping.status(ORDER)
    assert status is not None
    assert status.settled_at is None
    shop.world.advance(days=10)
    status = shop.shipping.status(ORDER)
    assert status is not None
    assert status.settled_at is not None
    shop.shipping.upload(shipped(shop, openid))

    announced, settled = [
        shop.messages.open_message(received.query, received.body) for received in shop.world.notified(MESSAGES)
    ]
    assert announced is not None
    assert settled is not None
    assert (announced.out_trade_no, announced.settled_at) == (ORDER, None)
    assert settled.settled_at is not None
    assert settled.settled_at <= status.settled_at


def test_reminders_are_no_settlements(shop: Shop) -> None:
    shop.paid(ORDER, shop.world.user(), 1234)
    shop.world.advance(days=3)
    (received,) = shop.world.notified(MESSAGES)
    assert shop.messages.open_message(received.query, received.body) is None
