"""The mini-program: who signs in, their phone number, invite codes as pictures, and WeChat's check of texts."""

from collections.abc import Callable
from typing import Final

import msgspec

from fenxiao.wechat.calls import unavailable
from fenxiao.wechat.errors import WeChatCodeRefusedError, WeChatRefusedError
from fenxiao.wechat.facts import Identity, TextVerdict
from fenxiao.wechat.miniprogram_api import MiniProgramApi
from fenxiao.wechat.settings import WeChatSettings

MAX_CHECKED_CHARACTERS: Final = 2500
_CODE_CODES: Final = frozenset({"40029", "40163", "40226"})
"""The one-time code is wrong or used, or WeChat does not let this user in."""
_CHECK_VERSION: Final = 2
_SCENE_PROFILE: Final = 1


class _Session(msgspec.Struct, frozen=True):
    openid: str
    unionid: str | None = None


class _Watermark(msgspec.Struct, frozen=True):
    appid: str


class _PhoneInfo(msgspec.Struct, frozen=True, rename="camel"):
    pure_phone_number: str
    watermark: _Watermark


class _Phone(msgspec.Struct, frozen=True):
    phone_info: _PhoneInfo


class _CheckResult(msgspec.Struct, frozen=True):
    suggest: TextVerdict


class _Check(msgspec.Struct, frozen=True):
    result: _CheckResult


class MiniProgram:
    """The mini-program's server side.

    Each call raises `WeChatUnavailableError` for a fault that passes and `WeChatRefusedError` with WeChat's errcode.
    """

    def __init__(self, settings: Callable[[], WeChatSettings]) -> None:
        """Take where the settings are read from."""
        self._settings = settings
        self._api = MiniProgramApi(settings)

    def login(self, code: str) -> Identity:
        """Return who stands behind a `wx.login` code (`sns/jscode2session`); the session key is not kept.

        Raises:
            WeChatCodeRefusedError: the code is wrong, used, or older than five minutes.
        """
        settings = self._settings()
        parameters = (
            ("appid", settings.appid),
            ("secret", settings.app_secret),
            ("js_code", code),
            ("grant_type", "authorization_code"),
        )
        try:
            session = self._api.get_without_token("sns/jscode2session", parameters, _Session)
        except WeChatRefusedError as error:
            raise _for_the_user(error) from None
        return Identity(openid=session.openid, unionid=session.unionid or None)

    def phone_number(self, code: str) -> str:
        """Return the phone number, without country code, behind a code of the `getPhoneNumber` button.

        Raises:
            WeChatCodeRefusedError: the code is wrong, used, or older than five minutes.
        """
        try:
            phone = self._api.post_once("wxa/business/getuserphonenumber", {"code": code}, _Phone)
        except WeChatRefusedError as error:
            raise _for_the_user(error) from None
        if phone.phone_info.watermark.appid != self._settings().appid:
            raise unavailable("another app's phone number")
        return phone.phone_info.pure_phone_number

    def invite_image(self, invite_code: str) -> bytes:
        """Return the picture of a mini-program code that carries the invite code as its scene (1 to 32 characters)."""
        return self._api.code_image(invite_code)

    def check_text(self, openid: str, text: str) -> TextVerdict:
        """Return WeChat's verdict on a text that this user wrote, such as a nickname.

        Raises:
            ValueError: the text is longer than 2 500 characters.
        """
        if len(text) > MAX_CHECKED_CHARACTERS:
            raise ValueError("the text is too long to be checked")
        body = {"version": _CHECK_VERSION, "scene": _SCENE_PROFILE, "openid": openid, "content": text}
        return self._api.post("wxa/msg_sec_check", body, _Check).result.suggest


def _for_the_user(error: WeChatRefusedError) -> Exception:
    return WeChatCodeRefusedError() if error.code in _CODE_CODES else error
