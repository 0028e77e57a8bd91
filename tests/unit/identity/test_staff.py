from datetime import timedelta

import msgspec
import pytest

from fenxiao.aws.clients import client
from fenxiao.aws.dynamodb import Transaction
from fenxiao.errors import NotFoundError
from fenxiao.http.api import Role
from fenxiao.identity.contract import CreateStaff, StaffCreated, StaffSignedIn
from fenxiao.identity.errors import InvalidTokenError, SignInFailedError, TooManyAttemptsError
from fenxiao.identity.model import PrincipalKind
from fenxiao.identity.person import tax_person
from fenxiao.identity.sessions import refresh_session
from fenxiao.identity.staff import LOCK_TIME, MAX_FAILURES, create_staff, sign_in_staff
from fenxiao.identity.store import MemberSessionItem, SessionStore, StaffSessionItem, StaffStore
from fenxiao.relation.model import Member
from fenxiao.relation.store import MemberStore, put_member
from functions.staff_admin.app import lambda_handler
from tests.support.http import CONTEXT
from tests.unit.identity.fakes import KEYS, SteppedClock

pytestmark = pytest.mark.usefixtures("tables")

STAFF = StaffStore()
SESSIONS = {
    PrincipalKind.MEMBER: SessionStore(MemberSessionItem),
    PrincipalKind.STAFF: SessionStore(StaffSessionItem),
}


def hired(clock: SteppedClock, *roles: Role, member_id: str | None = None) -> StaffCreated:
    order = CreateStaff(name="财务小林", roles=list(roles or [Role.FINANCE]), member_id=member_id)
    return create_staff(order, STAFF, MemberStore(), KEYS, clock)


def sign_in(staff_id: str, key: str, clock: SteppedClock) -> StaffSignedIn:
    return sign_in_staff(staff_id, key, STAFF, SESSIONS, KEYS, clock)


def fail(staff_id: str, clock: SteppedClock) -> None:
    with pytest.raises(SignInFailedError):
        sign_in(staff_id, "wrong", clock)


def test_staff_sign_in_with_the_key_that_was_shown_once(clock: SteppedClock) -> None:
    created = hired(clock, Role.OPERATIONS, Role.FINANCE, Role.FINANCE)
    signed_in = sign_in(created.staff_id, created.sign_in_key, clock)

    assert signed_in.roles == ["finance", "operations"]
    items = client("dynamodb").scan(TableName="STAFF_TABLE")["Items"]
    assert created.sign_in_key not in repr(items)


def test_an_unknown_person_and_a_wrong_key_look_the_same(clock: SteppedClock) -> None:
    created = hired(clock)

    fail(created.staff_id, clock)
    fail("S01HZZZZZZZZZZZZZZZZZZZZZZZ", clock)


def test_wrong_keys_in_a_row_lock_the_account_for_a_time(clock: SteppedClock) -> None:
    created = hired(clock)
    for _ in range(MAX_FAILURES):
        fail(created.staff_id, clock)
    with pytest.raises(TooManyAttemptsError):
        sign_in(created.staff_id, created.sign_in_key, clock)

    clock.advance(LOCK_TIME)
    fail(created.staff_id, clock)
    with pytest.raises(TooManyAttemptsError):
        sign_in(created.staff_id, created.sign_in_key, clock)

    clock.advance(LOCK_TIME)
    sign_in(created.staff_id, created.sign_in_key, clock)
    fail(created.staff_id, clock)
    sign_in(created.staff_id, created.sign_in_key, clock)


def test_a_staff_session_ends_twelve_hours_after_its_last_use(clock: SteppedClock) -> None:
    created = hired(clock)
    token = sign_in(created.staff_id, created.sign_in_key, clock).refresh_token
    clock.advance(timedelta(hours=11))
    token = refresh_session(token, SESSIONS, STAFF, KEYS.signing_key, clock.now()).refresh_token
    clock.advance(timedelta(hours=12))

    with pytest.raises(InvalidTokenError):
        refresh_session(token, SESSIONS, STAFF, KEYS.signing_key, clock.now())


def test_staff_who_are_customers_carry_the_same_tax_person(clock: SteppedClock) -> None:
    born = Transaction()
    put_member(born, Member(member_id="M1", openid="o1", joined_at=clock.now()))
    born.commit()
    both, only_staff = (STAFF.get(hired(clock, member_id=one).staff_id) for one in ("M1", None))

    assert both is not None
    assert both.person == tax_person("M1", KEYS.identity_key)
    assert only_staff is not None
    assert only_staff.person is None
    with pytest.raises(NotFoundError):
        hired(clock, member_id="M2")


@pytest.mark.usefixtures("wired")
def test_the_administration_creates_staff(clock: SteppedClock) -> None:
    order = {"action": "create", "name": "运营小周", "roles": ["operations"]}
    created = lambda_handler(order, CONTEXT)

    assert isinstance(created, dict)
    assert sign_in(created["staff_id"], created["sign_in_key"], clock).name == "运营小周"


@pytest.mark.usefixtures("wired")
@pytest.mark.parametrize(
    "order",
    [
        {},
        {"action": "create", "name": "x", "roles": []},
        {"action": "create", "name": "", "roles": ["finance"]},
        {"action": "create", "name": "x", "roles": ["owner"]},
        {"action": "remove", "name": "x", "roles": ["finance"]},
        {"action": "create", "name": "x", "roles": ["finance"], "key": "mine"},
    ],
)
def test_the_administration_refuses_what_it_does_not_know(order: object) -> None:
    with pytest.raises(msgspec.ValidationError):
        lambda_handler(order, CONTEXT)
