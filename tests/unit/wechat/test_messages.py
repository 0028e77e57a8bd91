import base64
import hashlib
import struct
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from fenxiao.wechat.errors import NotificationRefusedError
from fenxiao.wechat.messages import Messages
from fenxiao.wechat.settings import WeChatSettings
from tests.unit.wechat.wechat_side import Platform

WALL = 1_772_337_600
NONCE = "415670741"


@pytest.fixture
def messages(settings: Callable[[], WeChatSettings]) -> Messages:
    return Messages(settings, wall=lambda: float(WALL))


def encrypted(platform: Platform, xml: str, appid: str | None = None) -> str:
    key = base64.b64decode(platform.settings.message_aes_key + "=")
    content = xml.encode()
    plain = b"r" * 16 + struct.pack(">I", len(content)) + content + (appid or platform.settings.appid).encode()
    padder = PKCS7(256).padder()
    encryptor = Cipher(algorithms.AES(key), modes.CBC(key[:16])).encryptor()
    return base64.b64encode(encryptor.update(padder.update(plain) + padder.finalize()) + encryptor.finalize()).decode()


def signature(*parts: str) -> str:
    return hashlib.sha1("".join(sorted(parts)).encode(), usedforsecurity=False).hexdigest()


def pushed(platform: Platform, cipher: str, timestamp: int = WALL) -> tuple[dict[str, str], bytes]:
    token = platform.settings.message_token
    query = {"timestamp": str(timestamp), "nonce": NONCE, "encrypt_type": "aes"}
    query["msg_signature"] = signature(token, str(timestamp), NONCE, cipher)
    query["signature"] = signature(token, str(timestamp), NONCE)
    body = f"<xml><ToUserName><![CDATA[gh_1]]></ToUserName><Encrypt><![CDATA[{cipher}]]></Encrypt></xml>"
    return query, body.encode()


def settlement(platform: Platform, more: str = "", event: str = "trade_manage_order_settlement") -> str:
    return (
        "<xml><ToUserName><![CDATA[gh_1]]></ToUserName><CreateTime>1</CreateTime><MsgType><![CDATA[event]]></MsgType>"
        f"<Event><![CDATA[{event}]]></Event><merchant_id><![CDATA[{platform.settings.mchid}]]></merchant_id>"
        f"<sub_merchant_id></sub_merchant_id><merchant_trade_no><![CDATA[T1]]></merchant_trade_no>{more}</xml>"
    )


def refused(messages: Messages, query: dict[str, str], body: bytes) -> str:
    with pytest.raises(NotificationRefusedError) as caught:
        messages.open_message(query, body)
    return caught.value.code


def test_settlement_is_opened(platform: Platform, messages: Messages) -> None:
    xml = settlement(platform, "<settlement_time>1772337600</settlement_time>")
    message = messages.open_message(*pushed(platform, encrypted(platform, xml)))
    assert message is not None
    assert (message.out_trade_no, message.settled_at) == ("T1", datetime(2026, 3, 1, 4, 0, tzinfo=UTC))


def test_announcement_at_shipping_has_no_time_of_settlement(platform: Platform, messages: Messages) -> None:
    xml = settlement(platform, "<estimated_settlement_time>1772337600</estimated_settlement_time>")
    message = messages.open_message(*pushed(platform, encrypted(platform, xml)))
    assert message is not None
    assert message.settled_at is None


def test_other_messages_are_none(platform: Platform, messages: Messages) -> None:
    text = "<xml><MsgType>text</MsgType><Content>hello</Content></xml>"
    for xml in (settlement(platform, event="trade_manage_remind_shipping"), text):
        assert messages.open_message(*pushed(platform, encrypted(platform, xml))) is None


@pytest.mark.parametrize("missing", ["msg_signature", "timestamp", "nonce"])
def test_unsigned_message_is_refused(platform: Platform, messages: Messages, missing: str) -> None:
    query, body = pushed(platform, encrypted(platform, settlement(platform)))
    del query[missing]
    assert refused(messages, query, body) == "notification_unsigned"


def test_plain_message_is_refused(platform: Platform, messages: Messages) -> None:
    query, _ = pushed(platform, "AAAA")
    assert refused(messages, query, settlement(platform).encode()) == "notification_unsigned"


