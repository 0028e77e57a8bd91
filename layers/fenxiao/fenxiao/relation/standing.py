"""Standing: becoming a promoter, suspension and reinstatement."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

from fenxiao.aws.dynamodb import back_off
from fenxiao.clock import Clock
from fenxiao.errors import BusyError, NotFoundError
from fenxiao.relation.errors import NotSuspendedError, SuspendedError
from fenxiao.relation.model import Member, Standing, StandingChange
from fenxiao.relation.store import MemberStore

_MAX_ATTEMPTS: Final = 5
_MAX_CHANGES: Final = 20
"""Changes that a record keeps. What is asked about is a payment's instant (M10), and payments are processed within
days; before the oldest kept change a member counts as a shopper, who earns nothing."""

type _Decide = Callable[[Standing], Standing]


def become_promoter(member_id: str, members: MemberStore, clock: Clock) -> Standing:
    """Open admission: make a shopper a promoter; asking twice changes nothing.

    Raises:
        SuspendedError: the member is suspended.
    """

    def decide(present: Standing) -> Standing:
        if present is Standing.SUSPENDED:
            raise SuspendedError
        return Standing.PROMOTER

    return _change(member_id, decide, None, None, members, clock)


def set_standing(
    member_id: str, standing: Standing, staff_id: str, reason: str, members: MemberStore, clock: Clock
) -> Standing:
    """Suspend a member, or reinstate one who is suspended; repeating a decision changes nothing.

    Raises:
        NotFoundError: no such member.
        NotSuspendedError: a shopper, whom nobody but they themselves can make a promoter.
    """

    def decide(present: Standing) -> Standing:
        if standing is Standing.PROMOTER and present is Standing.SHOPPER:
            raise NotSuspendedError
        return standing

    return _change(member_id, decide, staff_id, reason, members, clock)


def _change(
    member_id: str, decide: _Decide, by: str | None, reason: str | None, members: MemberStore, clock: Clock
) -> Standing:
    for attempt in range(_MAX_ATTEMPTS):
        member = members.get(member_id)
        if member is None:
            raise NotFoundError
        present = member.standings[-1].standing if member.standings else Standing.SHOPPER
        standing = decide(present)
        if standing is present:
            return present
        change = StandingChange(since=_not_before_last(member, clock.now()), standing=standing, by=by, reason=reason)
        if members.change_standings(member, (*member.standings, change)[-_MAX_CHANGES:]):
            return standing
        back_off(attempt)
    raise BusyError


def _not_before_last(member: Member, now: datetime) -> datetime:
    """Machines' clocks differ a little, and the list is read in order."""
    return max(now, member.standings[-1].since) if member.standings else now
