"""The person whom tax law and separation of duties mean, under a name that says nothing about them."""

from fenxiao.identity.keys import keyed_lookup


def tax_person(member_id: str, identity_key: bytes) -> str:
    """Return the tax person of a member: a keyed HMAC, of the member's id until the real name is known (M26)."""
    return keyed_lookup(identity_key, "tax-person", member_id)
