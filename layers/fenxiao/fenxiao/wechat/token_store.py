"""The mini-program's access token, shared by all processes (`TOKEN_TABLE`, `wechat#<appid>` / `token`).

`stable_token` gives every asker the same token until five minutes before its end, and old and new hold side by side in
those minutes. So there is no hurry: near the end one process claims the renewal and the others go on with what they
have; only a token that is missing or about to end is fetched by whoever needs it.

The class has the methods of `wechatpy.session.SessionStorage`. Times are wall time: tokens follow no test clock.
"""

import time
from collections.abc import Callable
from typing import Final

from msgspec import Struct
from pynamodb.attributes import UnicodeAttribute
from pynamodb.exceptions import PutError, UpdateError
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from fenxiao.aws.dynamodb import IntegerAttribute, Item, condition_failed, table

_RENEW_BEFORE_SECONDS: Final = 240
"""Within WeChat's five minutes, so that an asker gets a new token and not the old one again."""
_UNUSABLE_BEFORE_SECONDS: Final = 30
_CLAIM_SECONDS: Final = 10
"""Longer than a fetch may take; a claimer that died is followed by another."""
_SK: Final = "token"


class TokenItem(Item):
    """The token; times in epoch seconds of the wall clock."""

    Meta = table("TOKEN_TABLE")

    access_token = UnicodeAttribute()
    ttl = IntegerAttribute()
    """When the token ends, and the item with it; 0 once WeChat has refused it."""
    claimed_until = IntegerAttribute(default=0)
    """Until then somebody is renewing it."""


class _Token(Struct, frozen=True):
    text: str
    ends_at: int
    claimed_until: int


class TokenStore:
    """The shared token, with a copy in this process for as long as it need not be renewed."""

    def __init__(self, appid: str, wall: Callable[[], float] = time.time) -> None:
        """Take whose token it is, and the wall time in epoch seconds."""
        self._pk = f"wechat#{appid}"
        self._wall = wall
        self._held: _Token | None = None

    def get(self, key: str, default: str | None = None) -> str | None:  # noqa: ARG002 - there is one token only
        """Return the token, or `default` for who is to fetch a new one now."""
        now = int(self._wall())
        token = self._held
        if token is None or token.ends_at - now <= _RENEW_BEFORE_SECONDS:
            self._held = token = self._read()
        if token is None or token.ends_at - now <= _UNUSABLE_BEFORE_SECONDS:
            return default
        if token.ends_at - now <= _RENEW_BEFORE_SECONDS and token.claimed_until <= now and self._claim(token, now):
            return default
        return token.text

    def set(self, key: str, value: str, ttl: int) -> None:  # noqa: ARG002 - there is one token only
        """Keep a token that is good for `ttl` seconds, unless one that lasts longer is there already."""
        ends_at = int(self._wall()) + ttl
        self._held = _Token(value, ends_at, claimed_until=0)
        item = TokenItem(pk=self._pk, sk=_SK, access_token=value, ttl=ends_at)
        try:
            item.save(TokenItem.pk.does_not_exist() | (TokenItem.ttl <= ends_at))
        except PutError as error:
            if not condition_failed(error):
                raise

    def delete(self, key: str) -> None:  # noqa: ARG002 - there is one token only
        """Forget the token that this process holds, because WeChat refused it; a newer one in the table stays."""
        token, self._held = self._held, None
        if token is not None:
            self._update(TokenItem.ttl.set(0), TokenItem.access_token == token.text)

    def _read(self) -> _Token | None:
        try:
            item = TokenItem.get(self._pk, _SK, consistent_read=True)
        except TokenItem.DoesNotExist:
            return None
        return _Token(item.access_token, item.ttl, item.claimed_until)

    def _claim(self, token: _Token, now: int) -> bool:
        unclaimed = (TokenItem.access_token == token.text) & (TokenItem.claimed_until == token.claimed_until)
        return self._update(TokenItem.claimed_until.set(now + _CLAIM_SECONDS), unclaimed)

    def _update(self, action: Action, condition: Condition) -> bool:
        """Change the item and tell whether the condition allowed it."""
        try:
            TokenItem(pk=self._pk, sk=_SK).update([action], condition)
        except UpdateError as error:
            if not condition_failed(error):
                raise
            return False
        return True
