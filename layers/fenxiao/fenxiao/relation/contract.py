"""HTTP contracts of promoters, invites, the relation chain and teams."""

import base64
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Final, Literal

import msgspec

from fenxiao.clock import Clock, from_millis
from fenxiao.errors import NotFoundError
from fenxiao.http import cursor
from fenxiao.http.pages import PAGE_QUERY, page_limit
from fenxiao.relation.chain import BindingPolicy, uplines_at
from fenxiao.relation.errors import NoSuchLevelError
from fenxiao.relation.model import Invite, Standing, Tier
from fenxiao.relation.store import MemberStore, TeamStore, bound_at_millis_of, member_of
from fenxiao.relation.uplines import uplines_by_id

TEAM_QUERY: Final = {"level": "团队层级，从 1 开始，默认 1", **PAGE_QUERY}
_NAMELESS: Final = "微信用户"


class StandingView(msgspec.Struct, frozen=True):
    """Whether a member may earn, and the tier by which they do."""

    standing: Standing
    tier: Tier


class SetStanding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A decision of staff on a member; the reason is kept with it."""

    standing: Literal["suspended", "promoter"]
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]


class SetTier(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A tier that staff give a member; the reason is kept with it."""

    tier: Tier
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]


class IssueInvite(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new invite; without limits it can be used for ever and by anyone."""

    valid_days: Annotated[int, msgspec.Meta(ge=1, le=365)] | None = None
    max_uses: Annotated[int, msgspec.Meta(ge=1, le=100_000)] | None = None


class InviteView(msgspec.Struct, frozen=True):
    """An invite as its owner sees it."""

    invite_code: str
    expires_at: datetime | None
    max_uses: int | None


class BindRelation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The code of the invite to bind by."""

    invite_code: Annotated[str, msgspec.Meta(min_length=1, max_length=32)]


class UplineView(msgspec.Struct, frozen=True):
    """One level above a member; `valid` says whether an order placed now would count it."""

    level: int
    nickname: str
    valid: bool
    valid_until: datetime | None = None


class InviteImage(msgspec.Struct, frozen=True):
    """The mini-program code of an invite: scanned, it opens the mini-program with the invite code as its scene."""

    media_type: str
    image_base64: str


class RelationView(msgspec.Struct, frozen=True):
    """A member's uplines, nearest first."""

    uplines: list[UplineView]
    bound_at: datetime | None


class TeamMemberView(msgspec.Struct, frozen=True):
    """A member of a team."""

    member_id: str
    nickname: str
    bound_at: datetime


class TeamPage(msgspec.Struct, frozen=True):
    """Members of one level, newest first, and how many there are: `level_counts[0]` at level 1, and so on."""

    items: list[TeamMemberView]
    level_counts: list[int]
    next_cursor: str | None = None


def invite_image(picture: bytes) -> InviteImage:
    """Return a picture of WeChat's, PNG or JPEG, as it is answered."""
    media_type = "image/png" if picture.startswith(b"\x89PNG") else "image/jpeg"
    return InviteImage(media_type, base64.b64encode(picture).decode())


def invite_view(invite: Invite) -> InviteView:
    """Return an invite as its owner sees it."""
    return InviteView(invite.code, invite.expires_at, invite.max_uses)


def standing_view(member_id: str, members: MemberStore, clock: Clock) -> StandingView:
    """Return the standing and tier of a member as they are now.

    Raises:
        NotFoundError: no such member.
    """
    member, now = members.get(member_id), clock.now()
    if member is None:
        raise NotFoundError
    return StandingView(member.standing_at(now), member.tier_at(now))


def relation_view(member_id: str, members: MemberStore, policy: BindingPolicy, clock: Clock) -> RelationView:
    """Return the uplines of a member as they are now.

    Raises:
        NotFoundError: no such member.
    """
    member = members.get(member_id)
    if member is None:
        raise NotFoundError
    by_id = uplines_by_id(member, members, policy.max_levels)
    views = []
    below = member
    for level, upline in enumerate(uplines_at(member, by_id, clock.now(), policy), 1):
        record = by_id.get(upline.member_id)
        views.append(
            UplineView(level, mask(record.nickname if record else ""), upline.counts, below.line[0].valid_until)
        )
        below = record or below
    return RelationView(views, member.bound_at)


def team_page(
    member_id: str, query: Mapping[str, str], members: MemberStore, teams: TeamStore, max_levels: int
) -> TeamPage:
    """Return a page of one level of a member's team.

    Raises:
        NoSuchLevelError: the level is not one of 1…`max_levels`.
        BadRequestError: the cursor or the limit is invalid.
    """
    level = _level(query.get("level", "1"), max_levels)
    before = cursor.decode(query["cursor"], tuple[str])[0] if "cursor" in query else None
    limit = page_limit(query)
    positions = teams.page(member_id, level, before, limit + 1)
    shown = positions[:limit]
    records = members.get_many((member_of(position) for position in shown), consistent=False)
    items = [
        TeamMemberView(
            member_of(position),
            mask(records[member_of(position)].nickname if member_of(position) in records else ""),
            from_millis(bound_at_millis_of(position)),
        )
        for position in shown
    ]
    more = len(positions) > limit
    return TeamPage(items, list(teams.counts(member_id)[:max_levels]), cursor.encode(shown[-1]) if more else None)


def mask(nickname: str) -> str:
    """Return a nickname as others may see it: its first character."""
    return nickname[0] + "**" if nickname else _NAMELESS


def _level(text: str, max_levels: int) -> int:
    levels = {str(level): level for level in range(1, max_levels + 1)}
    if text not in levels:
        raise NoSuchLevelError
    return levels[text]
