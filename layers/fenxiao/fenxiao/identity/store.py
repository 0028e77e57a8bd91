"""Accounts, sessions and staff in DynamoDB.

`MEMBER_TABLE`: `openid#<openid>` / `openid` and `phone#<keyed HMAC>` / `phone` lead to a member, `M…` / `session#<id>`
is a session; nickname and phone number stand on the member's own item. `STAFF_TABLE`: `S…` / `staff` and
`S…` / `session#<id>`.
"""

from datetime import datetime
from typing import Final

from pynamodb.attributes import BinaryAttribute, UnicodeAttribute
from pynamodb.expressions.update import Action

from fenxiao.aws.dynamodb import (
    IntegerAttribute,
    Item,
    JsonAttribute,
    MomentAttribute,
    Transaction,
    TransactionCancelledError,
    condition_failed,
    table,
)
from fenxiao.errors import BusyError, NotFoundError
from fenxiao.identity.errors import PhoneTakenError
from fenxiao.identity.model import PhoneRecord, Session, Staff
from fenxiao.relation.model import Member
from fenxiao.relation.store import MEMBER_SORT_KEY, put_member
from fenxiao.wechat.facts import Identity

_OPENID: Final = "openid"
_PHONE: Final = "phone"
_STAFF: Final = "staff"
_SESSION_PREFIX: Final = "session#"
MAX_SESSIONS: Final = 10
"""Devices that one person can be signed in on; a further sign-in ends the oldest."""
_SESSION_SCAN: Final = 100
"""Sessions read at once: far above what sign-ins at the same moment can leave behind."""


class OpenidItem(Item):
    """Leads from WeChat's name for a person to ours."""

    Meta = table("MEMBER_TABLE")

    member_id = UnicodeAttribute()
    unionid = UnicodeAttribute(null=True)


class PhoneItem(Item):
    """Leads from a phone number to its one member."""

    Meta = table("MEMBER_TABLE")

    member_id = UnicodeAttribute()


class ProfileItem(Item):
    """The part of a member's item that is about the person; changed by updates only."""

    Meta = table("MEMBER_TABLE")

    nickname = UnicodeAttribute()
    sealed_phone = BinaryAttribute(null=True, legacy_encoding=False)
    phone_lookup = UnicodeAttribute(null=True)


class _SessionItem(Item):
    """A session; the table differs by kind of principal."""

    refresh_hash = UnicodeAttribute()
    created_at = MomentAttribute()
    expires_at = MomentAttribute()
    ttl = IntegerAttribute()


class MemberSessionItem(_SessionItem):
    """A customer's session."""

    Meta = table("MEMBER_TABLE")


class StaffSessionItem(_SessionItem):
    """A staff member's session."""

    Meta = table("STAFF_TABLE")


class StaffItem(Item):
    """A staff member."""

    Meta = table("STAFF_TABLE")

    name = UnicodeAttribute()
    roles: JsonAttribute[tuple[str, ...]] = JsonAttribute(tuple[str, ...])
    key_hash = UnicodeAttribute()
    person = UnicodeAttribute(null=True)
    failed_attempts = IntegerAttribute()
    last_failed_at = MomentAttribute(null=True)


class AccountStore:
    """Members as persons: how they sign in, what they are called, how they are reached."""

    def member_id_of(self, openid: str) -> str | None:
        """Return the member whom WeChat calls so."""
        try:
            return OpenidItem.get(_openid_pk(openid), _OPENID, consistent_read=True).member_id
        except OpenidItem.DoesNotExist:
            return None

    def create(self, member: Member, identity: Identity) -> bool:
        """Write a new member and what leads to them in one transaction; tell whether WeChat's name was free."""
        transaction = Transaction()
        lookup = OpenidItem(
            pk=_openid_pk(identity.openid), sk=_OPENID, member_id=member.member_id, unionid=identity.unionid
        )
        transaction.put(lookup, OpenidItem.pk.does_not_exist())
        put_member(transaction, member)
        try:
            transaction.commit()
        except TransactionCancelledError:
            return False
        return True

    def rename(self, member_id: str, nickname: str) -> None:
        """Replace the nickname.

        Raises:
            NotFoundError: no such member.
        """
        try:
            ProfileItem(member_id, MEMBER_SORT_KEY).update(
                [ProfileItem.nickname.set(nickname)], ProfileItem.pk.exists()
            )
        except Exception as error:
            if condition_failed(error):
                raise NotFoundError from error
            raise

    def phone(self, member_id: str) -> PhoneRecord:
        """Return the sealed phone number.

        Raises:
            NotFoundError: no such member.
        """
        try:
            item = ProfileItem.get(member_id, MEMBER_SORT_KEY, consistent_read=True)
        except ProfileItem.DoesNotExist as error:
            raise NotFoundError from error
        return PhoneRecord(sealed=item.sealed_phone, lookup=item.phone_lookup)

    def replace_phone(self, member_id: str, before: PhoneRecord, sealed: bytes, lookup: str) -> None:
        """Replace the phone number and what leads from it to the member, in one transaction.

        Raises:
            PhoneTakenError: the number is another member's.
            BusyError: the member's number changed since it was read.
        """
        transaction = Transaction()
        taken = transaction.put(
            PhoneItem(pk=_phone_pk(lookup), sk=_PHONE, member_id=member_id),
            PhoneItem.pk.does_not_exist() | (PhoneItem.member_id == member_id),
        )
        if before.lookup is None:
            as_read = ProfileItem.pk.exists() & ProfileItem.phone_lookup.does_not_exist()
        else:
            as_read = ProfileItem.phone_lookup == before.lookup
            transaction.delete(PhoneItem, _phone_pk(before.lookup), _PHONE)
        actions = [ProfileItem.sealed_phone.set(sealed), ProfileItem.phone_lookup.set(lookup)]
        transaction.update(ProfileItem, member_id, MEMBER_SORT_KEY, actions, as_read)
        try:
            transaction.commit()
        except TransactionCancelledError as cancelled:
            if cancelled.failed(taken):
                raise PhoneTakenError from cancelled
            raise BusyError from cancelled


