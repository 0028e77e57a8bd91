import json
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest
from msgspec.structs import replace

from fenxiao.order import delivery
from fenxiao.order.model import Address, Shipment
from fenxiao.wechat import miniprogram_api
from fenxiao.wechat.errors import WeChatCodeRefusedError, WeChatRefusedError, WeChatUnavailableError
from fenxiao.wechat.facts import Identity, Parcel, TextVerdict
from fenxiao.wechat.miniprogram import MiniProgram
from fenxiao.wechat.settings import WeChatSettings
from fenxiao.wechat.shipping import WeChatShipping
from fenxiao.wechat.token_store import TokenItem
from tests.support.world import line, paid_order
from tests.unit.wechat.wechat_side import Platform, Reply, Seen, Server

NOW = datetime(2026, 3, 2, 1, 2, 3, 456_000, tzinfo=UTC)
TOKEN = {"access_token": "token-1", "expires_in": 7200}


class _Clock:
    def now(self) -> datetime:
        return NOW


@pytest.fixture(autouse=True)
def fresh_process(tables: None) -> Iterator[None]:
    """No test inherits a client, and with it a token, of another."""
    miniprogram_api._library.cache_clear()
    yield
    miniprogram_api._library.cache_clear()


@pytest.fixture
def program(settings: Callable[[], WeChatSettings], server: Server) -> MiniProgram:
    return MiniProgram(settings)


@pytest.fixture
def shipping(settings: Callable[[], WeChatSettings], server: Server) -> WeChatShipping:
    return WeChatShipping(settings, _Clock())


def token_of(seen: Seen) -> str | None:
    return parse_qs(urlsplit(seen.target).query).get("access_token", [None])[0]


def paths(server: Server) -> list[str]:
    return [urlsplit(seen.target).path for seen in server.seen]


def test_login_trades_the_code_without_an_access_token(
    platform: Platform, server: Server, program: MiniProgram
) -> None:
    server.reply({"openid": "oBuyer", "unionid": "u1", "session_key": "k"})
    assert program.login("code-1") == Identity(openid="oBuyer", unionid="u1")
    assert parse_qs(urlsplit(server.seen[0].target).query) == {
        "appid": [platform.settings.appid],
        "secret": [platform.settings.app_secret],
        "js_code": ["code-1"],
        "grant_type": ["authorization_code"],
    }
    assert paths(server) == ["/sns/jscode2session"]


def test_login_without_a_unionid(server: Server, program: MiniProgram) -> None:
    server.reply({"openid": "oBuyer", "session_key": "k"})
    assert program.login("code-1").unionid is None


@pytest.mark.parametrize("errcode", [40029, 40163, 40226])
def test_bad_login_code_is_the_users_affair(server: Server, program: MiniProgram, errcode: int) -> None:
    server.reply({"errcode": errcode, "errmsg": "invalid code"})
    with pytest.raises(WeChatCodeRefusedError):
        program.login("code-1")


@pytest.mark.parametrize(
    "reply",
    [
        Reply(None),
        Reply(502, b"bad gateway"),
        Reply(200, b"not json"),
        Reply(200, b'{"errcode": -1, "errmsg": "system error"}'),
        Reply(200, b'{"errcode": 40125, "errmsg": "invalid appsecret"}'),
        Reply(200, b"{}"),
        Reply(200, b"[]"),
    ],
)
def test_login_that_gets_no_usable_answer_passes_and_is_not_tried_again(
    server: Server, program: MiniProgram, reply: Reply
) -> None:
    server.replies.append(reply)
    with pytest.raises(WeChatUnavailableError):
        program.login("code-1")
    assert len(server.seen) == 1


