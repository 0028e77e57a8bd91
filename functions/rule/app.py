"""Rule sets: their drafts on the way to publication, and the versions."""

import msgspec

from fenxiao import wiring
from fenxiao.commission.contract import (
    ChangeDraft,
    DraftSummary,
    DraftView,
    JudgeDraft,
    PublishDraft,
    RollBack,
    SimulateDraft,
    SimulationView,
    VersionView,
    WriteDraft,
    draft_page,
    draft_view,
    new_version_view,
    schema,
    simulation_view,
    version_page,
)
from fenxiao.http.api import Api, Auth, Request, Role, Text
from fenxiao.http.pages import PAGE_QUERY, Page

api = Api("rule")
_AUTHORS = frozenset({Role.OPERATIONS, Role.ADMINISTRATOR})
_APPROVERS = frozenset({Role.FINANCE_LEAD, Role.ADMINISTRATOR})


@api.route("GET", "/rules", "佣金规则版本", Auth.STAFF, returns=Page[VersionView], query=PAGE_QUERY)
def list_versions(request: Request[None]) -> Page[VersionView]:
    """Answer a page of versions, the newest first."""
    return version_page(request.query, wiring.rules(), wiring.clock())


@api.route("GET", "/rules/schema", "佣金规则的 JSON Schema", Auth.PUBLIC, returns=Text)
def get_schema(_request: Request[None]) -> Text:
    """Answer the schema of a rule set's terms."""
    return Text(msgspec.json.encode(schema()).decode(), "application/schema+json")


@api.route("GET", "/rules/drafts", "规则草稿列表", Auth.STAFF, returns=Page[DraftSummary], query=PAGE_QUERY)
def list_drafts(request: Request[None]) -> Page[DraftSummary]:
    """Answer a page of drafts, the newest first."""
    return draft_page(request.query, wiring.drafts())


@api.route(
    "POST", "/rules/drafts", "新建规则草稿", Auth.STAFF, roles=_AUTHORS, body=WriteDraft, returns=DraftView, status=201
)
def create_draft(request: Request[WriteDraft]) -> DraftView:
    """Write a new draft."""
    return draft_view(wiring.rule_desk().begin(request.body, wiring.reviewer(request.principal)))


@api.route("GET", "/rules/{draft}", "规则草稿", Auth.STAFF, returns=DraftView)
def get_draft(request: Request[None]) -> DraftView:
    """Answer a draft."""
    return draft_view(wiring.drafts().get(request.path["draft"]))


@api.route("PUT", "/rules/{draft}", "修改规则草稿", Auth.STAFF, roles=_AUTHORS, body=ChangeDraft, returns=DraftView)
def put_draft(request: Request[ChangeDraft]) -> DraftView:
    """Replace a draft's title and terms."""
    desk, staff = wiring.rule_desk(), wiring.reviewer(request.principal)
    return draft_view(desk.change(request.path["draft"], request.body, staff))


@api.route("POST", "/rules/{draft}/validate", "校验规则草稿", Auth.STAFF, roles=_AUTHORS, returns=DraftView)
def validate_draft(request: Request[None]) -> DraftView:
    """Check a draft against every limit."""
    return draft_view(wiring.rule_desk().validate(request.path["draft"]))


@api.route(
    "POST",
    "/rules/{draft}/simulate",
    "用真实订单模拟规则草稿",
    Auth.STAFF,
    roles=_AUTHORS,
    body=SimulateDraft,
    returns=SimulationView,
    status=202,
)
def simulate_draft(request: Request[SimulateDraft]) -> SimulationView:
    """Ask for a simulation."""
    desk, staff = wiring.rule_desk(), wiring.reviewer(request.principal)
    return simulation_view(desk.simulate(request.path["draft"], request.body, staff))


@api.route("GET", "/rules/{draft}/simulation", "模拟的进度与结果", Auth.STAFF, returns=SimulationView)
def get_simulation(request: Request[None]) -> SimulationView:
    """Answer the last simulation of a draft's terms."""
    return simulation_view(wiring.rule_desk().simulation(request.path["draft"]))


@api.route(
    "POST", "/rules/{draft}/approval", "审批规则草稿", Auth.STAFF, roles=_APPROVERS, body=JudgeDraft, returns=DraftView
)
def judge_draft(request: Request[JudgeDraft]) -> DraftView:
    """Approve a draft, or put it back."""
    desk, staff = wiring.rule_desk(), wiring.reviewer(request.principal)
    return draft_view(desk.judge(request.path["draft"], request.body, staff))


@api.route(
    "POST",
    "/rules/{draft}/publication",
    "发布规则草稿",
    Auth.STAFF,
    roles=_AUTHORS,
    body=PublishDraft,
    returns=VersionView,
    status=201,
)
def publish_draft(request: Request[PublishDraft]) -> VersionView:
    """Publish an approved draft as the next version."""
    desk, staff = wiring.rule_desk(), wiring.reviewer(request.principal)
    return new_version_view(desk.publish(request.path["draft"], request.body, staff))


@api.route(
    "POST",
    "/rules/rollback",
    "回滚到旧的规则版本",
    Auth.STAFF,
    roles=_APPROVERS,
    body=RollBack,
    returns=VersionView,
    status=201,
)
def roll_back(request: Request[RollBack]) -> VersionView:
    """Publish the terms of an old version as the next one."""
    return new_version_view(wiring.rule_desk().roll_back(request.body, wiring.reviewer(request.principal)))


lambda_handler = api.handler
