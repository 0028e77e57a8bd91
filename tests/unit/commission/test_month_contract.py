"""What staff may ask of a month, and what they get."""

from datetime import UTC, datetime

import pytest

from fenxiao.commission.month import Bonus
from fenxiao.commission.month_contract import (
    BadMonthError,
    BadViewError,
    MonthNotFoundError,
    MonthOutOfReachError,
    month_page,
    previewable,
)
from fenxiao.commission.month_plan import Award
from fenxiao.commission.month_result import Line, LineState, MonthResult, MonthState, View
from fenxiao.commission.month_store import MonthStore
from fenxiao.http.cursor import BadCursorError
from fenxiao.http.pages import BadLimitError
from tests.support.world import NOW


@pytest.fixture
def months(tables: None) -> MonthStore:
    months = MonthStore()
    bonus = Bonus(own_sales_fen=50_000, ladder_fen=500, team_sales_fen=9_000, team_bonus_fen=90)
    awards = [Award(month="2026-03", promoter_id=f"M{number}", bonus=bonus, rule_version=3) for number in range(5)]
    months.put_lines(View.CLOSE, [Line(award, LineState.HELD) for award in awards])
    months.put(
        MonthResult(
            month="2026-03",
            view=View.CLOSE,
            state=MonthState.HELD,
            rule_version=3,
            revision=7,
            computed_at=NOW,
            on_hold=True,
            promoters=5,
            ladder_fen=2_500,
            team_bonus_fen=450,
        )
    )
    return months


@pytest.mark.parametrize("limit", [1, 2, 5, 100])
def test_pages_show_everybody_once_under_the_same_totals(months: MonthStore, limit: int) -> None:
    query, shown = {"limit": str(limit)}, list[str]()
    while True:
        page = month_page(months, "2026-03", query)
        assert (page.promoters, page.total_fen, page.computed_at.utcoffset() is not None) == (5, 2_950, True)
        shown += [one.promoter_id for one in page.items]
        assert {one.total_fen for one in page.items} == {590}
        if page.next_cursor is None:
            break
        query["cursor"] = page.next_cursor
    assert shown == [f"M{number}" for number in range(5)]


@pytest.mark.parametrize(
    ("month", "query", "refusal"),
    [
        ("2026-3", {}, BadMonthError),
        ("2026-13", {}, BadMonthError),
        ("2026-03#close", {}, BadMonthError),
        ("２０２６-03", {}, BadMonthError),
        ("2026-03", {"view": "all"}, BadViewError),
        ("2026-03", {"limit": "0"}, BadLimitError),
        ("2026-03", {"cursor": "x"}, BadCursorError),
        ("2026-03", {"view": "preview"}, MonthNotFoundError),
        ("2026-04", {}, MonthNotFoundError),
    ],
)
def test_what_cannot_be_shown_is_refused(
    months: MonthStore, month: str, query: dict[str, str], refusal: type[Exception]
) -> None:
    with pytest.raises(refusal):
        month_page(months, month, query)


@pytest.mark.parametrize("month", ["2026-04", "2026-03", "2025-02"])
def test_the_current_month_and_those_before_it_may_be_previewed(month: str) -> None:
    assert previewable(month, datetime(2026, 3, 31, 16, tzinfo=UTC)) == month


@pytest.mark.parametrize(
    ("month", "refusal"),
    [("2026-05", MonthOutOfReachError), ("2025-01", MonthOutOfReachError), ("2026-00", BadMonthError)],
)
def test_months_to_come_and_of_long_ago_may_not(month: str, refusal: type[Exception]) -> None:
    with pytest.raises(refusal):
        previewable(month, datetime(2026, 3, 31, 16, tzinfo=UTC))
