"""Invites: the codes by which friends of a promoter bind to them."""

import secrets
from datetime import datetime, timedelta
from typing import Final

from fenxiao.clock import Clock
from fenxiao.errors import BusyError, NotFoundError
from fenxiao.relation.errors import InviteExpiredError, InviteNotFoundError, InviteUsedError, NotPromoterError
from fenxiao.relation.model import Invite, Standing
from fenxiao.relation.store import InviteStore, MemberStore

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_CODE_LENGTH: Final = 8
_MISREAD: Final = str.maketrans("ILO", "110")
"""Letters that Crockford's base 32 leaves out, read as the digits that people mean by them."""
_MAX_DRAWS: Final = 5
"""Codes have 40 random bits, so even two draws in a row that are taken mean that something else is wrong."""


def issue(
    owner_id: str,
    valid_days: int | None,
    max_uses: int | None,
    members: MemberStore,
    invites: InviteStore,
    clock: Clock,
) -> Invite:
    """Make an invite of an active promoter under a fresh code.

    Args:
        owner_id: The promoter.
        valid_days: How many days it can be used; `None` for ever.
        max_uses: How often it can be used; `None` without limit.
        members: Member records.
        invites: Where it is kept.
        clock: Business time.

    Raises:
        NotPromoterError: the owner is not an active promoter.
        TooManyInvitesError: the owner made as many as one may.
    """
    owner = members.get(owner_id)
    if owner is None:
        raise NotFoundError
    now = clock.now()
    if owner.standing_at(now) is not Standing.PROMOTER:
        raise NotPromoterError
    for _ in range(_MAX_DRAWS):
        invite = Invite(
            code="".join(secrets.choice(_ALPHABET) for _ in range(_CODE_LENGTH)),
            owner_id=owner_id,
            created_at=now,
            expires_at=None if valid_days is None else now + timedelta(days=valid_days),
            max_uses=max_uses,
        )
        if invites.create(invite):
            return invite
    raise BusyError


def own_invite(member_id: str, code: str, invites: InviteStore) -> Invite:
    """Return an invite that the member made.

    Raises:
        InviteNotFoundError: there is none, or it is somebody else's.
    """
    invite = invites.get(normalised(code))
    if invite is None or invite.owner_id != member_id:
        raise InviteNotFoundError
    return invite


def normalised(code: str) -> str:
    """Return the code as it is stored, whatever case or misreading it was typed in."""
    return code.strip().upper().translate(_MISREAD)


def require_usable(invite: Invite, moment: datetime) -> None:
    """Refuse an invite that can no longer be used.

    Raises:
        InviteExpiredError: its days are over.
        InviteUsedError: it was used as often as it may be.
    """
    if invite.expires_at is not None and moment >= invite.expires_at:
        raise InviteExpiredError
    if invite.max_uses is not None and invite.uses >= invite.max_uses:
        raise InviteUsedError
