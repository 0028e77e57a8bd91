"""Binding a member under a promoter (M21).

Why no cycle can form, whatever runs at the same moment. A binding member → upline closes a cycle only if the member
already stands above the upline.

- A member *without a downline* stands above nobody. The transaction requires that this is still so, and every binding
  marks its upline `has_downline` in its own transaction, so of two that bind to each other one is refused.
- A member *with a downline* may only bind anew after an expiry, and then walks the upline's ancestors to the root. What
  it walked is still true when it commits: the upline's own line is required to be as read; everyone further up has a
  downline, and mark and downline stay, so none of them can be bound by the first rule; and all rebindings by the second
  rule increment one epoch, which is read before the walk and required to be as read. So no other of them came between.

A hop counts as an ancestor even if it has expired: it still is what the records say, and may be all that keeps two
members from standing above each other.
"""

from datetime import datetime
from typing import Final

from fenxiao.aws.dynamodb import back_off
from fenxiao.clock import Clock
from fenxiao.errors import BusyError, NotFoundError
from fenxiao.relation.chain import BindingPolicy, hop_is_valid, line_under
from fenxiao.relation.errors import (
    AlreadyBoundError,
    HasDownlineError,
    InviteNotFoundError,
    InviterUnavailableError,
    NotNewCustomerError,
    OwnInviteError,
    RelationCycleError,
    RelationTooDeepError,
)
from fenxiao.relation.invites import normalised, require_usable
from fenxiao.relation.model import Binding, Hop, Member, Standing
from fenxiao.relation.store import InviteStore, MemberStore

_MAX_ATTEMPTS: Final = 6
MAX_ANCESTORS: Final = 200
"""Hops that are walked in search of a cycle; a chain that is longer is refused rather than trusted."""


def bind(
    member_id: str, code: str, members: MemberStore, invites: InviteStore, policy: BindingPolicy, clock: Clock
) -> None:
    """Bind a member under the owner of an invite.

    Raises:
        DomainError: one of the refusals of `plan`.
        BusyError: the records kept changing; nothing was written.
    """
    for attempt in range(_MAX_ATTEMPTS):
        if members.bind(plan(member_id, code, members, invites, policy, clock.now())):
            return
        back_off(attempt)
    raise BusyError


def plan(
    member_id: str, code: str, members: MemberStore, invites: InviteStore, policy: BindingPolicy, now: datetime
) -> Binding:
    """Read what a binding depends on and decide it.

    Raises:
        InviteNotFoundError: no such invite.
        OwnInviteError: it is the member's own.
        InviteExpiredError: its days are over.
        InviteUsedError: it was used as often as it may be.
        AlreadyBoundError: the member has a valid binding.
        NotNewCustomerError: bindings last until the first order, and the member has paid it.
        InviterUnavailableError: the owner is no active promoter.
        RelationCycleError: the owner stands below the member.
        HasDownlineError: the member has a downline and never had an upline.
        RelationTooDeepError: the owner has too many ancestors.
    """
    invite = invites.get(normalised(code))
    if invite is None:
        raise InviteNotFoundError
    if invite.owner_id == member_id:
        raise OwnInviteError
    require_usable(invite, now)
    member = members.get(member_id)
    if member is None:
        raise NotFoundError
    _require_free(member, policy, now)
    epoch = members.rebinding_epoch() if member.has_downline else None
    upline = members.get(invite.owner_id)
    if upline is None or upline.standing_at(now) is not Standing.PROMOTER:
        raise InviterUnavailableError
    if epoch is not None:
        _require_not_above(member, upline, members)
    own = Hop(member_id=upline.member_id, valid_until=policy.valid_until(now))
    return Binding(member=member, upline=upline, invite=invite, line=line_under(own, upline), at=now, epoch=epoch)


def _require_free(member: Member, policy: BindingPolicy, now: datetime) -> None:
    if hop_is_valid(member, policy, now):
        raise AlreadyBoundError
    if policy.first_order_only and member.first_paid_order_id is not None:
        # The claim of the first order is never given back (M18), so this binding could never earn.
        raise AlreadyBoundError if member.line else NotNewCustomerError


def _require_not_above(member: Member, upline: Member, members: MemberStore) -> None:
    """Refuse if the member, who has a downline, stands anywhere above the upline, or never was bound."""
    ancestor: Member | None = upline
    for _ in range(MAX_ANCESTORS):
        if ancestor is None or not ancestor.line:
            break
        if ancestor.line[0].member_id == member.member_id:
            raise RelationCycleError
        ancestor = members.get(ancestor.line[0].member_id)
    else:
        raise RelationTooDeepError
    if not member.line:
        raise HasDownlineError