class SessionStore:
    """Sessions of one kind of principal; every read is consistent."""

    def __init__(self, model: type[MemberSessionItem | StaffSessionItem]) -> None:
        """Take the model, which names the table."""
        self._model = model

    def create(self, session: Session) -> None:
        """Add a session; the oldest end where there would be more than `MAX_SESSIONS`."""
        sessions = sorted(self._all(session.subject), key=lambda item: item.created_at)
        for item in sessions[: max(0, len(sessions) - MAX_SESSIONS + 1)]:
            item.delete()
        self._model(
            pk=session.subject,
            sk=_SESSION_PREFIX + session.session_id,
            refresh_hash=session.refresh_hash,
            created_at=session.created_at,
            expires_at=session.expires_at,
            ttl=int(session.expires_at.timestamp()),
        ).save()

    def get(self, subject: str, session_id: str, now: datetime) -> Session | None:
        """Return a session that has not ended."""
        try:
            item = self._model.get(subject, _SESSION_PREFIX + session_id, consistent_read=True)
        except self._model.DoesNotExist:
            return None
        # The table forgets what is over only some time afterwards.
        return _session(item) if now < item.expires_at else None

    def rotate(self, session: Session, refresh_hash: str, expires_at: datetime) -> bool:
        """Replace the refresh token if it is still the one that was read; tell whether it was."""
        actions: list[Action] = [
            self._model.refresh_hash.set(refresh_hash),
            self._model.expires_at.set(expires_at),
            self._model.ttl.set(int(expires_at.timestamp())),
        ]
        try:
            self._model(session.subject, _SESSION_PREFIX + session.session_id).update(
                actions, self._model.refresh_hash == session.refresh_hash
            )
        except Exception as error:
            if condition_failed(error):
                return False
            raise
        return True

    def end(self, subject: str, session_id: str) -> None:
        """End one session; ending it twice does no harm."""
        self._model(subject, _SESSION_PREFIX + session_id).delete()

    def end_all(self, subject: str) -> None:
        """End every session of a person."""
        for item in self._all(subject):
            item.delete()

    def _all(self, subject: str) -> list[MemberSessionItem | StaffSessionItem]:
        return list(
            self._model.query(
                subject, self._model.sk.startswith(_SESSION_PREFIX), consistent_read=True, limit=_SESSION_SCAN
            )
        )


class StaffStore:
    """Staff; every read is consistent."""

    def get(self, staff_id: str) -> Staff | None:
        """Return a staff member."""
        try:
            item = StaffItem.get(staff_id, _STAFF, consistent_read=True)
        except StaffItem.DoesNotExist:
            return None
        return Staff(
            staff_id=item.pk,
            name=item.name,
            roles=item.roles,
            key_hash=item.key_hash,
            person=item.person,
            failed_attempts=item.failed_attempts,
            last_failed_at=item.last_failed_at,
        )

    def create(self, staff: Staff) -> None:
        """Add a staff member under a fresh id."""
        StaffItem(
            pk=staff.staff_id,
            sk=_STAFF,
            name=staff.name,
            roles=staff.roles,
            key_hash=staff.key_hash,
            person=staff.person,
            failed_attempts=staff.failed_attempts,
        ).save(StaffItem.pk.does_not_exist())

    def note_failure(self, staff_id: str, at: datetime) -> None:
        """Count a sign-in with a wrong key."""
        actions: list[Action] = [StaffItem.failed_attempts.add(1), StaffItem.last_failed_at.set(at)]
        StaffItem(staff_id, _STAFF).update(actions, StaffItem.pk.exists())

    def forget_failures(self, staff_id: str) -> None:
        """Begin to count anew, after a sign-in with the right key."""
        StaffItem(staff_id, _STAFF).update([StaffItem.failed_attempts.set(0)], StaffItem.pk.exists())


def _openid_pk(openid: str) -> str:
    return f"openid#{openid}"


def _phone_pk(lookup: str) -> str:
    return f"phone#{lookup}"


def _session(item: MemberSessionItem | StaffSessionItem) -> Session:
    return Session(
        subject=item.pk,
        session_id=item.sk.removeprefix(_SESSION_PREFIX),
        refresh_hash=item.refresh_hash,
        created_at=item.created_at,
        expires_at=item.expires_at,
    )
