"""The mini-program's message push (XML, secure mode): verified first, then decrypted, then read.

The envelope is not parsed: its one field that matters is cut out, and only what its signature covers is opened.
"""

import hashlib
import hmac
import re
import struct
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Final, Protocol

import msgspec

from fenxiao.wechat.errors import (
    NotificationBadSignatureError,
    NotificationForeignMerchantError,
    NotificationMangledError,
    NotificationUnsignedError,
)
from fenxiao.wechat.facts import SettlementMessage
from fenxiao.wechat.notification import MAX_BODY_BYTES, check_fresh
from fenxiao.wechat.settings import WeChatSettings

_SETTLEMENT: Final = "trade_manage_order_settlement"
_ENCRYPTED: Final = re.compile(rb"<Encrypt>\s*<!\[CDATA\[([0-9A-Za-z+/=]+)\]\]>\s*</Encrypt>")
_MAX_ECHO: Final = 128

type _EpochSeconds = Annotated[int, msgspec.Meta(ge=0, lt=10**11)]


class _Crypto(Protocol):
    """What is used of `wechatpy.crypto.WeChatCrypto`."""

    def decrypt_message(self, msg: Mapping[str, str], signature: str, timestamp: str, nonce: str) -> str:
        """Return the XML."""
        ...


class _Event(msgspec.Struct, frozen=True):
    MsgType: str
    Event: str | None = None
    merchant_id: str | None = None
    merchant_trade_no: str | None = None
    settlement_time: _EpochSeconds | None = None


class _Message(msgspec.Struct, frozen=True):
    xml: _Event


class Messages:
    """Opens pushed messages; each refusal is a `NotificationRefusedError` (401) whose code says what was wrong."""

    def __init__(self, settings: Callable[[], WeChatSettings], wall: Callable[[], float] = time.time) -> None:
        """Take where the settings are read from, and the wall time in epoch seconds: signatures are bound to it."""
        self._settings = settings
        self._wall = wall

    def verify_url(self, query: Mapping[str, str]) -> str:
        """Return the words that WeChat wants back when the address of the push is set."""
        echo = _required(query, "echostr")
        if len(echo) > _MAX_ECHO:
            raise NotificationMangledError
        self._check(self._settings(), query, "signature")
        return echo

    def open_message(self, query: Mapping[str, str], raw_body: bytes) -> SettlementMessage | None:
        """Return the settlement that WeChat tells of, `None` for any other message.

        WeChat sends the event twice: when an order is shipped (`settled_at` is `None`) and when it has settled it.
        """
        settings = self._settings()
        if len(raw_body) > MAX_BODY_BYTES:
            raise NotificationMangledError
        found = _ENCRYPTED.search(raw_body)
        if found is None:
            raise NotificationUnsignedError
        encrypted = found[1].decode()
        self._check(settings, query, "msg_signature", encrypted)
        event = _read(_decrypt(settings, query, encrypted))
        if event.MsgType != "event" or event.Event != _SETTLEMENT:
            return None
        if event.merchant_id != settings.mchid:
            raise NotificationForeignMerchantError
        if not event.merchant_trade_no:
            raise NotificationMangledError
        settled_at = datetime.fromtimestamp(event.settlement_time, UTC) if event.settlement_time else None
        return SettlementMessage(out_trade_no=event.merchant_trade_no, settled_at=settled_at)

    def _check(self, settings: WeChatSettings, query: Mapping[str, str], name: str, *signed: str) -> None:
        given, timestamp, nonce = (_required(query, each) for each in (name, "timestamp", "nonce"))
        parts = sorted((settings.message_token, timestamp, nonce, *signed))
        # SHA-1 is WeChat's choice; the token in it is what keeps the signature.
        expected = hashlib.sha1("".join(parts).encode(), usedforsecurity=False).hexdigest()
        if not hmac.compare_digest(expected.encode(), given.encode()):
            raise NotificationBadSignatureError
        check_fresh(timestamp, self._wall())


def _required(query: Mapping[str, str], name: str) -> str:
    value = query.get(name)
    if not value:
        raise NotificationUnsignedError
    return value


def _decrypt(settings: WeChatSettings, query: Mapping[str, str], encrypted: str) -> str:
    from wechatpy.exceptions import InvalidAppIdException

    crypto = _crypto(settings.message_token, settings.message_aes_key, settings.appid)
    try:
        return crypto.decrypt_message(
            {"Encrypt": encrypted}, query["msg_signature"], query["timestamp"], query["nonce"]
        )
    except InvalidAppIdException:
        raise NotificationForeignMerchantError from None
    except (ValueError, IndexError, struct.error):
        raise NotificationMangledError from None


@lru_cache(maxsize=1)
def _crypto(token: str, aes_key: str, appid: str) -> _Crypto:
    from wechatpy.crypto import WeChatCrypto

    crypto: _Crypto = WeChatCrypto(token, aes_key, appid)
    return crypto


def _read(xml: str) -> _Event:
    from xml.parsers.expat import ExpatError

    import xmltodict  # type: ignore[import-untyped]

    if "<!DOCTYPE" in xml:  # declares entities, with which a short text becomes a long one
        raise NotificationMangledError
    try:
        return msgspec.convert(xmltodict.parse(xml), _Message, strict=False).xml
    except (ExpatError, ValueError):
        raise NotificationMangledError from None
