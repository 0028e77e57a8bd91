from datetime import timedelta

import pytest

from fenxiao.aws.dynamodb import Transaction
from fenxiao.errors import NotFoundError
from fenxiao.identity.account import log_in, set_phone
from fenxiao.identity.contract import LoggedIn
from fenxiao.identity.errors import InvalidTokenError, PhoneTakenError
from fenxiao.identity.model import PrincipalKind
from fenxiao.identity.sessions import refresh_session
from fenxiao.identity.store import (
    MAX_SESSIONS,
    AccountStore,
    MemberSessionItem,
    OpenidItem,
    SessionStore,
    StaffSessionItem,
    StaffStore,
)
from fenxiao.relation.model import Member
from fenxiao.relation.store import MemberStore, put_member
from fenxiao.wechat.facts import Identity
from tests.unit.identity.fakes import KEYS, FakeMiniProgram, SteppedClock

pytestmark = pytest.mark.usefixtures("tables")

SESSIONS = {
    PrincipalKind.MEMBER: SessionStore(MemberSessionItem),
    PrincipalKind.STAFF: SessionStore(StaffSessionItem),
}
ACCOUNTS = AccountStore()


def sign_in(clock: SteppedClock, name: str = "amy", accounts: AccountStore = ACCOUNTS) -> LoggedIn:
    return log_in(name, FakeMiniProgram(), accounts, SESSIONS, KEYS, clock, clock)


def refresh(text: str, clock: SteppedClock) -> str:
    return refresh_session(text, SESSIONS, StaffStore(), KEYS.signing_key, clock.now()).refresh_token


def session_count(member_id: str) -> int:
    return MemberSessionItem.count(member_id, MemberSessionItem.sk.startswith("session#"))


class LaggingAccounts(AccountStore):
    """Does not see what somebody else writes between its look and its creation of a member."""

    def __init__(self, meanwhile: SteppedClock) -> None:
        self._meanwhile: SteppedClock | None = meanwhile

    def member_id_of(self, openid: str) -> str | None:
        clock, self._meanwhile = self._meanwhile, None
        if clock is None:
            return super().member_id_of(openid)
        sign_in(clock)
        return None


def test_the_first_sign_in_makes_a_member_and_later_ones_find_it(clock: SteppedClock) -> None:
    first = sign_in(clock)
    clock.advance(timedelta(days=1))
    again = sign_in(clock)

    member = MemberStore().get(first.member_id)
    assert again.member_id == first.member_id
    assert again.access_token != first.access_token
    assert member == Member(member_id=first.member_id, openid="openid-amy", joined_at=clock.now() - timedelta(days=1))


def test_two_first_sign_ins_at_once_make_one_member(clock: SteppedClock) -> None:
    late = sign_in(clock, accounts=LaggingAccounts(clock))

    assert late.member_id == sign_in(clock).member_id
    assert sum(1 for item in OpenidItem.scan() if item.pk.startswith("M") and item.sk == "member") == 1


def test_the_union_id_is_kept_for_the_other_apps_of_the_same_merchant(clock: SteppedClock) -> None:
    member = Member(member_id="M1", openid="o1", joined_at=clock.now())

    assert ACCOUNTS.create(member, Identity(openid="o1", unionid="u1"))
    assert OpenidItem.get("openid#o1", "openid").unionid == "u1"


def test_a_refresh_token_works_once_and_its_reuse_ends_the_session(clock: SteppedClock) -> None:
    first = sign_in(clock).refresh_token
    second = refresh(first, clock)
    third = refresh(second, clock)

    with pytest.raises(InvalidTokenError):
        refresh(first, clock)
    with pytest.raises(InvalidTokenError):
        refresh(third, clock)


def test_the_reuse_on_one_device_leaves_the_others_alone(clock: SteppedClock) -> None:
    stolen, other = sign_in(clock).refresh_token, sign_in(clock).refresh_token
    refresh(stolen, clock)
    with pytest.raises(InvalidTokenError):
        refresh(stolen, clock)

    refresh(other, clock)


