import base64
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from fenxiao.aws.streams import is_passing
from fenxiao.wechat.errors import WeChatRefusedError, WeChatUnavailableError
from fenxiao.wechat.facts import RefundResult
from fenxiao.wechat.pay import WeChatPay, WeChatRefunds
from fenxiao.wechat.settings import WeChatSettings
from tests.unit.wechat.conftest import PUBLIC_BASE_URL
from tests.unit.wechat.wechat_side import Platform, Reply, Seen, Server

ORDER = "T01J00000000000000000000000"
REFUND = "R01J00000000000000000000000"
EXPIRES_AT = datetime(2026, 3, 1, 16, 30, tzinfo=UTC)


@pytest.fixture
def pay(settings: Callable[[], WeChatSettings]) -> WeChatPay:
    return WeChatPay(settings)


@pytest.fixture
def refunds(settings: Callable[[], WeChatSettings]) -> WeChatRefunds:
    return WeChatRefunds(settings)


def sign(platform: Platform, server: Server, content: object, status: int = 200) -> None:
    body = json.dumps(content).encode()
    server.replies.append(Reply(status, body, {"Content-Type": "application/json", **platform.headers(body)}))


def transaction(platform: Platform, **changed: object) -> dict[str, object]:
    return {
        "appid": platform.settings.appid,
        "mchid": platform.settings.mchid,
        "out_trade_no": ORDER,
        "trade_state": "SUCCESS",
        "transaction_id": "4200001",
        "success_time": "2026-03-01T12:00:00+08:00",
        "payer": {"openid": "oBuyer"},
        "amount": {"total": 1234, "payer_total": 1234, "currency": "CNY", "payer_currency": "CNY"},
        **changed,
    }


def signed_by_merchant(platform: Platform, seen: Seen) -> None:
    """Check the Authorization header against the bytes that came."""
    parts = dict(re.findall(r'(\w+)="([^"]*)"', seen.headers["Authorization"]))
    text = f"{seen.method}\n{seen.target}\n{parts['timestamp']}\n{parts['nonce_str']}\n".encode() + seen.body + b"\n"
    signature = base64.b64decode(parts["signature"])
    platform.merchant.public_key().verify(signature, text, padding.PKCS1v15(), hashes.SHA256())


def test_prepay_is_signed_and_says_what_to_pay_and_until_when(
    platform: Platform, server: Server, pay: WeChatPay
) -> None:
    sign(platform, server, {"prepay_id": "wx20"})
    assert pay.create_prepay(ORDER, "茶" * 200, 1234, "oBuyer", EXPIRES_AT) == "wx20"
    (seen,) = server.seen
    signed_by_merchant(platform, seen)
    assert (seen.method, seen.target) == ("POST", "/v3/pay/transactions/jsapi")
    assert seen.json == {
        "appid": platform.settings.appid,
        "mchid": platform.settings.mchid,
        "description": "茶" * 127,
        "out_trade_no": ORDER,
        "amount": {"total": 1234, "currency": "CNY"},
        "payer": {"openid": "oBuyer"},
        "time_expire": "2026-03-02T00:30:00+08:00",
        "notify_url": f"{PUBLIC_BASE_URL}/wechat/notifications/payments",
    }


def test_payment_parameters_are_signed_with_the_merchants_key(
    platform: Platform, server: Server, pay: WeChatPay
) -> None:
    given = pay.payment_parameters("wx20")
    text = f"{given.app_id}\n{given.time_stamp}\n{given.nonce_str}\nprepay_id=wx20\n".encode()
    platform.merchant.public_key().verify(base64.b64decode(given.pay_sign), text, padding.PKCS1v15(), hashes.SHA256())
    assert (given.package, given.sign_type) == ("prepay_id=wx20", "RSA")
    assert given.nonce_str != pay.payment_parameters("wx20").nonce_str
    assert server.seen == []


