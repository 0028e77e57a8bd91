"""Who we are at WeChat, the keys that go with it, and where WeChat is.

Keys come from Secrets Manager (`WECHAT_SECRET_ARN`), addresses from the environment: a local sandbox is reached by
configuration alone.
"""

import os
from typing import Final, Literal

import msgspec

from fenxiao.aws.secrets import secret
from fenxiao.config import env

_API_URL: Final = "https://api.weixin.qq.com"
_PAY_URL: Final = "https://api.mch.weixin.qq.com"
_LOOPBACK: Final = "http://127.0.0.1:"


class WeChatSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One mini-program and one merchant account; keys are PEM texts."""

    appid: str
    mchid: str
    app_secret: str
    api_v3_key: str
    """32 characters: the AES key of notifications."""
    merchant_private_key: str
    merchant_cert_serial: str
    platform_public_key: str
    platform_public_key_id: str
    """Names WeChat's key, such as `PUB_KEY_ID_…`."""
    message_token: str
    message_aes_key: str
    """43 characters: WeChat's EncodingAESKey of the message push."""

    def __repr__(self) -> str:
        """Return the account without its keys, so that no log can hold them."""
        return f"WeChatSettings(appid={self.appid!r}, mchid={self.mchid!r})"


def wechat_settings() -> WeChatSettings:
    """Return the settings; a rotation is seen within minutes."""
    return secret("WECHAT_SECRET_ARN", WeChatSettings)


def api_url() -> str:
    """Return the address of the mini-program's API, without a slash at the end."""
    return _trusted("WECHAT_API_URL", _API_URL)


def pay_url() -> str:
    """Return the address of Pay v3's API, without a slash at the end."""
    return _trusted("WECHAT_PAY_URL", _PAY_URL)


def notify_url(kind: Literal["payments", "refunds", "transfers"]) -> str:
    """Return the address at which WeChat is to tell us of payments, refunds or transfers.

    Raises:
        RuntimeError: `PUBLIC_BASE_URL` is not an https address; WeChat calls no other.
    """
    base = env("PUBLIC_BASE_URL").rstrip("/")
    if not base.startswith("https://"):
        raise RuntimeError("PUBLIC_BASE_URL must be an https address")
    return f"{base}/wechat/notifications/{kind}"


def _trusted(variable: str, default: str) -> str:
    url = os.environ.get(variable, default).rstrip("/")
    if not url.startswith(("https://", _LOOPBACK)):
        raise RuntimeError(f"{variable} must be an https address, or a loopback one: secrets are sent to it")
    return url
