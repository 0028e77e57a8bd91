"""Results of months and their lines on each engine."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from fenxiao.commission.month import NOTHING, Bonus
from fenxiao.commission.month_plan import Award
from fenxiao.commission.month_result import Line, LineState, MonthResult, MonthState, View
from fenxiao.commission.month_store import MonthStore, MonthTakenError
from tests.contract.entries import NOW
from tests.support.engines import Engine, refusal
from tests.support.world import FrozenClock

pytestmark = pytest.mark.rule("M19")

RESULT = MonthResult(
    month="2026-03",
    view=View.CLOSE,
    state=MonthState.HELD,
    rule_version=3,
    revision=7,
    computed_at=NOW,
    on_hold=True,
    promoters=1,
    ladder_fen=500,
    team_bonus_fen=50,
)


def line(promoter_id: str, bonus: Bonus = NOTHING, state: LineState = LineState.COMPUTED) -> Line:
    return Line(Award(month="2026-03", promoter_id=promoter_id, bonus=bonus, rule_version=3), state)


def test_a_result_replaces_itself_and_the_views_are_apart(engine: Engine) -> None:
    months = MonthStore()
    preview = replace(RESULT, view=View.PREVIEW, state=MonthState.PREVIEWED)
    parked = replace(RESULT, state=MonthState.PARKED, parked_case="C1", let_go_at=NOW)
    for result in (RESULT, preview, replace(RESULT, month="2026-02"), parked):
        months.put(result)
    assert (months.result("2026-03", View.CLOSE), months.result("2026-03", View.PREVIEW)) == (parked, preview)
    assert list(months.results(View.CLOSE)) == ["2026-02", "2026-03"]
    assert months.result("2026-01", View.CLOSE) is None


def test_a_month_is_had_by_one_run_at_a_time_and_not_for_ever(engine: Engine) -> None:
    months, clock = MonthStore(), FrozenClock(NOW)

    def take() -> None:
        with months.alone("2026-03", View.CLOSE, clock):
            assert refusal(take_again, MonthTakenError) is MonthTakenError
            months.put(RESULT)

    def take_again() -> None:
        with months.alone("2026-03", View.CLOSE, clock):
            pass

    take()
    assert months.result("2026-03", View.CLOSE) == RESULT
    take_again()
    abandoned = months.alone("2026-03", View.CLOSE, clock)
    abandoned.__enter__()
    assert refusal(take_again, MonthTakenError) is MonthTakenError
    clock.moment += timedelta(minutes=16, seconds=1)
    take_again()
    assert months.results(View.CLOSE) == {"2026-03": RESULT}, "who only has a month has no result of it"


def test_only_one_of_many_at_once_gets_a_month(engine: Engine) -> None:
    months, clock = MonthStore(), FrozenClock(NOW)
    held = []

    def take() -> bool:
        alone = months.alone("2026-03", View.PREVIEW, clock)
        held.append(alone)
        try:
            alone.__enter__()
        except MonthTakenError:
            return False
        return True

    assert sorted(engine.at_once(take, take, take)) == [False, False, True]


def test_lines_are_read_whole_and_by_pages_and_replace_themselves(engine: Engine) -> None:
    months = MonthStore()
    bonus = Bonus(own_sales_fen=50_000, ladder_fen=500, team_sales_fen=9_000, team_bonus_fen=90)
    lines = [line(f"M{number:02d}", bonus) for number in range(30)]
    months.put_lines(View.CLOSE, reversed(lines))
    months.put_lines(View.PREVIEW, [line("M99")])
    assert list(months.lines("2026-03", View.CLOSE)) == lines
    assert months.page("2026-03", View.CLOSE, None, 2) == lines[:2]
    assert months.page("2026-03", View.CLOSE, "M27", 10) == lines[28:]
    months.put_lines(View.CLOSE, [line("M00", NOTHING, LineState.SETTLED)])
    months.drop_lines(View.CLOSE, lines[2:])
    assert list(months.lines("2026-03", View.CLOSE)) == [line("M00", NOTHING, LineState.SETTLED), lines[1]]
    assert list(months.lines("2026-03", View.PREVIEW)) == [line("M99")]
