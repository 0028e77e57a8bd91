"""What identity needs of the outside world."""

from typing import Protocol

from fenxiao.wechat.facts import Identity, TextVerdict


class MiniProgram(Protocol):
    """The mini-program's server side."""

    def login(self, code: str) -> Identity:
        """Return who stands behind a `wx.login` code; a code is good once and for five minutes."""
        ...

    def phone_number(self, code: str) -> str:
        """Return the phone number, without country code, behind a code of the `getPhoneNumber` button."""
        ...

    def check_text(self, openid: str, text: str) -> TextVerdict:
        """Return WeChat's verdict on a text that this user wrote."""
        ...
