"""Tiers: staff give a promoter one, and rule sets may give it its own rates."""

from typing import Final

from fenxiao.aws.dynamodb import back_off
from fenxiao.clock import Clock
from fenxiao.errors import BusyError, NotFoundError
from fenxiao.relation.model import Tier, TierChange
from fenxiao.relation.store import MemberStore

_MAX_ATTEMPTS: Final = 5
_MAX_CHANGES: Final = 20
"""Changes that a record keeps. What is asked about is a payment's instant (M10), and payments are processed within
days; before the oldest kept change a member counts as `standard`."""


def set_tier(member_id: str, tier: Tier, staff_id: str, reason: str, members: MemberStore, clock: Clock) -> None:
    """Give a member a tier, which counts while they are a promoter; repeating a decision changes nothing.

    Raises:
        NotFoundError: no such member.
        BusyError: others kept changing the tier.
    """
    for attempt in range(_MAX_ATTEMPTS):
        member = members.get(member_id)
        if member is None:
            raise NotFoundError
        last = member.tiers[-1] if member.tiers else None
        if tier is (last.tier if last else Tier.STANDARD):
            return
        # Machines' clocks differ a little, and the list is read in order.
        since = max(clock.now(), last.since) if last else clock.now()
        change = TierChange(since=since, tier=tier, by=staff_id, reason=reason)
        if members.change_tiers(member, (*member.tiers, change)[-_MAX_CHANGES:]):
            return
        back_off(attempt)
    raise BusyError
