"""Accounts, sessions and staff on each engine."""

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from msgspec.structs import replace

from fenxiao.errors import BusyError, NotFoundError
from fenxiao.identity.errors import PhoneTakenError
from fenxiao.identity.model import PhoneRecord, Session, Staff
from fenxiao.identity.store import (
    MAX_SESSIONS,
    AccountStore,
    MemberSessionItem,
    SessionStore,
    StaffSessionItem,
    StaffStore,
)
from fenxiao.relation.model import Member
from fenxiao.relation.store import MemberStore
from fenxiao.wechat.facts import Identity
from tests.support.engines import Engine

NOW = datetime(2026, 3, 1, 4, 0, tzinfo=UTC)


@pytest.fixture
def accounts(engine: Engine) -> AccountStore:
    return AccountStore()


def join(accounts: AccountStore, member_id: str, openid: str) -> bool:
    member = Member(member_id=member_id, openid=openid, joined_at=NOW)
    return accounts.create(member, Identity(openid=openid, unionid=None))


def session(session_id: str, created_at: datetime = NOW) -> Session:
    return Session(
        subject="MA",
        session_id=session_id,
        refresh_hash=f"hash-{session_id}",
        created_at=created_at,
        expires_at=created_at + timedelta(days=30),
    )


def test_person_who_signs_in_twice_at_once_becomes_one_member(engine: Engine, accounts: AccountStore) -> None:
    answers = engine.at_once(*(partial(join, accounts, f"M{number}", "openid-1") for number in range(4)))
    assert sorted(answers) == [False, False, False, True]
    winner = f"M{answers.index(True)}"
    assert accounts.member_id_of("openid-1") == winner
    assert MemberStore().get_many(f"M{number}" for number in range(4)).keys() == {winner}
    assert accounts.member_id_of("openid-2") is None


def test_nickname_is_the_members_own(accounts: AccountStore) -> None:
    join(accounts, "MA", "openid-a")
    accounts.rename("MA", "小龙井")
    member = MemberStore().get("MA")
    assert member is not None
    assert (member.nickname, member.openid) == ("小龙井", "openid-a")
    with pytest.raises(NotFoundError):
        accounts.rename("MB", "无此人")


def test_phone_number_leads_to_one_member(accounts: AccountStore) -> None:
    join(accounts, "MA", "openid-a")
    join(accounts, "MB", "openid-b")
    unknown = accounts.phone("MA")
    accounts.replace_phone("MA", unknown, b"\x00sealed", "lookup-1")
    assert accounts.phone("MA") == PhoneRecord(sealed=b"\x00sealed", lookup="lookup-1")

    with pytest.raises(PhoneTakenError):
        accounts.replace_phone("MB", accounts.phone("MB"), b"other", "lookup-1")
    with pytest.raises(BusyError):
        accounts.replace_phone("MA", unknown, b"other", "lookup-2")
    accounts.replace_phone("MA", accounts.phone("MA"), b"other", "lookup-2")
    accounts.replace_phone("MB", accounts.phone("MB"), b"mine", "lookup-1")
    assert (accounts.phone("MA").lookup, accounts.phone("MB").lookup) == ("lookup-2", "lookup-1")


@pytest.mark.parametrize("model", [MemberSessionItem, StaffSessionItem])
def test_refresh_token_is_spent_once(engine: Engine, model: type[MemberSessionItem | StaffSessionItem]) -> None:
    sessions = SessionStore(model)
    sessions.create(session("s1"))
    until = NOW + timedelta(days=31)
    rotations = [partial(sessions.rotate, session("s1"), f"next-{number}", until) for number in range(4)]
    answers = engine.at_once(*rotations)
    assert sorted(answers) == [False, False, False, True]
    kept = sessions.get("MA", "s1", NOW)
    assert kept == replace(session("s1"), refresh_hash=f"next-{answers.index(True)}", expires_at=until)
    assert sessions.get("MA", "s1", until) is None


def test_oldest_session_makes_room_and_all_can_be_ended(engine: Engine) -> None:
    sessions = SessionStore(MemberSessionItem)
    for number in range(MAX_SESSIONS + 1):
        sessions.create(session(f"s{number}", NOW + timedelta(minutes=number)))
    alive = [number for number in range(MAX_SESSIONS + 1) if sessions.get("MA", f"s{number}", NOW)]
    assert alive == list(range(1, MAX_SESSIONS + 1))
    sessions.end("MA", "s1")
    sessions.end("MA", "s1")
    assert sessions.get("MA", "s1", NOW) is None
    sessions.end_all("MA")
    assert sessions.get("MA", "s5", NOW) is None


def test_wrong_keys_of_staff_are_counted(engine: Engine) -> None:
    staff = StaffStore()
    member = Staff(staff_id="S1", name="财务", roles=("finance",), key_hash="hash", person=None)
    staff.create(member)
    engine.at_once(*[partial(staff.note_failure, "S1", NOW)] * 3)
    assert staff.get("S1") == replace(member, failed_attempts=3, last_failed_at=NOW)
    staff.forget_failures("S1")
    assert staff.get("S1") == replace(member, failed_attempts=0, last_failed_at=NOW)
    assert staff.get("S2") is None
