"""Pay v3's notifications: verified first, then read.

Nothing is parsed before the signature over the raw bytes holds, and no notification makes us call anybody: a key that
is not ours is refused, not looked up. The same notification again within the five minutes is let through; the use
cases that take it in are idempotent.
"""

import base64
import binascii
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import msgspec

from fenxiao.wechat.errors import (
    NotificationBadSignatureError,
    NotificationForeignMerchantError,
    NotificationMangledError,
    NotificationStaleError,
    NotificationUnexpectedError,
    NotificationUnknownSerialError,
    NotificationUnsignedError,
)
from fenxiao.wechat.facts import PaymentResult, RefundResult, TransferResult
from fenxiao.wechat.settings import WeChatSettings
from fenxiao.wechat.wire import Bill, Refund, Transaction

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

MAX_SKEW_SECONDS: Final = 300
MAX_BODY_BYTES: Final = 64 * 1024
_MAX_TIMESTAMP_DIGITS: Final = 12
_SIGNATURE_TYPE: Final = "WECHATPAY2-SHA256-RSA2048"
_PROBE: Final = "WECHATPAY/SIGNTEST/"
_ALGORITHM: Final = "AEAD_AES_256_GCM"
_PAYMENT_EVENTS: Final = frozenset({"TRANSACTION.SUCCESS"})
_REFUND_EVENTS: Final = frozenset({"REFUND.SUCCESS", "REFUND.ABNORMAL", "REFUND.CLOSED"})
_TRANSFER_EVENTS: Final = frozenset({"MCHTRANSFER.BILL.FINISHED"})


class _Resource(msgspec.Struct, frozen=True):
    algorithm: str
    ciphertext: str
    nonce: str
    associated_data: str = ""


class _Envelope(msgspec.Struct, frozen=True):
    event_type: str
    resource_type: str
    resource: _Resource


class _Signature(msgspec.Struct, frozen=True):
    serial: str
    kind: str
    timestamp: str
    nonce: str
    signature: str


class Notifications:
    """Opens notifications; every refusal is a `NotificationRefusedError` (401) that says by its code what was wrong."""

    def __init__(self, settings: Callable[[], WeChatSettings], wall: Callable[[], float] = time.time) -> None:
        """Take where the settings are read from, and the wall time in epoch seconds: signatures are bound to it."""
        self._settings = settings
        self._wall = wall

    def open_payment(self, headers: Mapping[str, str], raw_body: bytes) -> PaymentResult:
        """Return the payment that WeChat notifies; header names are in lower case."""
        settings = self._settings()
        payment = self._open(settings, headers, raw_body, _PAYMENT_EVENTS, Transaction)
        _check_ours(settings, payment.mchid, payment.appid)
        return payment.fact()

    def open_refund(self, headers: Mapping[str, str], raw_body: bytes) -> RefundResult:
        """Return the refund that WeChat notifies; header names are in lower case."""
        settings = self._settings()
        refund = self._open(settings, headers, raw_body, _REFUND_EVENTS, Refund)
        _check_ours(settings, refund.mchid)
        return refund.fact()

    def open_transfer(self, headers: Mapping[str, str], raw_body: bytes) -> TransferResult:
        """Return the finished transfer that WeChat notifies; header names are in lower case."""
        settings = self._settings()
        bill = self._open(settings, headers, raw_body, _TRANSFER_EVENTS, Bill)
        _check_ours(settings, bill.mch_id)
        return bill.fact()

    def _open[T](
        self,
        settings: WeChatSettings,
        headers: Mapping[str, str],
        raw_body: bytes,
        events: frozenset[str],
        form: type[T],
    ) -> T:
        if len(raw_body) > MAX_BODY_BYTES:
            raise NotificationMangledError
        self._verify(settings, _signature(headers), raw_body)
        envelope = _decode(_Envelope, raw_body)
        if envelope.event_type not in events or envelope.resource_type != "encrypt-resource":
            raise NotificationUnexpectedError
        return _decode(form, _decrypt(settings, envelope.resource))

    def _verify(self, settings: WeChatSettings, given: _Signature, raw_body: bytes) -> None:
        if given.signature.startswith(_PROBE):
            raise NotificationBadSignatureError
        if given.serial != settings.platform_public_key_id:
            raise NotificationUnknownSerialError
        check_fresh(given.timestamp, self._wall())
        signed = b"%b\n%b\n%b\n" % (given.timestamp.encode(), given.nonce.encode(), raw_body)
        if not _holds(settings, given.signature, signed):
            raise NotificationBadSignatureError


def check_fresh(timestamp: str, wall_seconds: float) -> None:
    """Check that a timestamp in epoch seconds is less than five minutes away from the wall time.

    Raises:
        NotificationStaleError: it is further away, or no timestamp at all.
    """
    plausible = timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= _MAX_TIMESTAMP_DIGITS
    if not plausible or abs(wall_seconds - int(timestamp)) >= MAX_SKEW_SECONDS:
        raise NotificationStaleError


def _signature(headers: Mapping[str, str]) -> _Signature:
    given = _Signature(
        serial=headers.get("wechatpay-serial", ""),
        kind=headers.get("wechatpay-signature-type", ""),
        timestamp=headers.get("wechatpay-timestamp", ""),
        nonce=headers.get("wechatpay-nonce", ""),
        signature=headers.get("wechatpay-signature", ""),
    )
    if not all(msgspec.structs.astuple(given)) or given.kind != _SIGNATURE_TYPE:
        raise NotificationUnsignedError
    return given


def _holds(settings: WeChatSettings, signature: str, signed: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA256

    try:
        raw = base64.b64decode(signature, validate=True)
        _public_key(settings.platform_public_key).verify(raw, signed, PKCS1v15(), SHA256())
    except (binascii.Error, ValueError, InvalidSignature):
        return False
    return True


@lru_cache(maxsize=1)
def _public_key(pem: str) -> "RSAPublicKey":
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    key = load_pem_public_key(pem.encode())
    if not isinstance(key, RSAPublicKey):
        raise TypeError("WeChat's public key is an RSA key")
    return key


def _decrypt(settings: WeChatSettings, resource: _Resource) -> bytes:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    if resource.algorithm != _ALGORITHM:
        raise NotificationUnexpectedError
    cipher = AESGCM(settings.api_v3_key.encode())
    try:
        sealed = base64.b64decode(resource.ciphertext, validate=True)
        return cipher.decrypt(resource.nonce.encode(), sealed, resource.associated_data.encode())
    except (binascii.Error, ValueError, InvalidTag):
        raise NotificationMangledError from None


def _decode[T](form: type[T], raw: bytes) -> T:
    try:
        return msgspec.json.decode(raw, type=form)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise NotificationMangledError from None


def _check_ours(settings: WeChatSettings, mchid: str, appid: str | None = None) -> None:
    if mchid != settings.mchid or appid not in {None, settings.appid}:
        raise NotificationForeignMerchantError
