"""Short-lived credentials, which live in wall time: access tokens, and the nonces of signed requests."""

import secrets
from datetime import datetime, timedelta

from .clock import VirtualClock

TOKEN_SECONDS = 7200
_OVERLAP_SECONDS = 300
_MAX_TOKENS = 1000
_NONCE_SECONDS = 600
_MAX_NONCES = 200_000


class AccessTokens:
    """Access tokens of both kinds.

    In normal mode a stable token is shared and stays valid for all its holders; a forced refresh ends the earlier
    stable one at once. Tokens of /cgi-bin/token are a world of their own: a new one leaves the old five minutes.
    """

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._expiry: dict[str, datetime] = {}
        self._stable = ""
        self._plain = ""

    def stable(self, *, force_refresh: bool) -> tuple[str, int]:
        """Return the stable token and the seconds it has left."""
        left_seconds = self._left_seconds(self._stable)
        if not force_refresh and left_seconds > _OVERLAP_SECONDS:
            return self._stable, left_seconds
        if force_refresh and self._stable:
            self._expiry[self._stable] = self._clock.wall()
        self._stable = self._issue()
        return self._stable, TOKEN_SECONDS

    def plain(self) -> tuple[str, int]:
        """Return a new token of /cgi-bin/token and its seconds."""
        if self._left_seconds(self._plain) > _OVERLAP_SECONDS:
            self._expiry[self._plain] = self._clock.wall() + timedelta(seconds=_OVERLAP_SECONDS)
        self._plain = self._issue()
        return self._plain, TOKEN_SECONDS

    def known(self, token: str) -> bool:
        """Say whether the token was ever issued (and is still remembered)."""
        return token in self._expiry

    def valid(self, token: str) -> bool:
        """Say whether the token can be used now."""
        return self._left_seconds(token) > 0

    def _left_seconds(self, token: str) -> int:
        expires_at = self._expiry.get(token)
        return int((expires_at - self._clock.wall()).total_seconds()) if expires_at else 0

    def _issue(self) -> str:
        token = secrets.token_urlsafe(102)
        self._expiry[token] = self._clock.wall() + timedelta(seconds=TOKEN_SECONDS)
        if len(self._expiry) > _MAX_TOKENS:
            del self._expiry[next(iter(self._expiry))]
        return token


class SeenNonces:
    """The nonces of requests that were accepted, for as long as their timestamps would still be."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._seen: dict[str, datetime] = {}

    def first_time(self, nonce: str) -> bool:
        """Remember the nonce and say whether it is new."""
        now = self._clock.wall()
        while self._seen:
            oldest = next(iter(self._seen))
            if len(self._seen) < _MAX_NONCES and now - self._seen[oldest] < timedelta(seconds=_NONCE_SECONDS):
                break
            del self._seen[oldest]
        if nonce in self._seen:
            return False
        self._seen[nonce] = now
        return True