def test_a_session_lasts_thirty_days_from_its_last_use(clock: SteppedClock) -> None:
    token = sign_in(clock).refresh_token
    clock.advance(timedelta(days=30) - timedelta(seconds=1))
    token = refresh(token, clock)
    clock.advance(timedelta(days=30))

    with pytest.raises(InvalidTokenError):
        refresh(token, clock)


@pytest.mark.parametrize("subject", ["T01HZZZZZZZZZZZZZZZZZZZZZZZ", "somebody", "S01HZZZZZZZZZZZZZZZZZZZZZZZ"])
def test_a_refresh_token_of_nobody_is_refused(subject: str, clock: SteppedClock) -> None:
    with pytest.raises(InvalidTokenError):
        refresh(f"{subject}.session.secret", clock)


def test_a_further_sign_in_than_allowed_ends_the_oldest(clock: SteppedClock) -> None:
    tokens = []
    for _ in range(MAX_SESSIONS + 1):
        tokens.append(sign_in(clock))
        clock.advance(timedelta(seconds=1))

    assert session_count(tokens[0].member_id) == MAX_SESSIONS
    refresh(tokens[1].refresh_token, clock)
    with pytest.raises(InvalidTokenError):
        refresh(tokens[0].refresh_token, clock)


def test_signing_out_everywhere_ends_every_session(clock: SteppedClock) -> None:
    one, other = sign_in(clock), sign_in(clock)
    SESSIONS[PrincipalKind.MEMBER].end_all(one.member_id)

    for signed_in in (one, other):
        with pytest.raises(InvalidTokenError):
            refresh(signed_in.refresh_token, clock)


def test_a_phone_number_has_one_member_at_a_time(clock: SteppedClock) -> None:
    amy, ben = sign_in(clock, "amy").member_id, sign_in(clock, "ben").member_id
    set_phone(amy, "13800138000", FakeMiniProgram(), ACCOUNTS, KEYS)
    set_phone(amy, "13800138000", FakeMiniProgram(), ACCOUNTS, KEYS)
    before = ACCOUNTS.phone(ben)
    with pytest.raises(PhoneTakenError):
        set_phone(ben, "13800138000", FakeMiniProgram(), ACCOUNTS, KEYS)
    assert ACCOUNTS.phone(ben) == before

    set_phone(amy, "13900139000", FakeMiniProgram(), ACCOUNTS, KEYS)
    set_phone(ben, "13800138000", FakeMiniProgram(), ACCOUNTS, KEYS)
    set_phone(amy, "13700137000", FakeMiniProgram(), ACCOUNTS, KEYS)
    with pytest.raises(PhoneTakenError):
        set_phone(ben, "13700137000", FakeMiniProgram(), ACCOUNTS, KEYS)


def test_a_phone_number_is_not_stored_in_clear(clock: SteppedClock) -> None:
    set_phone(sign_in(clock).member_id, "13800138000", FakeMiniProgram(), ACCOUNTS, KEYS)

    assert "13800138000" not in repr([item.attribute_values for item in MemberSessionItem.scan()])
    assert "138001380" not in repr(_raw_table())


def test_nobody_has_a_profile_without_being_a_member() -> None:
    with pytest.raises(NotFoundError):
        ACCOUNTS.rename("M1", "amy")
    with pytest.raises(NotFoundError):
        set_phone("M1", "13800138000", FakeMiniProgram(), ACCOUNTS, KEYS)
    assert MemberStore().get("M1") is None


def test_the_birth_of_a_member_fails_where_one_stands(clock: SteppedClock) -> None:
    born = Transaction()
    put_member(born, Member(member_id="M1", openid="o1", joined_at=clock.now()))
    born.commit()

    assert not ACCOUNTS.create(
        Member(member_id="M1", openid="o2", joined_at=clock.now()), Identity(openid="o2", unionid=None)
    )
    assert ACCOUNTS.member_id_of("o2") is None


def _raw_table() -> object:
    from fenxiao.aws.clients import client

    return client("dynamodb").scan(TableName="MEMBER_TABLE")["Items"]
