from datetime import UTC, date, datetime, timedelta

import pytest

from fenxiao.ledger.projection import ProjectionStore
from fenxiao.ledger.statement import FIGURES
from fenxiao.ledger.statement_store import StatementStore
from fenxiao.report.daily import daily_report
from fenxiao.report.schedule import produce_due
from fenxiao.report.store import ReportNotFoundError, ReportStore
from tests.support.world import NOW, Books, paid_order, refund, rule_set

DAY = date(2026, 3, 1)
NOTHING = dict.fromkeys(FIGURES, 0)


class Fixed:
    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def now(self) -> datetime:
        return self.moment


def test_the_withdrawn_gross_is_what_went_out_plus_tax_and_fee() -> None:
    figures = NOTHING | {"reserved_fen": -1000, "paid_out_fen": 850, "tax_payable_fen": 140, "fee_income_fen": 10}
    report = daily_report(DAY, figures, NOW)
    assert (report.withdrawn_fen, report.paid_out_fen, report.books_balance) == (1000, 850, True)


def test_books_that_do_not_sum_to_zero_are_reported_as_such() -> None:
    assert not daily_report(DAY, NOTHING | {"held_fen": 1}, NOW).books_balance


@pytest.mark.parametrize(("share_bps", "health"), [(2000, "good"), (2001, "watch"), (3000, "watch"), (3001, "alarm")])
def test_health_follows_the_commission_share_of_net_sales(share_bps: int, health: str) -> None:
    figures = NOTHING | {"sales_fen": 30_000, "refunds_fen": 20_000, "held_fen": share_bps}
    expenses = {"commission_expense_fen": 300 - share_bps, "campaign_expense_fen": -300}
    report = daily_report(DAY, figures | expenses, NOW)
    assert (report.commission_fen, report.cashback_fen) == (share_bps - 300, 300)
    assert (report.commission_share_bps, report.health) == (share_bps, health)


@pytest.mark.usefixtures("tables")
def test_every_ended_day_gets_its_report_once_and_missed_runs_are_caught_up() -> None:
    statements, reports, books, order = StatementStore(), ReportStore(), Books(), paid_order(10_000)
    journals = books.follow(order, [], rule_set()) + books.follow(order, [refund(order, 5_000)], rule_set())
    ProjectionStore().project(journals)
    before_midnight = datetime(2026, 3, 1, 15, 59, tzinfo=UTC)
    assert produce_due(statements, reports, Fixed(before_midnight)) == [date(2026, 2, 28)]
    after = before_midnight + timedelta(days=2, minutes=2)
    assert produce_due(statements, reports, Fixed(after)) == [DAY, date(2026, 3, 2), date(2026, 3, 3)]
    assert produce_due(statements, reports, Fixed(after)) == []
    report = reports.get(DAY)
    assert (report.orders, report.paid_fen, report.refunded_fen, report.commission_fen) == (1, 10_000, 5_000, 850)
    assert report.books_balance
    with pytest.raises(ReportNotFoundError):
        reports.get(date(2026, 3, 4))
