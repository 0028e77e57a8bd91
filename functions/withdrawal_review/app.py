"""The reviewers' desk: the queue, a case, a decision; and write-offs, which begin with a case."""

from fenxiao import wiring
from fenxiao.http.api import Api, Auth, Request, Role
from fenxiao.http.pages import Page
from fenxiao.ledger.write_off import RequestWriteOff, request_write_off
from fenxiao.review.contract import QUEUE_QUERY, CaseView, DecideCase, case_view, queue_page
from fenxiao.review.decisions import decide
from fenxiao.withdrawal.case_detail import CaseDetail, case_detail

api = Api("withdrawal_review")
_REVIEWERS = frozenset({Role.FINANCE, Role.FINANCE_LEAD})


@api.route("GET", "/staff/cases", "审核列表", Auth.STAFF, roles=_REVIEWERS, returns=Page[CaseView], query=QUEUE_QUERY)
def list_cases(request: Request[None]) -> Page[CaseView]:
    """Answer a page of the queue, oldest first."""
    return queue_page(request.query, wiring.cases())


@api.route("GET", "/staff/cases/{case_id}", "审核详情", Auth.STAFF, roles=_REVIEWERS, returns=CaseDetail)
def get_case(request: Request[None]) -> CaseDetail:
    """Answer a case with what it takes to decide."""
    return case_detail(request.path["case_id"], wiring.cases(), wiring.withdrawals())


@api.route(
    "POST",
    "/staff/cases/{case_id}/decisions",
    "审核决定",
    Auth.STAFF,
    roles=_REVIEWERS,
    body=DecideCase,
    returns=CaseView,
    status=201,
)
def decide_case(request: Request[DecideCase]) -> CaseView:
    """Write the reviewer's decision."""
    reviewer = wiring.reviewer(request.principal)
    said = request.body
    case_id = request.path["case_id"]
    return case_view(decide(wiring.cases(), reviewer, case_id, said.round, said.verdict, said.reason, wiring.clock()))


@api.route(
    "POST",
    "/staff/members/{member_id}/write-offs",
    "申请核销欠款",
    Auth.STAFF,
    roles=_REVIEWERS,
    body=RequestWriteOff,
    returns=CaseView,
    status=201,
    idempotent=True,
)
def create_write_off(request: Request[RequestWriteOff]) -> CaseView:
    """Open the case on a write-off."""
    maker, debtor = wiring.reviewer(request.principal), wiring.debtor(request.path["member_id"])
    return case_view(
        request_write_off(wiring.ledger(), wiring.docket(), maker, debtor, request.idempotency_key, request.body)
    )


lambda_handler = api.handler
