"""Reports in DynamoDB (`STATEMENT_TABLE`): one item a day; a report that is produced again replaces itself."""

from datetime import date
from typing import Final

from fenxiao.aws.dynamodb import Item, JsonAttribute, table
from fenxiao.errors import NotFoundError
from fenxiao.report.daily import DailyReport

_DAILY: Final = "report#daily"


class ReportNotFoundError(NotFoundError):
    """That day has no report (yet)."""

    code = "report_not_found"
    title = "该日报表尚未生成"


class ReportItem(Item):
    """A produced report."""

    Meta = table("STATEMENT_TABLE")

    report: JsonAttribute[DailyReport] = JsonAttribute(DailyReport)


class ReportStore:
    """Produced reports."""

    def put(self, report: DailyReport) -> None:
        """Keep a report."""
        ReportItem(pk=_DAILY, sk=report.day.isoformat(), report=report).save()

    def get(self, day: date) -> DailyReport:
        """Return the report of a day.

        Raises:
            ReportNotFoundError: there is none.
        """
        try:
            return ReportItem.get(_DAILY, day.isoformat()).report
        except ReportItem.DoesNotExist:
            raise ReportNotFoundError(day.isoformat()) from None

    def last_day(self) -> date | None:
        """Return the newest day that has a report."""
        for item in ReportItem.query(_DAILY, scan_index_forward=False, limit=1, consistent_read=True):
            return item.report.day
        return None
