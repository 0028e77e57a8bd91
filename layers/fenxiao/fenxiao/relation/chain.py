"""The relation chain: which lines follow from a binding, which hops are valid, and who stands above a buyer (M11, M21).

Pure functions. A *hop* is one step up; the hop above a member is decided by that member's own record, `line[0]`.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from fenxiao.relation.model import BindingMode, Hop, Member, Upline

LINE_LIMIT: Final = 3
"""A stored line is cut here: more than three levels is pyramid selling by law."""


class BindingPolicy(Struct, frozen=True, kw_only=True):
    """What the deployment decides about bindings."""

    mode: BindingMode
    days: int
    """How long a binding is valid in mode `days`; not looked at in the others."""
    max_levels: int

    @property
    def first_order_only(self) -> bool:
        """Tell whether an order placed now counts its chain only if it is the buyer's first paid one."""
        return self.mode is BindingMode.FIRST_ORDER

    def valid_until(self, bound_at: datetime) -> datetime | None:
        """Return until when a binding made now is valid; `None` is without end, or until the first order."""
        return bound_at + timedelta(days=self.days) if self.mode is BindingMode.DAYS else None


def line_under(own: Hop, upline: Member) -> tuple[Hop, ...]:
    """Return the line of a member whose own hop leads to `upline`: that hop, then the upline's line, cut at three."""
    return (own, *upline.line)[:LINE_LIMIT]


def hop_is_valid(member: Member, policy: BindingPolicy, moment: datetime) -> bool:
    """Tell whether the hop above this member earns at a moment; false for a member without an upline.

    'Until first order' ends with the first paid order. An order that was placed before that instant still carries the
    chain; whether it pays is decided by its payment's `first_order` (M11).
    """
    if not member.line:
        return False
    valid_until = member.line[0].valid_until
    if valid_until is not None and moment >= valid_until:
        return False
    paid_at = member.first_paid_at
    return not (policy.first_order_only and paid_at is not None and paid_at <= moment)


def uplines_at(
    buyer: Member, by_id: Mapping[str, Member], placed_at: datetime, policy: BindingPolicy
) -> tuple[Upline, ...]:
    """Return the chain above a buyer when an order is placed, nearest first, at most `policy.max_levels` long.

    It walks the live hops, never the stored copies, so it is right even while a job still rewrites lines (M21). Level k
    counts only if the hops 1…k are valid at that moment; a level that does not count keeps its place (M11).

    Args:
        buyer: Who places the order.
        by_id: The records of the uplines, as far as they are known; the walk ends at one that is missing.
        placed_at: When the order is placed.
        policy: What the deployment decides.
    """
    uplines: list[Upline] = []
    member: Member | None = buyer
    counts = True
    since: datetime | None = None
    while member is not None and member.line and len(uplines) < policy.max_levels:
        counts = counts and hop_is_valid(member, policy, placed_at)
        since = max(filter(None, (since, member.bound_at)), default=None)
        uplines.append(Upline(member_id=member.line[0].member_id, counts=counts, since=since))
        member = by_id.get(uplines[-1].member_id)
    return tuple(uplines)
