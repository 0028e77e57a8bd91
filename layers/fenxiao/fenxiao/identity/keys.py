"""Keys for single purposes, derived from one secret, so that no key serves two of them."""

import hashlib
import hmac
from typing import Final

_SALT: Final = b"fenxiao identity"
KEY_BYTES: Final = 32


def derived_key(master: bytes, purpose: str) -> bytes:
    """Return the 256-bit key of a purpose: HKDF-SHA256 (RFC 5869), whose first output block is all that is needed."""
    pseudo_random_key = hmac.digest(_SALT, master, hashlib.sha256)
    return hmac.digest(pseudo_random_key, purpose.encode() + b"\x01", hashlib.sha256)


def keyed_lookup(master: bytes, purpose: str, text: str) -> str:
    """Return the keyed HMAC by which a personal datum is found without being stored in clear."""
    return hmac.digest(derived_key(master, purpose), text.encode(), hashlib.sha256).hex()
