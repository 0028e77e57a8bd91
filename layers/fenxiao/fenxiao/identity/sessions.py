"""Sessions: opened by a sign-in, prolonged by refresh tokens of one use each, ended by signing out.

Token life times run on the wall clock, not on business time: they guard against real thieves.
"""

import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from fenxiao.identity import tokens
from fenxiao.identity.errors import InvalidTokenError
from fenxiao.identity.model import PrincipalKind, Session
from fenxiao.identity.store import SessionStore, StaffStore
from fenxiao.ids import Kind, is_id
from fenxiao.observability import count

_LIFE: Final = {PrincipalKind.MEMBER: timedelta(days=30), PrincipalKind.STAFF: timedelta(hours=12)}
"""How long a session lasts without being used."""

type SessionStores = Mapping[PrincipalKind, SessionStore]


class IssuedTokens(Struct, frozen=True):
    """What a client is given."""

    access_token: str
    access_expires_in_seconds: int
    refresh_token: str


def open_session(
    subject: str,
    kind: PrincipalKind,
    roles: tuple[str, ...],
    stores: SessionStores,
    signing_key: bytes,
    now: datetime,
) -> IssuedTokens:
    """Open a session of somebody who has just proved who they are."""
    refresh = tokens.new_refresh_token(subject, tokens.new_session_id())
    stores[kind].create(
        Session(
            subject=subject,
            session_id=refresh.session_id,
            refresh_hash=refresh.hash,
            created_at=now,
            expires_at=now + _LIFE[kind],
        )
    )
    return _issued(refresh, kind, roles, signing_key, now)


def refresh_session(
    text: str, stores: SessionStores, staff: StaffStore, signing_key: bytes, now: datetime
) -> IssuedTokens:
    """Spend a refresh token for new tokens of the same session.

    A token that was spent before has been copied: by whom cannot be told, so the session ends for everybody.

    Raises:
        InvalidTokenError: forged, spent, expired or signed out.
    """
    presented = tokens.parse_refresh_token(text)
    kind = _kind_of(presented.subject)
    session = stores[kind].get(presented.subject, presented.session_id, now)
    if session is None:
        raise InvalidTokenError
    following = tokens.new_refresh_token(presented.subject, presented.session_id)
    spent = not hmac.compare_digest(session.refresh_hash, presented.hash)
    if spent or not stores[kind].rotate(session, following.hash, now + _LIFE[kind]):
        stores[kind].end(presented.subject, presented.session_id)
        count("RefreshTokenReused")
        raise InvalidTokenError
    return _issued(following, kind, _roles_of(presented.subject, kind, staff), signing_key, now)


def _issued(
    refresh: tokens.RefreshToken, kind: PrincipalKind, roles: tuple[str, ...], signing_key: bytes, now: datetime
) -> IssuedTokens:
    access = tokens.sign(tokens.claims(refresh.subject, kind, roles, refresh.session_id, now), signing_key)
    return IssuedTokens(access, int(tokens.ACCESS_LIFE.total_seconds()), refresh.text)


def _kind_of(subject: str) -> PrincipalKind:
    if is_id(Kind.MEMBER, subject):
        return PrincipalKind.MEMBER
    if is_id(Kind.STAFF, subject):
        return PrincipalKind.STAFF
    raise InvalidTokenError


def _roles_of(subject: str, kind: PrincipalKind, staff: StaffStore) -> tuple[str, ...]:
    """Return the roles as they are now, not as they were at the sign-in."""
    if kind is PrincipalKind.MEMBER:
        return ()
    found = staff.get(subject)
    if found is None:
        raise InvalidTokenError
    return found.roles
