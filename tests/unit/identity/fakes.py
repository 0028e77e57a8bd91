from datetime import UTC, datetime, timedelta

from fenxiao.identity.secret import TokenKeys
from fenxiao.wechat.facts import Identity, TextVerdict

KEYS = TokenKeys(signing_key=b"s" * 32, identity_key=b"i" * 32)


class SteppedClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.time = datetime(2026, 3, 1, 4, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    def advance(self, step: timedelta) -> None:
        self.time += step


class FakeMiniProgram:
    """Takes the code for the openid, and for the phone number."""

    def login(self, code: str) -> Identity:
        return Identity(openid=f"openid-{code}", unionid=None)

    def phone_number(self, code: str) -> str:
        return code

    def check_text(self, openid: str, text: str) -> TextVerdict:
        assert openid
        return next(
            (verdict for verdict in (TextVerdict.RISKY, TextVerdict.REVIEW) if verdict in text), TextVerdict.PASS
        )

    def invite_image(self, invite_code: str) -> bytes:
        return b"\x89PNG" + invite_code.encode()
