"""Phone numbers: sealed with AES-256-GCM under a derived key, found by a keyed HMAC, shown masked."""

import secrets
from typing import Final

from fenxiao.identity.keys import derived_key, keyed_lookup

_NONCE_BYTES: Final = 12
_PURPOSE: Final = "phone-encryption"


def seal(phone: str, member_id: str, identity_key: bytes) -> bytes:
    """Return nonce and ciphertext; bound to the member, so that it cannot be moved to another's record."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + AESGCM(derived_key(identity_key, _PURPOSE)).encrypt(nonce, phone.encode(), member_id.encode())


def unseal(sealed: bytes, member_id: str, identity_key: bytes) -> str:
    """Return the phone number.

    Raises:
        cryptography.exceptions.InvalidTag: it was changed, belongs to another member or was sealed by another key.
    """
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce, ciphertext = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
    return AESGCM(derived_key(identity_key, _PURPOSE)).decrypt(nonce, ciphertext, member_id.encode()).decode()


def phone_lookup(phone: str, identity_key: bytes) -> str:
    """Return the key under which the owner of a phone number is found."""
    return keyed_lookup(identity_key, "phone-lookup", phone)


def masked(phone: str) -> str:
    """Return the number as it may be shown: `138****8000`; a short one keeps two digits only."""
    return f"{phone[:3]}****{phone[-4:]}" if len(phone) >= len("13800138000") else f"****{phone[-2:]}"
