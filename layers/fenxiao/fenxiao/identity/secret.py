"""The token secret."""

from typing import Annotated

import msgspec

type _Key = Annotated[bytes, msgspec.Meta(min_length=32)]


class TokenKeys(msgspec.Struct, frozen=True):
    """Keys of at least 256 bits, base 64 in the secret's JSON."""

    signing_key: _Key
    """Signs access tokens."""
    identity_key: _Key
    """Everything personal is sealed or looked up under keys derived from it."""