def test_nothing_secret_is_in_the_error_or_the_log_when_nobody_answers(
    platform: Platform,
    server: Server,
    program: MiniProgram,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("WECHAT_API_URL", "http://127.0.0.1:1")
    caplog.set_level(logging.INFO)
    with pytest.raises(WeChatUnavailableError) as caught:
        program.login("code-1")
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    written = f"{caught.value!r} {caplog.text} {capsys.readouterr()}"
    assert platform.settings.app_secret not in written
    assert "code-1" not in written


def test_phone_number_comes_with_a_stable_token(platform: Platform, server: Server, program: MiniProgram) -> None:
    server.reply(TOKEN)
    server.reply(phone(platform.settings.appid))
    assert program.phone_number("code-2") == "13800001234"
    fetch, call = server.seen
    assert (fetch.method, fetch.target) == ("POST", "/cgi-bin/stable_token")
    assert fetch.json == {
        "grant_type": "client_credential",
        "appid": platform.settings.appid,
        "secret": platform.settings.app_secret,
    }
    assert token_of(call) == "token-1"
    assert call.json == {"code": "code-2"}


def phone(appid: str) -> dict[str, object]:
    info = {"phoneNumber": "+86 13800001234", "purePhoneNumber": "13800001234", "countryCode": "86"}
    return {"errcode": 0, "errmsg": "ok", "phone_info": {**info, "watermark": {"timestamp": 1, "appid": appid}}}


def test_phone_number_of_another_app_is_not_taken(server: Server, program: MiniProgram) -> None:
    server.reply(TOKEN)
    server.reply(phone("wxother"))
    with pytest.raises(WeChatUnavailableError):
        program.phone_number("code-2")


def test_used_phone_code_is_the_users_affair(server: Server, program: MiniProgram) -> None:
    server.reply(TOKEN)
    server.reply({"errcode": 40029, "errmsg": "invalid code"})
    with pytest.raises(WeChatCodeRefusedError):
        program.phone_number("code-2")


def checked(suggest: str) -> dict[str, object]:
    return {"errcode": 0, "errmsg": "ok", "result": {"suggest": suggest, "label": 100}}


def test_token_is_fetched_once_for_many_calls_and_processes(server: Server, program: MiniProgram) -> None:
    server.reply(TOKEN)
    for suggest in ("pass", "review", "risky"):
        server.reply(checked(suggest))
    assert program.check_text("oBuyer", "你好") is TextVerdict.PASS
    assert program.check_text("oBuyer", "你好") is TextVerdict.REVIEW
    miniprogram_api._library.cache_clear()  # another process
    assert program.check_text("oBuyer", "你好") is TextVerdict.RISKY
    assert paths(server) == ["/cgi-bin/stable_token", *["/wxa/msg_sec_check"] * 3]
    assert server.seen[1].json == {"version": 2, "scene": 1, "openid": "oBuyer", "content": "你好"}
    assert "你好".encode() in server.seen[1].body


@pytest.mark.parametrize("errcode", [40001, 40014, 42001])
def test_refused_token_is_forgotten_and_fetched_again_once(server: Server, program: MiniProgram, errcode: int) -> None:
    TokenItem(pk=f"wechat#{program._settings().appid}", sk="token", access_token="old", ttl=2**40).save()
    server.reply({"errcode": errcode, "errmsg": "invalid credential"})
    server.reply(TOKEN)
    server.reply(checked("pass"))
    assert program.check_text("oBuyer", "你好") is TextVerdict.PASS
    assert [token_of(seen) for seen in server.seen] == ["old", None, "token-1"]
    assert TokenItem.get(f"wechat#{program._settings().appid}", "token").access_token == "token-1"


def test_token_that_is_refused_for_ever_is_a_fault_that_passes(server: Server, program: MiniProgram) -> None:
    def answer(seen: Seen) -> Reply:
        content = TOKEN if "stable_token" in seen.target else {"errcode": 40001, "errmsg": "invalid credential"}
        return Reply(200, json.dumps(content).encode())

    server.default = answer
    with pytest.raises(WeChatUnavailableError):
        program.check_text("oBuyer", "你好")
    assert paths(server).count("/wxa/msg_sec_check") == 6


def test_busy_wechat_is_asked_again(server: Server, program: MiniProgram) -> None:
    server.reply({"errcode": -1, "errmsg": "system error"})
    server.reply(TOKEN)
    server.reply({"errcode": -1, "errmsg": "system error"})
    server.reply(checked("pass"))
    assert program.check_text("oBuyer", "你好") is TextVerdict.PASS


def test_unknown_verdict_is_no_answer_and_a_long_text_is_not_sent(server: Server, program: MiniProgram) -> None:
    server.reply(TOKEN)
    server.default = lambda _seen: Reply(200, json.dumps(checked("maybe")).encode())
    with pytest.raises(WeChatUnavailableError):
        program.check_text("oBuyer", "你好")
    with pytest.raises(ValueError):
        program.check_text("oBuyer", "长" * 2501)


def test_refusal_keeps_its_errcode_and_no_words(server: Server, program: MiniProgram) -> None:
    server.reply(TOKEN)
    server.reply({"errcode": 61010, "errmsg": "code is expired: 你好"})
    with pytest.raises(WeChatRefusedError, match=r"^61010$") as caught:
        program.check_text("oBuyer", "你好")
    assert caught.value.__context__ is None


def test_invite_image_is_the_picture_of_its_code(server: Server, program: MiniProgram) -> None:
    picture = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
    server.reply(TOKEN)
    server.replies.append(Reply(200, picture, {"Content-Type": "image/png"}))
    assert program.invite_image("K7M2QX") == picture
    assert server.seen[1].json["scene"] == "K7M2QX"
    assert token_of(server.seen[1]) == "token-1"


def test_what_is_no_picture_is_no_answer(server: Server, program: MiniProgram) -> None:
    server.reply(TOKEN)
    server.default = lambda _seen: Reply(200, b"<html>", {"Content-Type": "text/html"})
    with pytest.raises(WeChatUnavailableError):
        program.invite_image("K7M2QX")


def shipped(**changed: object) -> Parcel:
    order = paid_order(lines=[line(1000), line(300, "freight")])
    parcel: dict[str, object] = {
        "shipment": Shipment(carrier="YTO", tracking_number="YT1", shipped_at=NOW),
        "address": Address(recipient="张三", phone="13800001234", region="上海", street="一号"),
    }
    return delivery.parcel_of(replace(order, **{**parcel, **changed}))


def test_shipping_is_told_by_our_number(platform: Platform, server: Server, shipping: WeChatShipping) -> None:
    server.reply(TOKEN)
    server.reply({"errcode": 0, "errmsg": "ok"})
    parcel = shipped()
    shipping.upload(parcel)
    assert paths(server)[1] == "/wxa/sec/order/upload_shipping_info"
    assert server.seen[1].json == {
        "order_key": {
            "order_number_type": 1,
            "mchid": platform.settings.mchid,
            "out_trade_no": parcel.out_trade_no,
        },
        "logistics_type": 1,
        "delivery_mode": 1,
        "is_all_delivered": True,
        "shipping_list": [{"item_desc": "龙井×1", "tracking_no": "YT1", "express_company": "YTO"}],
        "upload_time": "2026-03-02T09:02:03.456+08:00",
        "payer": {"openid": parcel.openid},
    }


def parcel_of(seen: Seen) -> dict[str, object]:
    parcels = seen.json["shipping_list"]
    assert isinstance(parcels, list)
    parcel: dict[str, object] = parcels[0]
    return parcel


def test_carrier_that_needs_it_gets_the_masked_phone_number(server: Server, shipping: WeChatShipping) -> None:
    server.reply(TOKEN)
    server.reply({"errcode": 0, "errmsg": "ok"})
    shipping.upload(shipped(shipment=Shipment(carrier="SF", tracking_number="SF1", shipped_at=NOW)))
    assert parcel_of(server.seen[1])["contact"] == {"receiver_contact": "****1234"}
    assert b"1380000" not in server.seen[1].body


def test_virtual_goods_go_without_a_parcel(server: Server, shipping: WeChatShipping) -> None:
    server.reply(TOKEN)
    server.reply({"errcode": 0, "errmsg": "ok"})
    shipping.upload(shipped(lines=(line(1000, is_virtual=True),)))
    assert server.seen[1].json["logistics_type"] == 3
    assert parcel_of(server.seen[1]) == {"item_desc": "龙井×1"}


def test_long_description_is_cut(server: Server, shipping: WeChatShipping) -> None:
    server.reply(TOKEN)
    server.reply({"errcode": 0, "errmsg": "ok"})
    shipping.upload(shipped(lines=(line(1000),) * 50))
    assert len(str(parcel_of(server.seen[1])["item_desc"])) == 120


@pytest.mark.parametrize("errcode", [10060002, 10060023])
def test_telling_again_changes_nothing(server: Server, shipping: WeChatShipping, errcode: int) -> None:
    server.reply(TOKEN)
    server.reply({"errcode": errcode, "errmsg": "发货信息未更新"})
    shipping.upload(shipped())


def test_other_refusals_of_shipping_are_raised(server: Server, shipping: WeChatShipping) -> None:
    server.reply(TOKEN)
    server.reply({"errcode": 10060001, "errmsg": "支付单不存在"})
    with pytest.raises(WeChatRefusedError, match="10060001"):
        shipping.upload(shipped())


@pytest.mark.parametrize(
    ("order_state", "known", "settled_at"),
    [(1, False, None), (2, True, None), (3, True, None), (4, True, NOW), (5, True, None), (6, True, None)],
)
def test_status_says_whether_the_funds_are_released(
    platform: Platform,
    server: Server,
    shipping: WeChatShipping,
    order_state: int,
    known: bool,  # noqa: FBT001 - a test's parameter
    settled_at: datetime | None,
) -> None:
    server.reply(TOKEN)
    server.reply({"errcode": 0, "errmsg": "ok", "order": {"merchant_trade_no": "T1", "order_state": order_state}})
    status = shipping.status("T1")
    assert (status is not None) is known
    assert status is None or (status.out_trade_no, status.settled_at) == ("T1", settled_at)
    assert server.seen[1].json == {"merchant_id": platform.settings.mchid, "merchant_trade_no": "T1"}


def test_status_of_an_unknown_order_is_none(server: Server, shipping: WeChatShipping) -> None:
    server.reply(TOKEN)
    server.reply({"errcode": 10060001, "errmsg": "支付单不存在"})
    assert shipping.status("T1") is None
