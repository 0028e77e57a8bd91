"""A statement as a file that people open: CSV, or a workbook.

Both hold the same rows: the header, the opening balances, the lines from old to new, their sums, the closing balances.
Opening and closing are those of the whole period; where only one type of lines is shown, the rest lies between them.
Amounts are in yuan, formed from whole fen.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from fenxiao.clock import SHANGHAI
from fenxiao.ledger.evidence import journal_id
from fenxiao.ledger.model import TaxClass, Wallet
from fenxiao.ledger.running import Account, Balances, RunningLine

CSV: Final = "text/csv; charset=utf-8"
XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

_HEADER: Final = (
    "入账时间",
    "发生时间",
    "类别",
    "事项",
    "来源",
    "冻结变动（元）",
    "可提现变动（元）",
    "提现中变动（元）",
    "欠款变动（元）",
    "冻结余额（元）",
    "可提现余额（元）",
    "提现中余额（元）",
    "欠款余额（元）",
    "佣金编号",
    "凭证编号",
)
_WIDTHS: Final = (20, 20, 8, 14, 30, *[16] * 8, 58, 40)
"""In characters, as wide as what the columns hold."""
_CLASSES: Final = {TaxClass.COMMISSION: "佣金", TaxClass.REBATE: "返现"}
_NO_TIMES: Final = ("", "")
_NO_IDS: Final = ("", "")
_NO_AMOUNTS: Final = ("",) * 4
_BOM: Final = "\ufeff"
"""Without it, Excel takes a CSV file for one in the machine's old code page."""
_FORMULA: Final = re.compile(r"[=+\-@\t\r]")
_NUMBER: Final = re.compile(r"-?\d+\.\d\d")

type _Cell = str | int
"""Text, or fen."""


def csv_text(account: Account) -> str:
    """Return the statement as the text of a CSV file (RFC 4180)."""
    text = io.StringIO()
    text.write(_BOM)
    writer = csv.writer(text)
    writer.writerows([_csv_cell(cell) for cell in row] for row in _rows(account))
    return text.getvalue()


def workbook(account: Account) -> bytes:
    """Return the statement as an XLSX file; amounts are numbers, and text is never taken for a formula."""
    import xlsxwriter

    content = io.BytesIO()
    with xlsxwriter.Workbook(content, {"constant_memory": True}) as book:
        sheet = book.add_worksheet("明细")
        bold, yuan = book.add_format({"bold": True}), book.add_format({"num_format": "0.00"})
        for column, width in enumerate(_WIDTHS):
            sheet.set_column(column, column, width)
        sheet.freeze_panes(1, 0)
        for number, row in enumerate(_rows(account)):
            for column, cell in enumerate(row):
                if isinstance(cell, int):
                    sheet.write_number(number, column, Decimal(cell).scaleb(-2), yuan)
                elif cell:
                    sheet.write_string(number, column, cell, None if number else bold)
    return content.getvalue()


def yuan_text(fen: int) -> str:
    """Return fen as yuan with two decimals."""
    return f"{'-' if fen < 0 else ''}{abs(fen) // 100}.{abs(fen) % 100:02d}"


def safe_text(text: str) -> str:
    """Return a text so that no spreadsheet takes it for a formula: with an apostrophe where it might."""
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def _rows(account: Account) -> Iterator[Sequence[_Cell]]:
    yield _HEADER
    yield from _balance_rows("期初余额", account.opening)
    for running in account.shown:
        yield _line_row(running)
    for tax_class, name in _CLASSES.items():
        sums = _sums(account.shown, tax_class)
        yield (*_NO_TIMES, name, "本期合计", "", *sums, *_NO_AMOUNTS, *_NO_IDS)
    yield from _balance_rows("期末余额", account.closing)


def _balance_rows(title: str, balances: Balances) -> Iterator[Sequence[_Cell]]:
    for tax_class, name in _CLASSES.items():
        yield (*_NO_TIMES, name, title, "", *_NO_AMOUNTS, *_fens(balances[tax_class]), *_NO_IDS)


def _line_row(running: RunningLine) -> Sequence[_Cell]:
    line = running.line
    return (
        _shanghai(line.posted_at),
        _shanghai(line.at),
        _CLASSES[line.tax_class],
        line.title,
        line.source,
        line.held_fen,
        line.available_fen,
        line.reserved_fen,
        line.debt_fen,
        *_fens(running.wallet),
        line.commission_id or "",
        journal_id(line.collection, line.number),
    )


def _sums(shown: Sequence[RunningLine], tax_class: TaxClass) -> tuple[int, ...]:
    lines = [running.line for running in shown if running.line.tax_class is tax_class]
    return (
        sum(line.held_fen for line in lines),
        sum(line.available_fen for line in lines),
        sum(line.reserved_fen for line in lines),
        sum(line.debt_fen for line in lines),
    )


def _fens(wallet: Wallet) -> tuple[int, int, int, int]:
    return wallet.held_fen, wallet.available_fen, wallet.reserved_fen, wallet.debt_fen


def _shanghai(moment: datetime) -> str:
    return f"{moment.astimezone(SHANGHAI):%Y-%m-%d %H:%M:%S}"


def _csv_cell(cell: _Cell) -> str:
    return yuan_text(cell) if isinstance(cell, int) else safe_text(cell)
