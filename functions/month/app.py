"""Ladder and team bonuses of a month: what a close posted, and what it would post now."""

from fenxiao import wiring
from fenxiao.commission.month_contract import MONTH_QUERY, MonthPage, PreviewStarted, month_page, previewable
from fenxiao.http.api import Api, Auth, Request, Role

api = Api("month")
_READERS = frozenset({Role.FINANCE, Role.FINANCE_LEAD, Role.OPERATIONS})


@api.route("GET", "/staff/months/{month}", "月度奖励", Auth.STAFF, roles=_READERS, returns=MonthPage, query=MONTH_QUERY)
def get_month(request: Request[None]) -> MonthPage:
    """Answer the result of a Shanghai month and a page of its promoters."""
    return month_page(wiring.months(), request.path["month"], request.query)


@api.route(
    "POST",
    "/staff/months/{month}/preview",
    "重新预览月度奖励",
    Auth.STAFF,
    roles=_READERS,
    returns=PreviewStarted,
    status=202,
)
def preview_month(request: Request[None]) -> PreviewStarted:
    """Let a fresh preview be computed; nothing is posted."""
    month = previewable(request.path["month"], wiring.clock().now())
    wiring.start_preview(month)
    return PreviewStarted(month)


lambda_handler = api.handler
