import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fenxiao.identity import tokens
from fenxiao.identity.errors import InvalidTokenError
from fenxiao.identity.model import PrincipalKind

KEY = b"k" * 32
NOW = datetime(2026, 3, 1, tzinfo=UTC)
CLAIMS = tokens.claims("M1", PrincipalKind.MEMBER, (), "session", NOW)
TOKEN = tokens.sign(CLAIMS, KEY)


def encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def signed(header: object, payload: object, key: bytes = KEY) -> str:
    text = f"{encoded(header)}.{encoded(payload)}"
    mac = hmac.digest(key, text.encode(), hashlib.sha256)
    return f"{text}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def test_a_token_says_who_signed_in() -> None:
    staff = tokens.claims("S1", PrincipalKind.STAFF, ("finance", "operations"), "session", NOW)

    assert tokens.verify(TOKEN, KEY, NOW) == CLAIMS
    assert tokens.verify(tokens.sign(staff, KEY), KEY, NOW) == staff


def test_a_token_lives_half_an_hour() -> None:
    assert tokens.verify(TOKEN, KEY, NOW + timedelta(minutes=30) - timedelta(seconds=1)) == CLAIMS
    with pytest.raises(InvalidTokenError):
        tokens.verify(TOKEN, KEY, NOW + timedelta(minutes=30))


@given(position=st.integers(0, len(TOKEN) - 1), letter=st.sampled_from("Aa0-_.="))
def test_a_token_with_any_other_letter_is_refused(position: int, letter: str) -> None:
    changed = TOKEN[:position] + letter + TOKEN[position + 1 :]
    if changed != TOKEN:
        with pytest.raises(InvalidTokenError):
            tokens.verify(changed, KEY, NOW)


@pytest.mark.parametrize("alg", ["none", "None", "HS384", "RS256"])
def test_a_token_does_not_choose_how_it_is_checked(alg: str) -> None:
    payload = {"sub": "M1", "kind": "member", "roles": [], "sid": "s", "iat": 0, "exp": 2**40}
    forged = signed({"alg": alg, "typ": "JWT"}, payload)

    for token in (forged, forged.rpartition(".")[0] + ".", forged.rpartition(".")[0]):
        with pytest.raises(InvalidTokenError):
            tokens.verify(token, KEY, NOW)


@pytest.mark.parametrize(
    "token",
    ["", ".", "..", "...", "x", "中文.中文.中文", TOKEN + "x", TOKEN + ".", "." + TOKEN, TOKEN * 20, TOKEN[:-1]],
)
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(InvalidTokenError):
        tokens.verify(token, KEY, NOW)


def test_a_token_under_another_key_is_refused() -> None:
    with pytest.raises(InvalidTokenError):
        tokens.verify(tokens.sign(CLAIMS, b"o" * 32), KEY, NOW)


@pytest.mark.parametrize(
    "payload", [[], 1, {}, {"sub": "M1", "kind": "owner", "roles": [], "sid": "", "exp": 0, "iat": 0}]
)
def test_a_signed_payload_of_another_form_is_refused(payload: object) -> None:
    with pytest.raises(InvalidTokenError):
        tokens.verify(signed({"alg": "HS256", "typ": "JWT"}, payload), KEY, NOW)


def test_a_refresh_token_is_random_and_only_its_hash_is_kept() -> None:
    one, other = (tokens.new_refresh_token("M1", "session") for _ in range(2))

    assert one.secret != other.secret
    assert len(one.secret) >= 43  # 256 bits in base 64
    assert one.hash == hashlib.sha256(one.secret.encode()).hexdigest()
    assert tokens.parse_refresh_token(one.text) == one


@pytest.mark.parametrize("text", ["", "a", "a.b", "a.b.", ".b.c", "a.b.c.d", "中.b.c", "a.b." + "c" * 2000])
def test_what_is_no_refresh_token_is_refused(text: str) -> None:
    with pytest.raises(InvalidTokenError):
        tokens.parse_refresh_token(text)
