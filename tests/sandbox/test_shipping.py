from datetime import timedelta
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from infra.local.wechat_sandbox.clock import rfc3339

from .conftest import Merchant, Received, World
from .test_mini_program import mini_program, refused

MESSAGES = "/wechat/messages"
UPLOAD = "wxa/sec/order/upload_shipping_info"
GET_ORDER = "wxa/sec/order/get_order"


@pytest.fixture
def client(world: World) -> Any:
    return mini_program(world)


@pytest.fixture
def openid(world: World, merchant: Merchant) -> str:
    openid = world.user()
    merchant.paid(openid)
    return openid


def parcel(**changed: Any) -> dict[str, Any]:
    return {"tracking_no": "YT1", "express_company": "YTO", "item_desc": "红茶礼盒*1", **changed}


def information(world: World, openid: str, minutes: int = 0, **changed: Any) -> dict[str, Any]:
    return {
        "order_key": {"order_number_type": 1, "mchid": world.sandbox.keys.mchid, "out_trade_no": "ORDER0001"},
        "logistics_type": 1,
        "delivery_mode": 1,
        "shipping_list": [parcel()],
        "upload_time": rfc3339(world.sandbox.clock.now() + timedelta(minutes=minutes)),
        "payer": {"openid": openid},
        **changed,
    }


def opened(world: World, received: Received) -> dict[str, str]:
    """Return a pushed message that wechatpy verified and decrypted."""
    from wechatpy.crypto import WeChatCrypto
    from wechatpy.utils import check_signature

    keys, query = world.sandbox.keys, received.query
    assert query["encrypt_type"] == "aes"
    check_signature(keys.message_token, query["signature"], query["timestamp"], query["nonce"])
    crypto = WeChatCrypto(keys.message_token, keys.encoding_aes_key, keys.appid)
    xml = crypto.decrypt_message(received.body, query["msg_signature"], query["timestamp"], query["nonce"])
    message: dict[str, str] = {child.tag: child.text or "" for child in ET.fromstring(xml)}  # noqa: S314 - our own XML
    assert message["ToUserName"] == keys.original_id
    return message


def found(world: World, client: Any) -> Any:
    body = {"merchant_id": world.sandbox.keys.mchid, "merchant_trade_no": "ORDER0001"}
    return client.post(GET_ORDER, data=body)["order"]


def test_express_order_is_shipped_and_settles_on_day_ten(world: World, client: Any, openid: str) -> None:
    assert found(world, client)["order_state"] == 1
    assert client.post(UPLOAD, data=information(world, openid))["errcode"] == 0
    order = found(world, client)
    assert (order["order_state"], order["paid_amount"], order["openid"]) == (2, 12_345, openid)
    assert order["shipping"]["finish_shipping_count"] == 1
    assert order["shipping"]["shipping_list"][0]["goods_desc"] == "红茶礼盒*1"
    assert client.post(GET_ORDER, data={"transaction_id": order["transaction_id"]})["order"] == order

    world.advance(days=9)
    assert found(world, client)["order_state"] == 2
    assert world.advance(days=1)["expired"]["orders_settled"] == 1
    assert found(world, client)["order_state"] == 4
    shipped, settled = [opened(world, got) for got in world.notified(MESSAGES)]
    assert shipped["Event"] == settled["Event"] == "trade_manage_order_settlement"
    assert shipped["merchant_trade_no"] == settled["merchant_trade_no"] == "ORDER0001"
    assert "settlement_time" not in shipped
    assert int(shipped["estimated_settlement_time"]) - int(shipped["shipped_time"]) == 10 * 86_400
    assert settled["settlement_time"] == shipped["estimated_settlement_time"]
    assert settled["confirm_receive_method"] == "1"


def test_order_without_express_settles_on_day_two(world: World, client: Any, openid: str) -> None:
    wanted = information(world, openid, logistics_type=4, shipping_list=[{"item_desc": "自提"}])
    client.post(UPLOAD, data=wanted)
    assert world.advance(days=1)["expired"]["orders_settled"] == 0
    assert world.advance(days=1)["expired"]["orders_settled"] == 1


def test_order_is_settled_at_once_on_demand(world: World, client: Any, openid: str) -> None:
    assert world.call("POST", "/_orders/ORDER0001/settle")[0] == 400
    client.post(UPLOAD, data=information(world, openid))
    assert world.control("POST", "/_orders/ORDER0001/settle")["order_state"] == 4
    assert opened(world, world.notified(MESSAGES)[-1])["confirm_receive_method"] == "2"
    assert world.call("POST", "/_orders/ORDER0001/settle")[0] == 400
    assert (
        refused(client.post, UPLOAD, data=information(world, openid, 1, shipping_list=[parcel(tracking_no="2")]))
        == 10060002
    )


def test_message_counts_as_received_only_when_the_answer_is_success(world: World, client: Any, openid: str) -> None:
    world.idle()
    answers = [(200, b"ok"), (500, b"success"), (200, b"success")]
    world.receiver.answer = lambda _: answers.pop(0)
    world.control("PUT", "/_knobs", {"retry_scale": 0})
    client.post(UPLOAD, data=information(world, openid))
    received = world.notified(MESSAGES)
    assert len(received) == 3
    assert len({got.query["msg_signature"] for got in received}) == 3
    assert len({str(opened(world, got)) for got in received}) == 1


