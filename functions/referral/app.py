"""Promoters, invites, the relation chain and teams."""

from fenxiao import wiring
from fenxiao.http.api import Api, Auth, Request, Role
from fenxiao.relation.bind import bind
from fenxiao.relation.contract import (
    TEAM_QUERY,
    BindRelation,
    InviteImage,
    InviteView,
    IssueInvite,
    RelationView,
    SetStanding,
    SetTier,
    StandingView,
    TeamPage,
    invite_image,
    invite_view,
    relation_view,
    standing_view,
    team_page,
)
from fenxiao.relation.invites import issue, own_invite
from fenxiao.relation.model import Standing
from fenxiao.relation.standing import become_promoter, set_standing
from fenxiao.relation.tier import set_tier

api = Api("referral")
_OPERATORS = frozenset({Role.OPERATIONS, Role.ADMINISTRATOR})


@api.route("POST", "/promoters", "成为分销员", Auth.MEMBER, returns=StandingView)
def join(request: Request[None]) -> StandingView:
    """Make the caller a promoter."""
    members, clock = wiring.members(), wiring.clock()
    become_promoter(request.principal.id, members, clock)
    return standing_view(request.principal.id, members, clock)


@api.route("POST", "/invites", "生成邀请码", Auth.MEMBER, body=IssueInvite, returns=InviteView, status=201)
def create_invite(request: Request[IssueInvite]) -> InviteView:
    """Make an invite of the caller's."""
    body = request.body
    return invite_view(
        issue(
            request.principal.id,
            body.valid_days,
            body.max_uses,
            wiring.members(),
            wiring.invites(),
            wiring.clock(),
        )
    )


@api.route("GET", "/invites/{invite_code}/image", "邀请码的小程序码", Auth.MEMBER, returns=InviteImage)
def get_invite_image(request: Request[None]) -> InviteImage:
    """Answer the mini-program code of an invite of the caller's."""
    invite = own_invite(request.principal.id, request.path["invite_code"], wiring.invites())
    return invite_image(wiring.mini_program().invite_image(invite.code))


@api.route("POST", "/relation", "绑定邀请人", Auth.MEMBER, body=BindRelation, returns=RelationView)
def create_relation(request: Request[BindRelation]) -> RelationView:
    """Bind the caller under the owner of an invite."""
    members, policy, clock = wiring.members(), wiring.binding_policy(), wiring.clock()
    bind(request.principal.id, request.body.invite_code, members, wiring.invites(), policy, clock)
    return relation_view(request.principal.id, members, policy, clock)


@api.route("GET", "/relation", "我的上级", Auth.MEMBER, returns=RelationView)
def get_relation(request: Request[None]) -> RelationView:
    """Answer the caller's uplines."""
    return relation_view(request.principal.id, wiring.members(), wiring.binding_policy(), wiring.clock())


@api.route("GET", "/team", "我的团队", Auth.MEMBER, returns=TeamPage, query=TEAM_QUERY)
def get_team(request: Request[None]) -> TeamPage:
    """Answer a page of one level of the caller's team."""
    return team_page(
        request.principal.id, request.query, wiring.members(), wiring.teams(), wiring.binding_policy().max_levels
    )


@api.route(
    "PUT",
    "/staff/members/{member_id}/standing",
    "暂停或恢复分销资格",
    Auth.STAFF,
    roles=_OPERATORS,
    body=SetStanding,
    returns=StandingView,
)
def put_standing(request: Request[SetStanding]) -> StandingView:
    """Suspend or reinstate a member."""
    member_id, body, members, clock = request.path["member_id"], request.body, wiring.members(), wiring.clock()
    set_standing(member_id, Standing(body.standing), request.principal.id, body.reason, members, clock)
    return standing_view(member_id, members, clock)


@api.route(
    "PUT",
    "/staff/members/{member_id}/tier",
    "设置推广员等级",
    Auth.STAFF,
    roles=_OPERATORS,
    body=SetTier,
    returns=StandingView,
)
def put_tier(request: Request[SetTier]) -> StandingView:
    """Give a member a tier."""
    member_id, body, members, clock = request.path["member_id"], request.body, wiring.members(), wiring.clock()
    set_tier(member_id, body.tier, request.principal.id, body.reason, members, clock)
    return standing_view(member_id, members, clock)


lambda_handler = api.handler
