"""A customer's own account: signing in through WeChat, the nickname, the phone number."""

from fenxiao.clock import Clock
from fenxiao.errors import BusyError, NotFoundError
from fenxiao.identity.contract import LoggedIn, MeView
from fenxiao.identity.errors import NicknameRefusedError
from fenxiao.identity.model import PrincipalKind
from fenxiao.identity.phone import masked, phone_lookup, seal, unseal
from fenxiao.identity.ports import MiniProgram
from fenxiao.identity.secret import TokenKeys
from fenxiao.identity.sessions import SessionStores, open_session
from fenxiao.identity.store import AccountStore
from fenxiao.ids import Kind, new_id
from fenxiao.relation.model import Member
from fenxiao.relation.store import MemberStore
from fenxiao.wechat.facts import Identity, TextVerdict


def log_in(
    code: str,
    mini_program: MiniProgram,
    accounts: AccountStore,
    sessions: SessionStores,
    keys: TokenKeys,
    clock: Clock,
    wall: Clock,
) -> LoggedIn:
    """Sign in whoever stands behind a `wx.login` code; the first time makes them a member.

    Args:
        code: What `wx.login` gave.
        mini_program: Tells who stands behind it.
        accounts: Members as persons.
        sessions: Where the session is kept.
        keys: The token secret.
        clock: Business time, in which somebody joins.
        wall: Wall time, in which tokens live.
    """
    identity = mini_program.login(code)
    member_id = accounts.member_id_of(identity.openid) or _create(identity, accounts, clock)
    issued = open_session(member_id, PrincipalKind.MEMBER, (), sessions, keys.signing_key, wall.now())
    return LoggedIn(member_id, issued.access_token, issued.access_expires_in_seconds, issued.refresh_token)


def me(member_id: str, members: MemberStore, accounts: AccountStore, keys: TokenKeys, clock: Clock) -> MeView:
    """Return one's own account.

    Raises:
        NotFoundError: no such member.
    """
    member = members.get(member_id)
    if member is None:
        raise NotFoundError
    sealed = accounts.phone(member_id).sealed
    phone = masked(unseal(sealed, member_id, keys.identity_key)) if sealed else None
    now = clock.now()
    return MeView(member_id, member.nickname, phone, member.standing_at(now), member.tier_at(now), member.joined_at)


def rename(
    member_id: str, nickname: str, mini_program: MiniProgram, members: MemberStore, accounts: AccountStore
) -> None:
    """Change the nickname; others see it, so WeChat's content check must pass it.

    Raises:
        NicknameRefusedError: it does not.
        NotFoundError: no such member.
    """
    member = members.get(member_id)
    if member is None:
        raise NotFoundError
    if mini_program.check_text(member.openid, nickname) is not TextVerdict.PASS:
        raise NicknameRefusedError
    accounts.rename(member_id, nickname)


def set_phone(member_id: str, code: str, mini_program: MiniProgram, accounts: AccountStore, keys: TokenKeys) -> None:
    """Keep the phone number behind a code of the `getPhoneNumber` button; the same number again changes nothing.

    Raises:
        PhoneTakenError: it is another member's.
        NotFoundError: no such member.
        BusyError: the same member set another number at the same moment.
    """
    phone = mini_program.phone_number(code)
    lookup = phone_lookup(phone, keys.identity_key)
    before = accounts.phone(member_id)
    if before.lookup != lookup:
        accounts.replace_phone(member_id, before, seal(phone, member_id, keys.identity_key), lookup)


def _create(identity: Identity, accounts: AccountStore, clock: Clock) -> str:
    now = clock.now()
    member = Member(member_id=new_id(Kind.MEMBER, now), openid=identity.openid, joined_at=now)
    if accounts.create(member, identity):
        return member.member_id
    # The same person signed in for the first time on another device at this moment.
    present = accounts.member_id_of(identity.openid)
    if present is None:
        raise BusyError
    return present