def test_split_delivery_is_finished_by_its_last_parcel(world: World, client: Any, openid: str) -> None:
    first = information(world, openid, delivery_mode=2, is_all_delivered=False)
    client.post(UPLOAD, data=first)
    assert found(world, client)["order_state"] == 1
    last = information(
        world, openid, 1, delivery_mode=2, is_all_delivered=True, shipping_list=[parcel(tracking_no="YT2")]
    )
    client.post(UPLOAD, data=last)
    shipping = found(world, client)["shipping"]
    assert shipping["finish_shipping"] is True
    assert [entry["tracking_no"] for entry in shipping["shipping_list"]] == ["YT1", "YT2"]


def test_shipping_can_be_corrected_once(world: World, client: Any, openid: str) -> None:
    client.post(UPLOAD, data=information(world, openid))
    assert refused(client.post, UPLOAD, data=information(world, openid, 1)) == 10060023
    second = [parcel(tracking_no="YT2")]
    assert refused(client.post, UPLOAD, data=information(world, openid, -5, shipping_list=second)) == 10060014
    assert client.post(UPLOAD, data=information(world, openid, 1, shipping_list=second))["errcode"] == 0
    third = [parcel(tracking_no="YT3")]
    assert refused(client.post, UPLOAD, data=information(world, openid, 2, shipping_list=third)) == 10060003


@pytest.mark.parametrize(
    ("changed", "errcode"),
    [
        ({"order_key": {"order_number_type": 3}}, 268485194),
        ({"order_key": {"order_number_type": 2}}, 268485195),
        ({"order_key": {"order_number_type": 1, "out_trade_no": "ORDER0001"}}, 268485196),
        ({"order_key": {"order_number_type": 1, "mchid": "1"}}, 268485197),
        ({"order_key": {"order_number_type": 2, "transaction_id": "4200"}}, 10060001),
        ({"payer": {"openid": "oNobody"}}, 10060031),
        ({"logistics_type": 5}, 10060005),
        ({"delivery_mode": 3}, 268485224),
        ({"delivery_mode": 2, "logistics_type": 4, "is_all_delivered": True}, 10060006),
        ({"delivery_mode": 2}, 10060007),
        ({"delivery_mode": 2, "is_all_delivered": True, "shipping_list": [parcel()] * 16}, 10060024),
        ({"shipping_list": [parcel(), parcel()]}, 268485228),
        ({"shipping_list": [parcel(item_desc="")]}, 10060008),
        ({"shipping_list": [parcel(item_desc="茶" * 121)]}, 10060009),
        ({"shipping_list": [parcel(tracking_no="")]}, 268485226),
        ({"shipping_list": [parcel(express_company=None)]}, 268485227),
        ({"shipping_list": [parcel(express_company="SF")]}, 10060014),
        ({"shipping_list": [parcel(express_company="SF", contact={"receiver_contact": "13800001111"})]}, 10060014),
        ({"upload_time": "2026-01-01 10:00:00"}, 268485216),
    ],
)
def test_wrong_shipping_information_is_refused(
    world: World, client: Any, openid: str, changed: dict[str, Any], errcode: int
) -> None:
    assert refused(client.post, UPLOAD, data=information(world, openid, **changed)) == errcode
    assert found(world, client)["order_state"] == 1


def test_masked_contact_is_accepted_for_sf(world: World, client: Any, openid: str) -> None:
    contact = {"receiver_contact": "138****1111"}
    wanted = information(world, openid, shipping_list=[parcel(express_company="SF", contact=contact)])
    client.post(UPLOAD, data=wanted)
    assert found(world, client)["shipping"]["shipping_list"][0]["contact"] == contact


def test_unpaid_and_refunded_orders_cannot_be_shipped(world: World, merchant: Merchant, client: Any) -> None:
    openid = world.user()
    merchant.prepay(openid)
    assert refused(client.post, UPLOAD, data=information(world, openid)) == 10060001
    world.control("POST", "/_pay", {"out_trade_no": "ORDER0001"})
    merchant.refund("R1", 12_345)
    assert refused(client.post, UPLOAD, data=information(world, openid)) == 10060004
    assert found(world, client)["order_state"] == 5


def test_order_refunded_in_full_never_settles(world: World, merchant: Merchant, client: Any, openid: str) -> None:
    client.post(UPLOAD, data=information(world, openid))
    merchant.refund("R1", 12_345)
    assert world.advance(days=11)["expired"]["orders_settled"] == 0


def test_unshipped_order_is_reminded_of_once(world: World, merchant: Merchant, openid: str) -> None:
    assert world.advance(hours=47)["expired"]["shipping_reminders"] == 0
    assert world.advance(hours=1)["expired"]["shipping_reminders"] == 1
    assert world.advance(hours=1)["expired"]["shipping_reminders"] == 0
    (received,) = world.notified(MESSAGES)
    assert opened(world, received)["Event"] == "trade_manage_remind_shipping"


def test_messages_go_to_the_configured_path(world: World, client: Any, openid: str) -> None:
    world.control("PUT", "/_config", {"message_path": "/somewhere/else"})
    client.post(UPLOAD, data=information(world, openid))
    assert len(world.notified("/somewhere/else")) == 1
