"""Producing the daily reports that are due."""

from datetime import date, timedelta
from typing import Final

from fenxiao.clock import Clock, shanghai_day
from fenxiao.ledger.statement_store import StatementStore
from fenxiao.report.daily import daily_report
from fenxiao.report.store import ReportStore

_MAX_DAYS: Final = 31
"""What one run catches up with; a day's report is produced when the day is over in Shanghai."""


def produce_due(statements: StatementStore, reports: ReportStore, clock: Clock) -> list[date]:
    """Produce the report of every ended day that has none, oldest first, after a missed run too; return the days."""
    now = clock.now()
    today = shanghai_day(now)
    last = reports.last_day()
    first = today - timedelta(days=1) if last is None else last + timedelta(days=1)
    first = max(first, today - timedelta(days=_MAX_DAYS))
    days = [first + timedelta(days=i) for i in range((today - first).days)]
    for day in days:
        reports.put(daily_report(day, statements.totals(day), now))
    return days
