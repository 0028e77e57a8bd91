from datetime import date, timedelta
from itertools import islice

import pytest
from msgspec.structs import replace

from fenxiao.ledger import running
from fenxiao.ledger.model import TaxClass, Wallet
from fenxiao.ledger.running import TooManyLinesError, Wanted, account, run_back, stretch
from fenxiao.ledger.statement import LineType, StatementLine
from tests.support.world import NOW

DAYS = 5
NEWEST = StatementLine(
    member_id="C",
    tax_class=TaxClass.COMMISSION,
    at=NOW,
    posted_at=NOW,
    collection="order#T1",
    number=0,
    event="earn",
    held_fen=1,
    available_fen=0,
    reserved_fen=0,
    debt_fen=0,
)
LINES = [
    replace(NEWEST, collection=f"order#T{day}", number=number, event=event, posted_at=NOW - timedelta(days=day))
    for day in range(DAYS)
    for number, event in ((1, "settle"), (0, "earn"))
]
"""Newest first: two a day, on the 1st of March and the four days before."""
NOW_THERE = {TaxClass.COMMISSION: Wallet(held_fen=len(LINES)), TaxClass.REBATE: Wallet(available_fen=3)}


def held(lines: list[running.RunningLine]) -> list[int]:
    return [one.wallet.held_fen for one in lines]


def test_balances_begin_with_the_wallet_and_go_back_line_by_line() -> None:
    lines = list(run_back(LINES, NOW_THERE))
    assert held(lines) == list(range(len(LINES), 0, -1))
    assert lines[0].after == NOW_THERE
    assert lines[-1].before == {TaxClass.COMMISSION: Wallet(), TaxClass.REBATE: Wallet(available_fen=3)}


def test_line_of_one_class_leaves_the_other_alone() -> None:
    rebate = replace(NEWEST, tax_class=TaxClass.REBATE, held_fen=0, available_fen=3)
    (line,) = run_back([rebate], NOW_THERE)
    assert line.before == {**NOW_THERE, TaxClass.REBATE: Wallet()}
    assert line.wallet == Wallet(available_fen=3)


def test_page_ends_with_its_limit_and_says_so_only_if_there_is_more() -> None:
    page = stretch(run_back(LINES, NOW_THERE), Wanted(), len(LINES) - 1)
    assert page.last == page.shown[-1]
    assert len(page.shown) == len(LINES) - 1
    assert stretch(run_back(LINES, NOW_THERE), Wanted(), len(LINES)).last is None
    assert stretch(iter(()), Wanted(), 5) == running.Stretch([], None)


def test_page_looks_at_one_line_more_than_it_shows() -> None:
    lines = iter(LINES)
    stretch(run_back(lines, NOW_THERE), Wanted(), 3)
    assert list(lines) == LINES[4:]


@pytest.mark.parametrize(
    ("first", "last", "shown"),
    [(None, None, 10), (date(2026, 2, 26), None, 8), (None, date(2026, 2, 27), 6), (date(2026, 2, 27),) * 2 + (2,)],
)
def test_period_holds_its_bounds(first: date | None, last: date | None, shown: int) -> None:
    page = stretch(run_back(LINES, NOW_THERE), Wanted(first=first, last=last), 100)
    assert len(page.shown) == shown
    assert page.last is None


def test_days_are_those_of_shanghai() -> None:
    """16:00 UTC is the next day's midnight."""
    before, at = (replace(NEWEST, posted_at=NOW.replace(hour=15, minute=59) + timedelta(minutes=one)) for one in (0, 1))
    for wanted, line in (
        (Wanted(first=date(2026, 3, 2)), at),
        (Wanted(last=date(2026, 3, 1)), before),
    ):
        page = stretch(run_back([at, before], NOW_THERE), wanted, 9)
        assert [one.line for one in page.shown] == [line]


def test_page_that_finds_nothing_stops_looking_and_can_be_gone_on_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "MAX_LOOKED_AT", 4)
    wanted = Wanted(last=date(2026, 2, 27))
    page = stretch(run_back(LINES, NOW_THERE), wanted, 3)
    assert page.shown == []
    assert page.last
    assert page.last.line == LINES[3]
    rest = stretch(run_back(LINES[4:], page.last.before), wanted, 3)
    assert held(rest.shown) == [6, 5, 4]


def test_nothing_older_than_the_period_is_read() -> None:
    lines = iter(LINES)
    stretch(run_back(lines, NOW_THERE), Wanted(first=date(2026, 2, 28)), 100)
    account_lines = iter(LINES)
    account(account_lines, NOW_THERE, Wanted(first=date(2026, 2, 28)))
    assert list(lines) == list(account_lines) == LINES[5:]


def test_account_of_a_period_stands_between_its_opening_and_its_closing() -> None:
    found = account(LINES, NOW_THERE, Wanted(first=date(2026, 2, 26), last=date(2026, 2, 27)))
    assert held(found.shown) == [3, 4, 5, 6]
    assert (found.opening[TaxClass.COMMISSION], found.closing[TaxClass.COMMISSION]) == (
        Wallet(held_fen=2),
        Wallet(held_fen=6),
    )


def test_account_of_one_type_opens_and_closes_like_the_whole_period() -> None:
    whole, part = (
        account(LINES, NOW_THERE, Wanted(first=date(2026, 2, 26), last=date(2026, 2, 27), type=kind))
        for kind in (None, LineType.EARN)
    )
    assert held(part.shown) == [3, 5]
    assert (part.opening, part.closing) == (whole.opening, whole.closing)


@pytest.mark.parametrize("days", [(2, 1), (99, 98), (-98, -99)])
def test_account_of_a_period_without_lines_is_what_was_there(days: tuple[int, int]) -> None:
    first, last = (date(2026, 3, 1) - timedelta(days=one) for one in days)
    lines = [line for line in LINES if not first <= line.posted_at.date() <= last]
    found = account(lines, NOW_THERE, Wanted(first=first, last=last))
    newer = [line for line in lines if line.posted_at.date() > last]
    assert found.shown == []
    assert found.opening == found.closing
    assert found.closing[TaxClass.COMMISSION].held_fen == len(LINES) - len(newer)


def test_too_long_a_period_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "MAX_EXPORTED", 5)
    with pytest.raises(TooManyLinesError, match="最多导出"):
        account(LINES, NOW_THERE, Wanted())
    assert len(account(LINES, NOW_THERE, Wanted(type=LineType.EARN)).shown) == 5


def test_too_old_a_period_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "MAX_READ", 6)
    with pytest.raises(TooManyLinesError, match="更近"):
        account(LINES, NOW_THERE, Wanted(last=date(2026, 2, 27)))
    assert len(account(islice(LINES, 6), NOW_THERE, Wanted(last=date(2026, 2, 27))).shown) == 2
