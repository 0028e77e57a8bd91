import json
from typing import Any

import pytest

from infra.local.wechat_sandbox.exchange import JsonObject
from infra.local.wechat_sandbox.signing import nonce_text

from .conftest import PAYMENTS_URL, Merchant, World, parsed

PATH = "/wechat/notifications/payments"


def payment_parameters(merchant: Merchant, prepay_id: str) -> JsonObject:
    appid = merchant.world.sandbox.keys.appid
    stamp, nonce, package = "1700000000", nonce_text(), f"prepay_id={prepay_id}"
    return {
        "appId": appid,
        "timeStamp": stamp,
        "nonceStr": nonce,
        "package": package,
        "signType": "RSA",
        "paySign": merchant.library.sign([appid, stamp, nonce, package]),
    }


def test_payment_is_made_notified_and_found_by_both_numbers(world: World, merchant: Merchant) -> None:
    openid = world.user()
    status, prepay = merchant.prepay(openid, attach="来源=海报")
    assert status == 200
    assert merchant.query()[1]["trade_state"] == "NOTPAY"
    payment = payment_parameters(merchant, prepay["prepay_id"])
    paid = world.control("POST", "/_pay", {"prepay_id": prepay["prepay_id"], "openid": openid, "payment": payment})

    (received,) = world.notified(PATH)
    content = merchant.opened(received)
    assert (content["event_type"], content["summary"]) == ("TRANSACTION.SUCCESS", "支付成功")
    resource = content["resource"]
    assert resource == paid
    assert resource["trade_state"] == "SUCCESS"
    assert resource["payer"] == {"openid": openid}
    assert resource["attach"] == "来源=海报"
    assert resource["amount"] == {
        "total": 12_345,
        "payer_total": 12_345,
        "currency": "CNY",
        "payer_currency": "CNY",
    }
    assert merchant.query() == (200, paid)
    assert parsed(merchant.library.query(transaction_id=paid["transaction_id"])) == (200, paid)


def test_payment_with_a_signature_that_is_not_the_merchants_is_refused(world: World, merchant: Merchant) -> None:
    openid = world.user()
    _, prepay = merchant.prepay(openid)
    for changed in ({"nonceStr": "other"}, {"package": "prepay_id=other"}, {"appId": "wxother"}, {"signType": "MD5"}):
        payment = {**payment_parameters(merchant, prepay["prepay_id"]), **changed}
        status, answer = world.call("POST", "/_pay", {"out_trade_no": "ORDER0001", "payment": payment})
        assert (status, answer["code"]) == (400, "PAY_SIGN_ERROR")
    assert merchant.query()[1]["trade_state"] == "NOTPAY"


def test_only_the_payer_of_the_order_can_pay_and_only_once(world: World, merchant: Merchant) -> None:
    openid, other = world.user(), world.user("小王")
    merchant.prepay(openid)
    status, answer = world.call("POST", "/_pay", {"out_trade_no": "ORDER0001", "openid": other})
    assert (status, answer["code"]) == (400, "PAYER_MISMATCH")
    world.control("POST", "/_pay", {"out_trade_no": "ORDER0001"})
    status, answer = world.call("POST", "/_pay", {"out_trade_no": "ORDER0001"})
    assert (status, answer["code"]) == (400, "ORDERPAID")


def test_same_number_and_content_gives_the_live_prepay_and_other_content_is_refused(
    world: World, merchant: Merchant
) -> None:
    openid = world.user()
    first = merchant.prepay(openid)
    assert merchant.prepay(openid) == first
    status, answer = merchant.prepay(openid, total=12_346)
    assert (status, answer["code"]) == (400, "INVALID_REQUEST")
    world.advance(hours=3)
    status, answer = world.call("POST", "/_pay", {"out_trade_no": "ORDER0001"})
    assert (status, answer["code"]) == (400, "PREPAY_EXPIRED")
    status, renewed = merchant.prepay(openid)
    assert status == 200
    assert renewed != first[1]
    world.control("POST", "/_pay", {"out_trade_no": "ORDER0001"})
    assert merchant.prepay(openid)[1]["code"] == "ORDERPAID"


def test_closed_order_cannot_be_paid_or_placed_again(world: World, merchant: Merchant) -> None:
    openid = world.user()
    merchant.prepay(openid)
    assert merchant.library.close("ORDER0001")[0] == 204
    assert merchant.library.close("ORDER0001")[0] == 204
    assert merchant.query()[1]["trade_state"] == "CLOSED"
    assert merchant.prepay(openid)[1]["code"] == "ORDER_CLOSED"
    assert world.call("POST", "/_pay", {"out_trade_no": "ORDER0001"})[1]["code"] == "ORDER_CLOSED"


