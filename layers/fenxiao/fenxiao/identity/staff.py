"""Staff: created by whoever may invoke the administration function, signed in by a random key."""

import hmac
import secrets
from datetime import timedelta
from typing import Final

from fenxiao.clock import Clock
from fenxiao.errors import NotFoundError
from fenxiao.identity.contract import CreateStaff, StaffCreated, StaffSignedIn
from fenxiao.identity.errors import SignInFailedError, TooManyAttemptsError
from fenxiao.identity.model import PrincipalKind, Staff
from fenxiao.identity.person import tax_person
from fenxiao.identity.secret import TokenKeys
from fenxiao.identity.sessions import SessionStores, open_session
from fenxiao.identity.store import StaffStore
from fenxiao.identity.tokens import secret_hash
from fenxiao.ids import Kind, new_id
from fenxiao.relation.store import MemberStore

MAX_FAILURES: Final = 5
LOCK_TIME: Final = timedelta(minutes=15)
"""After so many wrong keys in a row one attempt is heard in this time."""


def create_staff(
    order: CreateStaff, staff: StaffStore, members: MemberStore, keys: TokenKeys, wall: Clock
) -> StaffCreated:
    """Add a staff member and return the key to sign in with, of which only a hash is kept.

    Raises:
        NotFoundError: the member account that is said to be theirs does not exist.
    """
    if order.member_id is not None and members.get(order.member_id) is None:
        raise NotFoundError("member_id")
    key = secrets.token_urlsafe(32)
    created = Staff(
        staff_id=new_id(Kind.STAFF, wall.now()),
        name=order.name,
        roles=tuple(sorted(set(order.roles))),
        key_hash=secret_hash(key),
        person=None if order.member_id is None else tax_person(order.member_id, keys.identity_key),
    )
    staff.create(created)
    return StaffCreated(created.staff_id, key)


def sign_in_staff(
    staff_id: str, key: str, staff: StaffStore, sessions: SessionStores, keys: TokenKeys, wall: Clock
) -> StaffSignedIn:
    """Sign in a staff member.

    Raises:
        SignInFailedError: no such staff member, or another key.
        TooManyAttemptsError: too many wrong keys in a row.
    """
    now = wall.now()
    found = staff.get(staff_id)
    if found is None:
        raise SignInFailedError
    last_failed_at = found.last_failed_at
    if found.failed_attempts >= MAX_FAILURES and last_failed_at is not None and now < last_failed_at + LOCK_TIME:
        raise TooManyAttemptsError
    if not hmac.compare_digest(found.key_hash, secret_hash(key)):
        staff.note_failure(staff_id, now)
        raise SignInFailedError
    if found.failed_attempts:
        staff.forget_failures(staff_id)
    issued = open_session(staff_id, PrincipalKind.STAFF, found.roles, sessions, keys.signing_key, now)
    return StaffSignedIn(
        staff_id,
        found.name,
        list(found.roles),
        issued.access_token,
        issued.access_expires_in_seconds,
        issued.refresh_token,
    )
