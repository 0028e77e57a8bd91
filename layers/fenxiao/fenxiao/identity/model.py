"""Who acts: kinds of principals, sessions, staff."""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct


class PrincipalKind(StrEnum):
    """Customers sign in through WeChat, staff by a key."""

    MEMBER = "member"
    STAFF = "staff"


class Session(Struct, frozen=True, kw_only=True):
    """A sign-in on one device; its refresh token is replaced with every use."""

    subject: str
    session_id: str
    refresh_hash: str
    created_at: datetime
    expires_at: datetime


class Staff(Struct, frozen=True, kw_only=True):
    """A person of the merchant's."""

    staff_id: str
    name: str
    roles: tuple[str, ...]
    key_hash: str
    person: str | None
    """The same keyed HMAC as the tax person's, if the person is a member too: nobody decides on their own (M27)."""
    failed_attempts: int = 0
    last_failed_at: datetime | None = None


class PhoneRecord(Struct, frozen=True, kw_only=True):
    """A member's phone number, sealed, and the key under which it is found; neither until one is given."""

    sealed: bytes | None = None
    lookup: str | None = None
