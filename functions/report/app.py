"""Produced reports: of the business by day, and of the audit."""

from fenxiao import wiring
from fenxiao.audit.model import AuditReport
from fenxiao.http.api import Api, Auth, Request, Role
from fenxiao.reconcile.contract import reconciliation_view
from fenxiao.reconcile.model import Reconciliation
from fenxiao.report.contract import parse_day
from fenxiao.report.daily import DailyReport

api = Api("report")


@api.route("GET", "/staff/reports/daily/{day}", "经营日报", Auth.STAFF, returns=DailyReport)
def daily(request: Request[None]) -> DailyReport:
    """Answer the report of a Shanghai day."""
    return wiring.reports().get(parse_day(request.path["day"]))


@api.route(
    "GET",
    "/staff/audits/latest",
    "最近一次账务核对",
    Auth.STAFF,
    roles=frozenset({Role.FINANCE, Role.FINANCE_LEAD}),
    returns=AuditReport,
)
def latest_audit(_request: Request[None]) -> AuditReport:
    """Answer what the last audit of everything found."""
    return wiring.audits().latest()


@api.route(
    "GET",
    "/staff/reconciliations/{day}",
    "与微信对账的结果",
    Auth.STAFF,
    roles=frozenset({Role.FINANCE, Role.FINANCE_LEAD}),
    returns=Reconciliation,
)
def reconciliation(request: Request[None]) -> Reconciliation:
    """Answer how a Shanghai day came out against WeChat's bills."""
    return reconciliation_view(wiring.reconciliations().get(parse_day(request.path["day"])))


lambda_handler = api.handler