def test_query_returns_the_payment_in_our_words(platform: Platform, server: Server, pay: WeChatPay) -> None:
    sign(platform, server, transaction(platform))
    payment = pay.query(ORDER)
    assert payment is not None
    assert payment.success
    assert payment.success_time == datetime(2026, 3, 1, 4, 0, tzinfo=UTC)
    assert (payment.total_fen, payment.payer_openid, payment.transaction_id) == (1234, "oBuyer", "4200001")
    assert server.seen[0].target == f"/v3/pay/transactions/out-trade-no/{ORDER}?mchid={platform.settings.mchid}"


def test_unpaid_payment_has_empty_fields_and_no_success(platform: Platform, server: Server, pay: WeChatPay) -> None:
    unpaid = transaction(platform, trade_state="NOTPAY", transaction_id="", success_time="", payer={})
    sign(platform, server, unpaid)
    payment = pay.query(ORDER)
    assert payment is not None
    assert not payment.success
    assert (payment.success_time, payment.payer_openid, payment.transaction_id) == (None, None, None)


def test_payment_that_was_refunded_since_still_counts_as_made(
    platform: Platform, server: Server, pay: WeChatPay
) -> None:
    sign(platform, server, transaction(platform, trade_state="REFUND"))
    payment = pay.query(ORDER)
    assert payment is not None
    assert payment.success


@pytest.mark.parametrize(
    "changed",
    [
        {"out_trade_no": "T02"},
        {"mchid": "1900000000"},
        {"appid": "wxother"},
        {"amount": {"total": 1234, "currency": "USD"}},
        {"amount": {"total": 12.5}},
        {"success_time": "2026-03-01T12:00:00"},
        {"success_time": "soon"},
    ],
)
def test_answer_that_cannot_be_meant_is_no_answer(
    platform: Platform, server: Server, pay: WeChatPay, changed: dict[str, object]
) -> None:
    sign(platform, server, transaction(platform, **changed))
    with pytest.raises(WeChatUnavailableError):
        pay.query(ORDER)


def test_unknown_order_is_none(server: Server, pay: WeChatPay) -> None:
    server.reply({"code": "ORDER_NOT_EXIST", "message": "订单不存在"}, status=404)
    assert pay.query(ORDER) is None


def test_404_that_is_not_wechats_is_no_answer(server: Server, pay: WeChatPay) -> None:
    for _ in range(3):
        server.reply(b"<html>not here</html>", status=404)
    with pytest.raises(WeChatUnavailableError):
        pay.query(ORDER)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(500, b'{"code":"SYSTEM_ERROR"}', {"Content-Type": "application/json"}),
        Reply(429, b'{"code":"FREQUENCY_LIMITED"}', {"Content-Type": "application/json"}),
        Reply(503, b"busy"),
        Reply(None),
    ],
)
def test_passing_fault_is_tried_again(platform: Platform, server: Server, pay: WeChatPay, reply: Reply) -> None:
    server.replies.extend([reply, reply])
    sign(platform, server, transaction(platform))
    assert pay.query(ORDER) is not None
    assert len(server.seen) == 3
    assert len({seen.headers["Authorization"] for seen in server.seen}) == 3


def test_attempts_end_and_the_fault_is_one_that_passes(server: Server, pay: WeChatPay) -> None:
    server.default = lambda _seen: Reply(502)
    with pytest.raises(WeChatUnavailableError) as caught:
        pay.query(ORDER)
    assert len(server.seen) == 3
    assert is_passing(caught.value)


def test_refusal_is_not_tried_again_and_its_text_holds_the_code_alone(server: Server, pay: WeChatPay) -> None:
    server.reply({"code": "PARAM_ERROR", "message": "openid oBuyer 无效"}, status=400)
    with pytest.raises(WeChatRefusedError, match=r"^PARAM_ERROR$") as caught:
        pay.create_prepay(ORDER, "茶", 1, "oBuyer", EXPIRES_AT)
    assert caught.value.message == "openid oBuyer 无效"
    assert not is_passing(caught.value)
    assert len(server.seen) == 1


def altered(headers: dict[str, str], **changed: str) -> dict[str, str]:
    return {"Content-Type": "application/json", **headers, **{name.replace("_", "-"): v for name, v in changed.items()}}


