"""HTTP contracts of wallet and statement."""

from collections.abc import Mapping
from datetime import date, datetime
from itertools import batched
from typing import Final
from urllib.parse import quote

import msgspec

from fenxiao.clock import Clock, shanghai_day
from fenxiao.errors import BadRequestError
from fenxiao.http import cursor
from fenxiao.http.api import Binary, Text
from fenxiao.http.pages import PAGE_QUERY, Page, page_limit
from fenxiao.ledger.evidence import journal_id
from fenxiao.ledger.export import CSV, XLSX, csv_text, workbook
from fenxiao.ledger.model import Bucket, TaxClass, Wallet, WalletKey
from fenxiao.ledger.running import Balances, RunningLine, Wanted, account, run_back, stretch
from fenxiao.ledger.statement import LineType
from fenxiao.ledger.statement_store import Position, StatementStore, position_of
from fenxiao.ledger.store import LedgerStore

_FILTERED_PAGE: Final = 100
"""Lines to read at once where a filter passes over some."""
_EXPORT_PAGE: Final = 2000
"""Lines to read at once for an export; DynamoDB answers up to 1 MB, which is about as many."""

WANTED_QUERY: Final = {
    "type": f"只看一类：{'、'.join(LineType)}",
    "from": "起始日（含，按入账时间，上海时区），YYYY-MM-DD",
    "to": "截止日（含，按入账时间，上海时区），YYYY-MM-DD",
}
"""The query parameters that choose lines."""
EXPORT_QUERY: Final = {"format": "csv 或 xlsx（须带 Accept 头，值为 xlsx 的媒体类型）", **WANTED_QUERY}
STATEMENT_QUERY: Final = {
    **WANTED_QUERY,
    **PAGE_QUERY,
    "cursor": "下一页的游标；筛选时一页可能不满甚至为空，有游标就还有下一页",
}

_MAX_FEN: Final = 10**15
"""Above any balance; a forged cursor cannot make figures that JSON cannot hold."""


class BalancesView(msgspec.Struct, frozen=True):
    """Balances in fen: frozen until settlement, ready to withdraw, in a withdrawal, and owed."""

    held_fen: int
    available_fen: int
    reserved_fen: int
    debt_fen: int


class WalletView(msgspec.Struct, frozen=True):
    """A member's wallets, in fen: the commission's figures, and under `rebate` those of cashback on own purchases."""

    held_fen: int
    available_fen: int
    reserved_fen: int
    debt_fen: int
    rebate: BalancesView


class LineView(msgspec.Struct, frozen=True):
    """A statement line: what one event did to one wallet, in fen, and that wallet's balances `after` it.

    `at` is the instant of the event, `posted_at` the one at which the books learned of it. `source` is the id of the
    order, withdrawal or case, or the month. A share of an order has a `commission_id`, by which it is explained.
    """

    at: datetime
    posted_at: datetime
    title: str
    event: LineType
    tax_class: TaxClass
    source: str
    journal_id: str
    commission_id: str | None
    held_fen: int
    available_fen: int
    reserved_fen: int
    debt_fen: int
    after: BalancesView


class UnknownTypeError(BadRequestError):
    """There are no lines of that type."""

    code = "unknown_line_type"
    title = "没有这类明细"


class BadPeriodError(BadRequestError):
    """The bounds of the period are no calendar days, or in the wrong order."""

    code = "bad_period"
    title = "期间无效"


class UnknownFormatError(BadRequestError):
    """No export has that form."""

    code = "unknown_format"
    title = "不支持的导出格式"


def wallet_view(member_id: str, store: LedgerStore) -> WalletView:
    """Return a member's wallets as they are now."""
    balances = balances_now(member_id, store)
    commission = balances[TaxClass.COMMISSION]
    return WalletView(
        commission.held_fen,
        commission.available_fen,
        commission.reserved_fen,
        commission.debt_fen,
        _balances_view(balances[TaxClass.REBATE]),
    )


def statement_page(
    member_id: str, query: Mapping[str, str], ledger: LedgerStore, statements: StatementStore
) -> Page[LineView]:
    """Return a page of a member's statement, newest first, with running balances.

    A page's balances go on exactly from those of the page before, which its cursor carries.

    Raises:
        BadLimitError: the page size is out of range.
        BadCursorError: the cursor is not one of ours.
        UnknownTypeError: there are no lines of that type.
        BadPeriodError: the period is none.
    """
    limit, wanted = page_limit(query), wanted_lines(query)
    if query.get("cursor"):
        before, balances = _resumed(query["cursor"])
    else:
        before, balances = None, balances_now(member_id, ledger)
    lines = statements.lines(member_id, before, limit + 1 if wanted.is_everything else _FILTERED_PAGE)
    page = stretch(run_back(lines, balances), wanted, limit)
    return Page([_line_view(one) for one in page.shown], _cursor(page.last) if page.last else None)