def test_paid_order_cannot_be_closed(world: World, merchant: Merchant) -> None:
    merchant.paid(world.user())
    status, answer = parsed(merchant.library.close("ORDER0001"))
    assert (status, answer["code"]) == (400, "ORDERPAID")


def test_order_closes_when_its_time_is_over(world: World, merchant: Merchant) -> None:
    openid = world.user()
    now = world.sandbox.clock.now()
    past, soon = now.replace(year=now.year - 1), now.replace(year=now.year + 1)
    assert merchant.prepay(openid, time_expire=past.isoformat())[1]["code"] == "PARAM_ERROR"
    assert merchant.query()[0] == 404
    assert merchant.prepay(openid, time_expire=soon.isoformat())[0] == 200
    assert world.advance(days=365)["expired"]["orders_closed"] in (0, 1)  # a leap day may be between
    world.advance(days=1)
    assert merchant.query()[1]["trade_state"] == "CLOSED"


def test_number_with_special_characters_is_found(world: World, merchant: Merchant) -> None:
    merchant.prepay(world.user(), "a_b-c*D1")
    assert merchant.query("a_b-c*D1")[1]["out_trade_no"] == "a_b-c*D1"
    assert merchant.library.close("a_b-c*D1")[0] == 204


def test_unknown_orders_are_not_found(merchant: Merchant) -> None:
    for answer in (merchant.query("NOSUCHORDER"), parsed(merchant.library.query(transaction_id="4200"))):
        assert (answer[0], answer[1]["code"]) == (404, "ORDER_NOT_EXIST")
    assert merchant.library.close("NOSUCHORDER")[0] == 404


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"description": "茶" * 128}, "/body/description"),
        ({"out_trade_no": "SHORT"}, "/body/out_trade_no"),
        ({"out_trade_no": "O" * 33}, "/body/out_trade_no"),
        ({"out_trade_no": "ORDER 0001"}, "/body/out_trade_no"),
        ({"notify_url": "http://pay.example.invalid/a"}, "/body/notify_url"),
        ({"notify_url": PAYMENTS_URL + "?a=1"}, "/body/notify_url"),
        ({"amount": {"total": 0}}, "/body/amount/total"),
        ({"amount": {"total": 1.5}}, "/body/amount/total"),
        ({"amount": {"total": True}}, "/body/amount/total"),
        ({"amount": {"total": 1, "currency": "USD"}}, "/body/amount/currency"),
        ({"payer": {"openid": "oNobody"}}, "/body/payer/openid"),
        ({"payer": {"no": 1}}, "/body/payer/openid"),
        ({"time_expire": "tomorrow"}, "/body/time_expire"),
    ],
)
def test_malformed_orders_name_the_wrong_field(
    world: World, merchant: Merchant, changed: dict[str, Any], field: str
) -> None:
    wanted = {
        "description": "茶",
        "out_trade_no": "ORDER0001",
        "amount": {"total": 1},
        "payer": {"openid": world.user()},
        **changed,
    }
    status, answer = parsed(merchant.library.pay(**wanted))
    assert (status, answer["code"], answer["detail"]["field"]) == (400, "PARAM_ERROR", field)
    assert world.control("GET", "/_state")["orders"] == []


def test_description_may_have_127_characters(world: World, merchant: Merchant) -> None:
    body = {"out_trade_no": "O" * 32, "amount": {"total": 1}, "payer": {"openid": world.user()}}
    assert merchant.library.pay(description="茶" * 127, **body)[0] == 200


def test_foreign_appid_and_mchid_are_refused(world: World, merchant: Merchant) -> None:
    openid = world.user()
    assert merchant.prepay(openid, appid="wxother")[1]["code"] == "APPID_MCHID_NOT_MATCH"
    assert merchant.prepay(openid, mchid="1900000000")[1]["code"] == "MCH_NOT_EXISTS"
    assert parsed(merchant.library.query(out_trade_no="ORDER0001", mchid="1900000000"))[1]["code"] == "MCH_NOT_EXISTS"


def test_state_shows_the_payment(world: World, merchant: Merchant) -> None:
    paid = merchant.paid(world.user())
    (order,) = world.control("GET", "/_state")["orders"]
    assert order["transaction_id"] == paid["transaction_id"]
    assert order["order_state"] == 1
    assert "fingerprint" not in json.dumps(order)
