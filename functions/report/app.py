"""Produced reports."""

from fenxiao import wiring
from fenxiao.http.api import Api, Auth, Request
from fenxiao.report.contract import parse_day
from fenxiao.report.daily import DailyReport

api = Api("report")


@api.route("GET", "/staff/reports/daily/{day}", "经营日报", Auth.STAFF, returns=DailyReport)
def daily(request: Request[None]) -> DailyReport:
    """Answer the report of a Shanghai day."""
    return wiring.reports().get(parse_day(request.path["day"]))


lambda_handler = api.handler
