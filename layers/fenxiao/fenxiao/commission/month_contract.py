"""What staff see of a closed or previewed month."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from msgspec import Struct

from fenxiao.clock import SHANGHAI, shanghai_month
from fenxiao.commission.month import month_after
from fenxiao.commission.month_result import MAX_MONTHS_BACK, Line, LineState, MonthState, View
from fenxiao.commission.month_store import MonthStore
from fenxiao.errors import BadRequestError, ConflictError, NotFoundError
from fenxiao.http.cursor import decode, encode
from fenxiao.http.pages import PAGE_QUERY, page_limit

MONTH_QUERY: Final = {"view": "close 为已结算的结果（默认），preview 为预览", **PAGE_QUERY}
_MONTH: Final = re.compile(r"20\d\d-(0[1-9]|1[0-2])", re.ASCII)


class BadMonthError(BadRequestError):
    """Not a month of the calendar."""

    code = "bad_month"
    title = "月份格式应为 YYYY-MM"


class BadViewError(BadRequestError):
    """Neither a close nor a preview."""

    code = "bad_view"
    title = "view 应为 close 或 preview"


class MonthNotFoundError(NotFoundError):
    """The month has not been closed, or previewed, (yet)."""

    code = "month_not_found"
    title = "该月尚未结算或预览"


class MonthOutOfReachError(ConflictError):
    """A month that has not begun, or is so long ago that nothing in it moves any more."""

    code = "month_out_of_reach"
    title = f"只能预览本月及之前 {MAX_MONTHS_BACK} 个月"


class BonusView(Struct, frozen=True, kw_only=True):
    """What the month gives one promoter, in fen, and the net sales from which it follows."""

    promoter_id: str
    own_sales_fen: int
    ladder_fen: int
    team_sales_fen: int
    team_bonus_fen: int
    total_fen: int
    state: LineState


class MonthPage(Struct, frozen=True, kw_only=True):
    """A month's totals, in fen, and a page of its promoters by id; `next_cursor` is absent on the last page.

    `on_hold` says that orders of the month are not settled yet, `parked_case` names the case for which its bonuses wait
    or waited.
    """

    month: str
    view: View
    state: MonthState
    rule_version: int
    computed_at: datetime
    on_hold: bool
    parked_case: str | None
    promoters: int
    ladder_fen: int
    team_bonus_fen: int
    total_fen: int
    items: list[BonusView]
    next_cursor: str | None


class PreviewStarted(Struct, frozen=True):
    """A preview is being computed; it can be read when its `computed_at` is a new one."""

    month: str


def month_page(months: MonthStore, month: str, query: Mapping[str, str]) -> MonthPage:
    """Return a month's result and a page of its promoters.

    Raises:
        BadMonthError, BadViewError, BadLimitError, BadCursorError: the request is not understood.
        MonthNotFoundError: there is no such result.
    """
    view, limit = _view(query), page_limit(query)
    after = decode(query["cursor"], tuple[str])[0] if "cursor" in query else None
    result = months.result(_known(month), view)
    if result is None:
        raise MonthNotFoundError
    lines = months.page(month, view, after, limit + 1)
    shown = lines[:limit]
    return MonthPage(
        month=month,
        view=view,
        state=result.state,
        rule_version=result.rule_version,
        computed_at=result.computed_at.astimezone(SHANGHAI),
        on_hold=result.on_hold,
        parked_case=result.parked_case or None,
        promoters=result.promoters,
        ladder_fen=result.ladder_fen,
        team_bonus_fen=result.team_bonus_fen,
        total_fen=result.ladder_fen + result.team_bonus_fen,
        items=[_bonus_view(line) for line in shown],
        next_cursor=encode(shown[-1].award.promoter_id) if len(lines) > limit else None,
    )


def previewable(month: str, now: datetime) -> str:
    """Return a month of which a preview may be asked for.

    Raises:
        BadMonthError: not of the form `YYYY-MM`.
        MonthOutOfReachError: it has not begun, or is too long ago.
    """
    current = shanghai_month(now)
    if not month_after(current, -MAX_MONTHS_BACK) <= _known(month) <= current:
        raise MonthOutOfReachError
    return month


def _known(month: str) -> str:
    if not _MONTH.fullmatch(month):
        raise BadMonthError
    return month


def _view(query: Mapping[str, str]) -> View:
    try:
        return View(query.get("view", View.CLOSE))
    except ValueError:
        raise BadViewError from None


def _bonus_view(line: Line) -> BonusView:
    bonus = line.award.bonus
    return BonusView(
        promoter_id=line.award.promoter_id,
        own_sales_fen=bonus.own_sales_fen,
        ladder_fen=bonus.ladder_fen,
        team_sales_fen=bonus.team_sales_fen,
        team_bonus_fen=bonus.team_bonus_fen,
        total_fen=bonus.total_fen,
        state=line.state,
    )
