"""Tokens: what a client carries to prove who it is.

An *access token* is a JWS in compact form (RFC 7515) with HMAC-SHA256, good for half an hour. There is one header only
and it is compared as a whole, so nothing in a token chooses how the token is checked. A *refresh token* is
`<subject>.<session id>.<256 random bits>`, good for one use; the store keeps its SHA-256. A plain hash suffices there:
there is nothing to guess in 256 random bits.
"""

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from msgspec import Struct

from fenxiao.identity.errors import InvalidTokenError
from fenxiao.identity.model import PrincipalKind

ACCESS_LIFE: Final = timedelta(minutes=30)
_HEADER: Final = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').rstrip(b"=").decode()
_MAX_LENGTH: Final = 1024
_REFRESH_PARTS: Final = 3


class Claims(Struct, frozen=True, kw_only=True):
    """What an access token says; times are epoch seconds."""

    subject: str
    kind: PrincipalKind
    roles: tuple[str, ...]
    session_id: str
    issued_at: int
    expires_at: int


class RefreshToken(NamedTuple):
    """A refresh token's parts."""

    subject: str
    session_id: str
    secret: str

    @property
    def text(self) -> str:
        """Return the token as the client carries it."""
        return ".".join(self)

    @property
    def hash(self) -> str:
        """Return what the store keeps of it."""
        return secret_hash(self.secret)


def claims(subject: str, kind: PrincipalKind, roles: tuple[str, ...], session_id: str, now: datetime) -> Claims:
    """Return the claims of an access token issued now."""
    issued_at = int(now.timestamp())
    return Claims(
        subject=subject,
        kind=kind,
        roles=roles,
        session_id=session_id,
        issued_at=issued_at,
        expires_at=issued_at + int(ACCESS_LIFE.total_seconds()),
    )


def sign(what: Claims, signing_key: bytes) -> str:
    """Return the access token that carries the claims."""
    payload = {
        "sub": what.subject,
        "kind": what.kind,
        "roles": list(what.roles),
        "sid": what.session_id,
        "iat": what.issued_at,
        "exp": what.expires_at,
    }
    signed = f"{_HEADER}.{_encode(json.dumps(payload, separators=(',', ':')).encode())}"
    return f"{signed}.{_encode(_mac(signed, signing_key))}"


def verify(token: str, signing_key: bytes, now: datetime) -> Claims:
    """Return the claims of an access token whose signature holds and whose time has not passed.

    Raises:
        InvalidTokenError: anything else.
    """
    signed, _, signature = token.rpartition(".")
    header, _, payload = signed.partition(".")
    if len(token) > _MAX_LENGTH or not token.isascii() or header != _HEADER:
        raise InvalidTokenError
    if not hmac.compare_digest(signature, _encode(_mac(signed, signing_key))):
        raise InvalidTokenError
    found = _claims(payload)
    if now.timestamp() >= found.expires_at:
        raise InvalidTokenError
    return found


def new_refresh_token(subject: str, session_id: str) -> RefreshToken:
    """Return a fresh refresh token of a session."""
    return RefreshToken(subject, session_id, secrets.token_urlsafe(32))


def parse_refresh_token(text: str) -> RefreshToken:
    """Return the parts of a refresh token; says nothing about whether it is any good.

    Raises:
        InvalidTokenError: it does not have the form.
    """
    parts = text.split(".")
    if len(text) > _MAX_LENGTH or not text.isascii() or len(parts) != _REFRESH_PARTS or not all(parts):
        raise InvalidTokenError
    return RefreshToken(*parts)


def new_session_id() -> str:
    """Return a fresh session id: 128 random bits, so that nobody can name, and so revoke, another's session."""
    return secrets.token_urlsafe(16)


def secret_hash(secret: str) -> str:
    """Return the SHA-256 by which a random secret is recognised."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _claims(payload: str) -> Claims:
    """Read a payload whose signature holds, so that it is ours; a fault here means another program holds our key."""
    try:
        raw = json.loads(base64.b64decode(payload + "=" * (-len(payload) % 4), altchars=b"-_", validate=True))
        return Claims(
            subject=raw["sub"],
            kind=PrincipalKind(raw["kind"]),
            roles=tuple(raw["roles"]),
            session_id=raw["sid"],
            issued_at=raw["iat"],
            expires_at=raw["exp"],
        )
    except (binascii.Error, KeyError, TypeError, ValueError) as error:
        raise InvalidTokenError from error


def _mac(signed: str, signing_key: bytes) -> bytes:
    return hmac.digest(signing_key, signed.encode(), hashlib.sha256)


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
