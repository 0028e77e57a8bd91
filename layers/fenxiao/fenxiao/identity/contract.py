"""HTTP contracts of signing in and of one's own account, and the form of the token secret."""

from datetime import datetime
from typing import Annotated

import msgspec

from fenxiao.http.api import Role
from fenxiao.relation.model import Standing, Tier

type _Code = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
type Nickname = Annotated[str, msgspec.Meta(min_length=1, max_length=32, pattern=r"^\S([^\x00-\x1f\x7f]*\S)?$(?!\n)")]
"""No space at the ends and no control characters; `(?!\\n)` because `$` alone also matches before a last newline."""


class LogIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The code that `wx.login` gave the mini-program."""

    code: _Code


class LoggedIn(msgspec.Struct, frozen=True):
    """A customer's session."""

    member_id: str
    access_token: str
    access_expires_in_seconds: int
    refresh_token: str


class RefreshSession(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A refresh token, which this use spends."""

    refresh_token: Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]


class Refreshed(msgspec.Struct, frozen=True):
    """The tokens that replace those spent."""

    access_token: str
    access_expires_in_seconds: int
    refresh_token: str


class StaffSignIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A staff member and the key that was handed out once."""

    staff_id: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    sign_in_key: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]


class StaffSignedIn(msgspec.Struct, frozen=True):
    """A staff member's session."""

    staff_id: str
    name: str
    roles: list[str]
    access_token: str
    access_expires_in_seconds: int
    refresh_token: str


class MeView(msgspec.Struct, frozen=True):
    """One's own account; of the phone number only what identifies it to its owner."""

    member_id: str
    nickname: str
    phone: str | None
    standing: Standing
    tier: Tier
    joined_at: datetime


class Rename(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new nickname."""

    nickname: Nickname


class SetPhone(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The code that the mini-program's `getPhoneNumber` button gave."""

    code: _Code


class CreateStaff(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="action", tag="create"):
    """Order to the staff administration, which is invoked directly."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    roles: Annotated[list[Role], msgspec.Meta(min_length=1, max_length=len(Role))]
    member_id: str | None = None
    """The staff member's own customer account, so that they cannot decide on their own withdrawals (M27)."""


class StaffCreated(msgspec.Struct, frozen=True):
    """The key is shown here and never again."""

    staff_id: str
    sign_in_key: str