@pytest.mark.parametrize(
    "changed",
    [
        {"wechatpay_signature": base64.b64encode(b"no signature" * 20).decode()},
        {"wechatpay_serial": "PUB_KEY_ID_02"},
        {"wechatpay_serial": "7777777777"},
        {"wechatpay_signature_type": "WECHATPAY2-SM2-WITH-SM3"},
        {"wechatpay_nonce": "another"},
    ],
)
def test_answer_that_does_not_verify_is_no_answer_and_makes_no_other_call(
    platform: Platform, server: Server, pay: WeChatPay, changed: dict[str, str]
) -> None:
    body = json.dumps(transaction(platform)).encode()
    server.default = lambda _seen: Reply(200, body, altered(platform.headers(body), **changed))
    with pytest.raises(WeChatUnavailableError):
        pay.query(ORDER)
    assert {seen.target.split("?")[0] for seen in server.seen} == {f"/v3/pay/transactions/out-trade-no/{ORDER}"}


def test_nobody_listens(
    settings: Callable[[], WeChatSettings], server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WECHAT_PAY_URL", "http://127.0.0.1:1")
    with pytest.raises(WeChatUnavailableError) as caught:
        WeChatPay(settings).query(ORDER)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("code", ["ORDER_CLOSED", "ORDER_NOT_EXIST"])
def test_closing_what_cannot_be_paid_is_done_already(server: Server, pay: WeChatPay, code: str) -> None:
    server.reply({"code": code, "message": ""}, status=400)
    pay.close(ORDER)


def test_closing_is_confirmed_without_a_body(platform: Platform, server: Server, pay: WeChatPay) -> None:
    server.replies.append(Reply(204, b"", platform.headers(b"")))
    pay.close(ORDER)
    assert server.seen[0].json == {"mchid": platform.settings.mchid}


def test_paid_order_cannot_be_closed(server: Server, pay: WeChatPay) -> None:
    server.reply({"code": "ORDERPAID", "message": "该订单已支付"}, status=400)
    with pytest.raises(WeChatRefusedError, match="ORDERPAID"):
        pay.close(ORDER)


def refund_answer(**changed: object) -> dict[str, object]:
    return {
        "out_refund_no": REFUND,
        "out_trade_no": ORDER,
        "status": "PROCESSING",
        "amount": {"total": 1234, "refund": 234, "currency": "CNY"},
        **changed,
    }


def test_refund_says_what_is_refunded_of_what(platform: Platform, server: Server, refunds: WeChatRefunds) -> None:
    sign(platform, server, refund_answer())
    result = refunds.request(REFUND, ORDER, 234, 1234, "退" * 100)
    assert result == RefundResult(out_refund_no=REFUND, out_trade_no=ORDER, status="PROCESSING", refund_fen=234)
    signed_by_merchant(platform, server.seen[0])
    assert server.seen[0].json == {
        "out_refund_no": REFUND,
        "out_trade_no": ORDER,
        "amount": {"refund": 234, "total": 1234, "currency": "CNY"},
        "reason": "退" * 80,
        "notify_url": f"{PUBLIC_BASE_URL}/wechat/notifications/refunds",
    }


def test_refund_is_queried_and_may_be_unknown(platform: Platform, server: Server, refunds: WeChatRefunds) -> None:
    sign(platform, server, refund_answer(status="SUCCESS", success_time="2026-03-01T12:00:00+08:00"))
    server.reply({"code": "RESOURCE_NOT_EXISTS", "message": ""}, status=404)
    result = refunds.query(REFUND)
    assert result is not None
    assert (result.status, result.success_time) == ("SUCCESS", datetime(2026, 3, 1, 4, 0, tzinfo=UTC))
    assert refunds.query(REFUND) is None


def test_answer_about_another_refund_is_no_answer(platform: Platform, server: Server, refunds: WeChatRefunds) -> None:
    sign(platform, server, refund_answer(out_refund_no="R02"))
    with pytest.raises(WeChatUnavailableError):
        refunds.query(REFUND)
