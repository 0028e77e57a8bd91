"""Identifiers: 27 characters, a letter for the kind and 26 of Crockford's base 32 (upper case, no I, L, O, U).

They are alphanumeric and under 32 characters, so an order's id is its `out_trade_no` at WeChat and a withdrawal's its
`out_bill_no`; no second number has to be stored before a call.
"""

import hashlib
import secrets
from datetime import datetime
from enum import StrEnum

from fenxiao.clock import to_millis

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LENGTH = 26


class Kind(StrEnum):
    """First letter of an identifier."""

    CASE = "C"
    DRAFT = "U"
    MEMBER = "M"
    ORDER = "T"
    PRODUCT = "P"
    REFUND = "R"
    SIMULATION = "V"
    STAFF = "S"
    WITHDRAWAL = "W"


def new_id(kind: Kind, now: datetime) -> str:
    """Return a fresh identifier that sorts by creation time: 48 bits of milliseconds, then 80 random bits."""
    return kind + _encode(to_millis(now) << 80 | secrets.randbits(80))


def derived_id(kind: Kind, *parts: str) -> str:
    """Return the identifier that these parts always give.

    A request that carries an idempotency key creates the thing under an identifier derived from (who, key): putting it
    with `attribute_not_exists` then is the guard against a second one, with no extra item to write or to expire.
    """
    digest = hashlib.sha256("\x1f".join((kind, *parts)).encode()).digest()
    return kind + _encode(int.from_bytes(digest[:16], "big"))


def is_id(kind: Kind, text: str) -> bool:
    """Tell whether the text has the form of an identifier of this kind; says nothing about existence."""
    return len(text) == _LENGTH + 1 and text[0] == kind and all(char in _ALPHABET for char in text[1:])


def _encode(value: int) -> str:
    return "".join(_ALPHABET[value >> 5 * i & 31] for i in reversed(range(_LENGTH)))
