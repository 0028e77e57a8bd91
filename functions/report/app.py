"""Produced reports."""

from fenxiao import wiring
from fenxiao.http.api import Api, Auth, Request
from fenxiao.report.contract import DailyReportView, parse_day, report_view

api = Api("report")


@api.route("GET", "/staff/reports/daily/{day}", "经营日报", Auth.STAFF, returns=DailyReportView)
def daily(request: Request[None]) -> DailyReportView:
    """Answer the report of a Shanghai day."""
    return report_view(wiring.reports().get(parse_day(request.path["day"])))


lambda_handler = api.handler
