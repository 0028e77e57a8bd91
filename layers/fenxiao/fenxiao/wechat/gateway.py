"""Pay v3's gateway: one signed call, and its answer once it is verified.

`wechatpayv3` signs and verifies. It answers with a status and a body, leaves errors unread, and raises a bare
`Exception` for an answer that it cannot verify; here these become the answer's object or one of two errors.
"""

import secrets
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from http import HTTPStatus
from typing import Final, Protocol

import msgspec

from fenxiao.wechat.calls import TIMEOUT_SECONDS, unavailable
from fenxiao.wechat.errors import WeChatRefusedError
from fenxiao.wechat.settings import WeChatSettings, pay_url

_MAX_CODE_LENGTH: Final = 64
_SCHEME: Final = "WECHATPAY2-SHA256-RSA2048"
_MAX_DOWNLOAD_SECONDS: Final = 60.0
_CHUNK_BYTES: Final = 16 * 1024

type Answer = tuple[int, str | bytes]
"""Status and body."""


class PayCore(Protocol):
    """The part of `wechatpayv3.core.Core` that has no public counterpart."""

    def request(self, path: str, method: object, data: Mapping[str, object] | None, *, cipher_data: bool) -> Answer:
        """Send a signed request; its JSON body may hold encrypted fields."""
        ...

    def encrypt(self, text: str) -> str:
        """Encrypt a field for WeChat (RSA-OAEP)."""
        ...


class PayLibrary(Protocol):
    """What is used of `wechatpayv3.WeChatPay`."""

    _core: PayCore

    def sign(self, data: list[str]) -> str:
        """Sign lines with the merchant's key."""
        ...

    def pay(
        self,
        *,
        description: str,
        out_trade_no: str,
        amount: Mapping[str, object],
        payer: Mapping[str, str],
        time_expire: str,
        notify_url: str,
    ) -> Answer:
        """Make a payment."""
        ...

    def query(self, *, out_trade_no: str) -> Answer:
        """Ask about a payment."""
        ...

    def close(self, out_trade_no: str) -> Answer:
        """Close a payment."""
        ...

    def refund(
        self, *, out_refund_no: str, out_trade_no: str, amount: Mapping[str, object], reason: str, notify_url: str
    ) -> Answer:
        """Make a refund."""
        ...

    def query_refund(self, out_refund_no: str) -> Answer:
        """Ask about a refund."""
        ...

    def mch_transfer_bills_query(self, out_bill_no: str) -> Answer:
        """Ask about a transfer."""
        ...

    def mch_transfer_bills_cancel(self, out_bill_no: str) -> Answer:
        """Cancel a transfer."""
        ...


def library(settings: WeChatSettings) -> PayLibrary:
    """Return the library's client for these settings; it is made anew only when they or the address have changed."""
    return _library(settings, pay_url())


@lru_cache(maxsize=1)
def _library(settings: WeChatSettings, url: str) -> PayLibrary:
    from wechatpayv3 import WeChatPay, WeChatPayType

    client = WeChatPay(
        WeChatPayType.MINIPROG,
        settings.mchid,
        settings.merchant_private_key,
        settings.merchant_cert_serial,
        settings.appid,
        settings.api_v3_key,
        timeout=TIMEOUT_SECONDS,
        public_key=settings.platform_public_key,
        public_key_id=settings.platform_public_key_id,
    )
    client._core._gate_way = url  # noqa: SLF001 - the library knows no other way to another address
    # An answer signed by a key that is not ours is refused; the library would go and fetch certificates first.
    client._core._update_certificates = lambda: None  # noqa: SLF001
    typed: PayLibrary = client
    return typed


def call[B: str | bytes](send: Callable[[], tuple[int, B]]) -> B:
    """Make one call and return the body of its verified answer.

    Raises:
        WeChatRefusedError: WeChat refused, with its code.
        WeChatUnavailableError: no answer, 5xx, 429, or an answer that cannot be verified or read.
    """
    status, body = _sent(send)
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return body
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS:
        raise unavailable(f"status {status}")
    refusal = decode(_Refusal, body)
    raise WeChatRefusedError(refusal.code[:_MAX_CODE_LENGTH], refusal.message)


def decode[T](form: type[T], body: str | bytes) -> T:
    """Return the object that the body holds.

    Raises:
        WeChatUnavailableError: it does not have the form.
    """
    try:
        return msgspec.json.decode(body, type=form)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise unavailable(f"not readable as {form.__name__}") from None


def download(settings: WeChatSettings, target: str, max_bytes: int) -> bytes:
    """Return a file by its path and query; its answer carries no signature, so the caller has to prove the content.

    The library would read a file of any size, and as long as it takes.

    Raises:
        WeChatRefusedError: WeChat refused, with its code.
        WeChatUnavailableError: no answer, 5xx, 429, one that is larger than `max_bytes`, or one that takes too long.
    """
    return call(lambda: _streamed(settings, target, max_bytes))


class _Refusal(msgspec.Struct, frozen=True):
    code: str
    message: str = ""


def _streamed(settings: WeChatSettings, target: str, max_bytes: int) -> tuple[int, bytes]:
    import requests

    headers = {"Authorization": _authorization(settings, target), "Accept-Encoding": "identity"}
    content, deadline = bytearray(), time.monotonic() + _MAX_DOWNLOAD_SECONDS
    with requests.get(
        pay_url() + target, headers=headers, timeout=TIMEOUT_SECONDS, stream=True, allow_redirects=False
    ) as answer:
        for chunk in answer.iter_content(_CHUNK_BYTES):
            content += chunk
            if len(content) > max_bytes or time.monotonic() > deadline:
                raise unavailable("a file too large, or too slow")
        return answer.status_code, bytes(content)


def _authorization(settings: WeChatSettings, target: str) -> str:
    """Return the header that signs a request to read (`WECHATPAY2-SHA256-RSA2048`)."""
    stamp, nonce = str(int(time.time())), secrets.token_hex(16)
    parts = {
        "mchid": settings.mchid,
        "nonce_str": nonce,
        "signature": library(settings).sign(["GET", target, stamp, nonce, ""]),
        "timestamp": stamp,
        "serial_no": settings.merchant_cert_serial,
    }
    return f"{_SCHEME} " + ",".join(f'{name}="{value}"' for name, value in parts.items())


def _sent[B: str | bytes](send: Callable[[], tuple[int, B]]) -> tuple[int, B]:
    import requests

    try:
        return send()
    except requests.RequestException as error:
        reason = type(error).__name__
    except Exception as error:
        if type(error) is not Exception:  # only the library's own complaint about a signature is bare
            raise
        reason = "not verifiable"
    raise unavailable(reason)
