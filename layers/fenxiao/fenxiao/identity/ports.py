"""What identity needs of the outside world."""

from typing import Protocol

from fenxiao.wechat.facts import Identity


class MiniProgram(Protocol):
    """The mini-program's server side."""

    def login(self, code: str) -> Identity:
        """Return who stands behind a `wx.login` code; a code is good once and for five minutes."""
        ...

    def phone_number(self, code: str) -> str:
        """Return the phone number, without country code, behind a code of the `getPhoneNumber` button."""
        ...