def statement_export(
    member_id: str, query: Mapping[str, str], ledger: LedgerStore, statements: StatementStore, clock: Clock
) -> Text | Binary:
    """Return a period of a member's statement as a file.

    Raises:
        UnknownFormatError: neither CSV nor XLSX is asked for.
        UnknownTypeError: there are no lines of that type.
        BadPeriodError: the period is none.
        TooManyLinesError: the period is too long, or too long ago.
    """
    form = query.get("format", "")
    if form not in ("csv", "xlsx"):
        raise UnknownFormatError("format 可取：csv、xlsx")
    wanted = wanted_lines(query)
    found = account(statements.lines(member_id, None, _EXPORT_PAGE), balances_now(member_id, ledger), wanted)
    last = wanted.last or shanghai_day(clock.now())
    first = wanted.first or (shanghai_day(found.shown[0].line.posted_at) if found.shown else last)
    headers = {"Content-Disposition": _attachment(f"{first}-{last}.{form}")}
    if form == "csv":
        return Text(csv_text(found), CSV, headers=headers)
    return Binary(workbook(found), XLSX, headers)


def balances_now(member_id: str, store: LedgerStore) -> Balances:
    """Return a member's wallets, read consistently."""
    wallets = store.wallets([WalletKey(member_id, tax_class) for tax_class in TaxClass])
    return {key.tax_class: wallet for key, wallet in wallets.items()}


def wanted_lines(query: Mapping[str, str]) -> Wanted:
    """Return which lines the query asks for.

    Raises:
        UnknownTypeError: there are no lines of that type.
        BadPeriodError: `from` or `to` is no day, or `from` is later.
    """
    kind = query.get("type") or None
    if kind is not None and kind not in list(LineType):
        raise UnknownTypeError(f"type 可取：{'、'.join(LineType)}")
    first, last = _day(query, "from"), _day(query, "to")
    if first and last and first > last:
        raise BadPeriodError("from 不能晚于 to")
    return Wanted(type=LineType(kind) if kind else None, first=first, last=last)


def _day(query: Mapping[str, str], name: str) -> date | None:
    text = query.get(name) or None
    if text is None:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or day.isoformat() != text:  # other forms of ISO 8601 are days, too
        raise BadPeriodError(f"{name} 应为 YYYY-MM-DD 形式的日期")
    return day


def _attachment(name: str) -> str:
    """Return the header that names a file, in Chinese for those who read RFC 6266's extended parameter."""
    return f"attachment; filename=\"statement-{name}\"; filename*=UTF-8''{quote(f'佣金明细-{name}')}"


def _cursor(last: RunningLine) -> str:
    """Return the position of the last line looked at, and the balances before it, class by class."""
    fens = [fen for tax_class in TaxClass for fen in msgspec.structs.astuple(last.before[tax_class])]
    return cursor.encode(*position_of(last.line), *fens)


def _resumed(text: str) -> tuple[Position, Balances]:
    millis, place, *fens = cursor.decode(text, tuple[int, str, int, int, int, int, int, int, int, int])
    if max(map(abs, fens)) > _MAX_FEN:
        raise cursor.BadCursorError
    wallets = (Wallet(*four) for four in batched(fens, len(Bucket), strict=True))
    return (millis, place), dict(zip(TaxClass, wallets, strict=True))


def _line_view(running: RunningLine) -> LineView:
    line = running.line
    return LineView(
        at=line.at,
        posted_at=line.posted_at,
        title=line.title,
        event=line.type,
        tax_class=line.tax_class,
        source=line.source,
        journal_id=journal_id(line.collection, line.number),
        commission_id=line.commission_id,
        held_fen=line.held_fen,
        available_fen=line.available_fen,
        reserved_fen=line.reserved_fen,
        debt_fen=line.debt_fen,
        after=_balances_view(running.wallet),
    )


def _balances_view(wallet: Wallet) -> BalancesView:
    return BalancesView(wallet.held_fen, wallet.available_fen, wallet.reserved_fen, wallet.debt_fen)
