"""HTTP contract of the reports."""

from datetime import date, datetime

import msgspec

from fenxiao.errors import BadRequestError
from fenxiao.report.daily import DailyReport


class BadDayError(BadRequestError):
    """Not a calendar day."""

    code = "bad_day"
    title = "日期格式应为 YYYY-MM-DD"


class DailyReportView(msgspec.Struct, frozen=True):
    """The daily report: amounts in fen, share in basis points of net sales."""

    day: date
    produced_at: datetime
    orders: int
    paid_fen: int
    refunded_fen: int
    commission_fen: int
    withdrawn_fen: int
    paid_out_fen: int
    tax_fen: int
    fee_fen: int
    commission_share_bps: int | None
    health: str
    books_balance: bool


def report_view(report: DailyReport) -> DailyReportView:
    """Return the report as it is answered."""
    return msgspec.convert(report, DailyReportView, from_attributes=True)


def parse_day(text: str) -> date:
    """Return the day that a path parameter names.

    Raises:
        BadDayError: not of the form `YYYY-MM-DD`.
    """
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BadDayError from None
