import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from fenxiao.identity.keys import derived_key
from fenxiao.identity.person import tax_person
from fenxiao.identity.phone import masked, phone_lookup, seal, unseal

KEY, OTHER_KEY = b"i" * 32, b"j" * 32
PHONE = "13800138000"


def test_derived_keys_are_those_of_the_standard() -> None:
    hkdf = HKDF(algorithm=SHA256(), length=32, salt=b"fenxiao identity", info=b"purpose")

    assert derived_key(KEY, "purpose") == hkdf.derive(KEY)


def test_a_phone_number_is_read_back_by_its_member_and_key_only() -> None:
    sealed = seal(PHONE, "M1", KEY)

    assert unseal(sealed, "M1", KEY) == PHONE
    assert PHONE.encode() not in sealed
    assert seal(PHONE, "M1", KEY) != sealed
    for changed, member, key in [
        (sealed, "M2", KEY),
        (sealed, "M1", OTHER_KEY),
        (sealed[:-1] + bytes([sealed[-1] ^ 1]), "M1", KEY),
    ]:
        with pytest.raises(InvalidTag):
            unseal(changed, member, key)


def test_lookups_differ_by_key_and_purpose() -> None:
    assert phone_lookup(PHONE, KEY) == phone_lookup(PHONE, KEY)
    assert len({phone_lookup("M1", KEY), phone_lookup("M1", OTHER_KEY), tax_person("M1", KEY)}) == 3
    assert tax_person("M1", KEY) != tax_person("M2", KEY)


@pytest.mark.parametrize(("phone", "shown"), [(PHONE, "138****8000"), ("91234567", "****67")])
def test_a_phone_number_is_shown_masked(phone: str, shown: str) -> None:
    assert masked(phone) == shown