@pytest.mark.parametrize("changed", [{"msg_signature": "0" * 40}, {"msg_signature": "签"}, {"nonce": "1"}])
def test_forged_message_is_refused(platform: Platform, messages: Messages, changed: dict[str, str]) -> None:
    query, body = pushed(platform, encrypted(platform, settlement(platform)))
    assert refused(messages, {**query, **changed}, body) == "notification_bad_signature"


def test_signature_of_the_query_alone_opens_no_message(platform: Platform, messages: Messages) -> None:
    query, body = pushed(platform, encrypted(platform, settlement(platform)))
    assert refused(messages, {**query, "msg_signature": query["signature"]}, body) == "notification_bad_signature"


def test_other_content_under_the_same_signature_is_refused(platform: Platform, messages: Messages) -> None:
    query, _ = pushed(platform, encrypted(platform, settlement(platform)))
    _, body = pushed(platform, encrypted(platform, settlement(platform, "<a></a>")))
    assert refused(messages, query, body) == "notification_bad_signature"


@pytest.mark.parametrize("timestamp", [WALL - 300, WALL + 300])
def test_stale_message_is_refused(platform: Platform, messages: Messages, timestamp: int) -> None:
    assert refused(messages, *pushed(platform, encrypted(platform, settlement(platform)), timestamp)) == (
        "notification_stale"
    )


def test_message_for_another_app_is_refused(platform: Platform, messages: Messages) -> None:
    cipher = encrypted(platform, settlement(platform), appid="wxother")
    assert refused(messages, *pushed(platform, cipher)) == "notification_foreign_merchant"


def test_settlement_of_another_merchant_is_refused(platform: Platform, messages: Messages) -> None:
    xml = settlement(platform).replace(platform.settings.mchid, "1900000000")
    assert refused(messages, *pushed(platform, encrypted(platform, xml))) == "notification_foreign_merchant"


def test_cipher_that_cannot_be_opened_is_mangled(platform: Platform, messages: Messages) -> None:
    for cipher in ("AAAA", base64.b64encode(bytes(32)).decode(), base64.b64encode(bytes(15)).decode(), "A=A="):
        assert refused(messages, *pushed(platform, cipher)) in {
            "notification_mangled",
            "notification_foreign_merchant",
        }


BOMB = '<!DOCTYPE x [<!ENTITY a "haha"><!ENTITY b "&a;&a;&a;&a;">]><xml><MsgType>&b;</MsgType></xml>'


@pytest.mark.parametrize(
    "xml", [BOMB, "<xml>", "", "<xml/>", "<html/>", "<xml><MsgType>a</MsgType><MsgType>b</MsgType></xml>"]
)
def test_xml_that_is_not_a_message_is_mangled(platform: Platform, messages: Messages, xml: str) -> None:
    assert refused(messages, *pushed(platform, encrypted(platform, xml))) == "notification_mangled"


def test_settlement_without_a_number_or_with_a_senseless_time_is_mangled(
    platform: Platform, messages: Messages
) -> None:
    numberless = settlement(platform).replace("<![CDATA[T1]]>", "")
    timeless = settlement(platform, "<settlement_time>soon</settlement_time>")
    endless = settlement(platform, f"<settlement_time>{10**15}</settlement_time>")
    for xml in (numberless, timeless, endless):
        assert refused(messages, *pushed(platform, encrypted(platform, xml))) == "notification_mangled"


def test_message_above_the_limit_is_refused_unread(messages: Messages) -> None:
    assert refused(messages, {}, b" " * (64 * 1024 + 1)) == "notification_mangled"


def test_address_is_confirmed_to_who_knows_the_token(platform: Platform, messages: Messages) -> None:
    query, _ = pushed(platform, "AAAA")
    assert messages.verify_url({**query, "echostr": "4375120948345356249"}) == "4375120948345356249"
    for changed, code in (
        ({"signature": "0" * 40}, "notification_bad_signature"),
        ({"timestamp": str(WALL + 1)}, "notification_bad_signature"),
        ({"echostr": ""}, "notification_unsigned"),
        ({"echostr": "1" * 129}, "notification_mangled"),
    ):
        with pytest.raises(NotificationRefusedError) as caught:
            messages.verify_url({**query, "echostr": "1", **changed})
        assert caught.value.code == code
