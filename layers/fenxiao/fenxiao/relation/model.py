"""Members and their place in the relation chain."""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct


class BindingMode(StrEnum):
    """How long a binding earns for the upline; a deployment chooses one (requirement `relation`)."""

    PERMANENT = "permanent"
    DAYS = "days"
    FIRST_ORDER = "first_order"


class Standing(StrEnum):
    """Whether a member may earn."""

    SHOPPER = "shopper"
    PROMOTER = "promoter"
    SUSPENDED = "suspended"


class Tier(StrEnum):
    """A promoter's tier; rule sets may give each its own rates."""

    STANDARD = "standard"
    SILVER = "silver"
    GOLD = "gold"
    DIAMOND = "diamond"


class TierChange(Struct, frozen=True, kw_only=True):
    """From `since` on the member has this tier, until the next change."""

    since: datetime
    tier: Tier
    by: str
    """The staff member who decided it."""
    reason: str


class StandingChange(Struct, frozen=True, kw_only=True):
    """From `since` on the member has this standing, until the next change."""

    since: datetime
    standing: Standing
    by: str | None = None
    """The staff member who decided it; nobody when it came of the member's own request."""
    reason: str | None = None


class Hop(Struct, frozen=True, kw_only=True):
    """One step up a chain: the upline, and until when the binding below it is valid (`None`: without end)."""

    member_id: str
    valid_until: datetime | None = None


class Upline(Struct, frozen=True, kw_only=True):
    """One level of the chain at placement; `counts` is false from the first expired hop upwards (M11, M21)."""

    member_id: str
    counts: bool
    since: datetime | None = None
    """When the chain up to this level came to be: the latest of its bindings (M19)."""


class Member(Struct, frozen=True, kw_only=True):
    """A person who signed in once.

    `line` is the stored chain of ancestors, nearest first, cut at three; `line[0]` is this member's own binding and
    the only entry that this member's record decides, the others are copies that a job keeps true (M21).
    """

    member_id: str
    openid: str
    joined_at: datetime
    nickname: str = ""
    line: tuple[Hop, ...] = ()
    line_version: int = 0
    """Grows with every change of `line`, so that a writer can require the line to be as it read it."""
    bound_at: datetime | None = None
    has_downline: bool = False
    standings: tuple[StandingChange, ...] = ()
    tiers: tuple[TierChange, ...] = ()
    first_paid_order_id: str | None = None
    """The claim of M18, taken in the transaction that marks the first order paid, never given back."""
    first_paid_at: datetime | None = None

    def standing_at(self, moment: datetime) -> Standing:
        """Return the standing at a moment (M10: that of the payment's instant, however late it is processed)."""
        passed = _passed(self.standings, moment)
        return passed[-1].standing if passed else Standing.SHOPPER

    def tier_at(self, moment: datetime) -> Tier:
        """Return the tier at a moment (M10)."""
        passed = _passed(self.tiers, moment)
        return passed[-1].tier if passed else Tier.STANDARD


class Invite(Struct, frozen=True, kw_only=True):
    """A code that binds whoever uses it to its owner."""

    code: str
    owner_id: str
    created_at: datetime
    expires_at: datetime | None
    max_uses: int | None
    uses: int = 0


class Binding(Struct, frozen=True, kw_only=True):
    """A binding as it was decided, with everything that must still be so when it is written (M21)."""

    member: Member
    upline: Member
    invite: Invite
    line: tuple[Hop, ...]
    at: datetime
    epoch: int | None
    """The rebinding epoch, read before the ancestors were walked; `None` for a member without a downline."""


class Edge(Struct, frozen=True, kw_only=True):
    """A member is in an ancestor's team, at a level; `position` sorts the team by joining time."""

    ancestor_id: str
    level: int
    position: str


class WrittenEdges(Struct, frozen=True, kw_only=True):
    """The edges that exist for a member, and the version of that record."""

    edges: frozenset[Edge] = frozenset()
    version: int = 0


def _passed[C: (StandingChange, TierChange)](changes: tuple[C, ...], moment: datetime) -> list[C]:
    """Return the changes that had come by a moment.

    WeChat tells its instants in whole seconds, so a change counts from the beginning of its second.
    """
    return [change for change in changes if change.since.replace(microsecond=0) <= moment]
