import csv
import io
import re
import zipfile
from collections.abc import Sequence
from datetime import timedelta
from xml.etree import ElementTree as ET

import pytest
from msgspec.structs import replace

from fenxiao.ledger.export import csv_text, safe_text, workbook, yuan_text
from fenxiao.ledger.model import TaxClass, Wallet
from fenxiao.ledger.running import Account, RunningLine, Wanted, account
from tests.support.world import NOW
from tests.unit.ledger.test_running import NEWEST

MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
EARN = replace(NEWEST, held_fen=123_456)
SETTLE = replace(
    NEWEST, number=1, event="settle", held_fen=-123_456, available_fen=123_456, posted_at=NOW + timedelta(hours=13)
)
CASHBACK = replace(NEWEST, tax_class=TaxClass.REBATE, held_fen=5, posted_at=NOW + timedelta(days=1))
CLAW = replace(
    NEWEST,
    number=2,
    event="refund#R1",
    held_fen=0,
    available_fen=-123_456,
    debt_fen=1,
    posted_at=NOW + timedelta(days=2),
)
BALANCES = {TaxClass.COMMISSION: Wallet(debt_fen=1), TaxClass.REBATE: Wallet(held_fen=5)}
ACCOUNT = account([CLAW, CASHBACK, SETTLE, EARN], BALANCES, Wanted())


def csv_rows(account: Account) -> list[list[str]]:
    text = csv_text(account)
    assert text.startswith("\ufeff")
    return list(csv.reader(io.StringIO(text.removeprefix("\ufeff"))))


def sheet(content: bytes) -> ET.Element:
    with zipfile.ZipFile(io.BytesIO(content)) as book:
        return ET.fromstring(book.read("xl/worksheets/sheet1.xml"))  # noqa: S314 - our own file


def xlsx_rows(content: bytes) -> list[dict[str, str | float]]:
    """The cells of each row by column; numbers as numbers."""
    rows: list[dict[str, str | float]] = []
    for row in sheet(content).iter(f"{MAIN}row"):
        cells: dict[str, str | float] = {}
        for cell in row.iter(f"{MAIN}c"):
            column = re.sub(r"\d", "", cell.attrib["r"])
            value = cell.findtext(f"{MAIN}v")
            cells[column] = cell.findtext(f"{MAIN}is/{MAIN}t") or "" if value is None else float(value)
        rows.append(cells)
    return rows


def test_csv_tells_the_period_from_old_to_new_between_its_balances() -> None:
    header, *rows = csv_rows(ACCOUNT)
    assert header[:5] == ["入账时间", "发生时间", "类别", "事项", "来源"]
    assert {len(row) for row in rows} == {len(header)}
    assert [(row[2], row[3]) for row in rows] == [
        ("佣金", "期初余额"),
        ("返现", "期初余额"),
        ("佣金", "订单佣金"),
        ("佣金", "佣金结算"),
        ("返现", "首单返现"),
        ("佣金", "退款扣回"),
        ("佣金", "本期合计"),
        ("返现", "本期合计"),
        ("佣金", "期末余额"),
        ("返现", "期末余额"),
    ]
    assert rows[3] == [
        "2026-03-02 01:00:00",
        "2026-03-01 12:00:00",
        "佣金",
        "佣金结算",
        "T1",
        *("-1234.56", "1234.56", "0.00", "0.00"),
        *("0.00", "1234.56", "0.00", "0.00"),
        "T1-C",
        "order~T1~1",
    ]
    assert rows[0][5:] == [*[""] * 4, *["0.00"] * 4, "", ""]
    assert rows[6][5:9] == ["0.00", "0.00", "0.00", "0.01"]
    assert rows[8][9:13] == ["0.00", "0.00", "0.00", "0.01"]
    assert rows[9][9:13] == ["0.05", "0.00", "0.00", "0.00"]


def test_workbook_says_the_same_as_the_csv_with_amounts_as_numbers() -> None:
    rows = xlsx_rows(workbook(ACCOUNT))
    columns = "ABCDEFGHIJKLMNO"
    for told, row in zip(rows, csv_rows(ACCOUNT), strict=True):
        assert {column: cell for column, cell in zip(columns, row, strict=True) if cell} == {
            column: f"{cell:.2f}" if isinstance(cell, float) else cell for column, cell in told.items()
        }
    numbers = {column for row in rows for column, cell in row.items() if isinstance(cell, float)}
    assert numbers == set("FGHIJKLM")


def test_workbook_has_a_frozen_header_wide_columns_and_yuan() -> None:
    content = workbook(ACCOUNT)
    pane = next(sheet(content).iter(f"{MAIN}pane"))
    assert (pane.attrib["state"], pane.attrib["topLeftCell"]) == ("frozen", "A2")
    assert sum(int(one.attrib["max"]) - int(one.attrib["min"]) + 1 for one in sheet(content).iter(f"{MAIN}col")) == 15
    with zipfile.ZipFile(io.BytesIO(content)) as book:
        assert b'formatCode="0.00"' in book.read("xl/styles.xml")


@pytest.mark.parametrize("fen", [0, 1, -1, 99, -100, 12_345, -10, 10**15 - 1])
def test_yuan_are_exact(fen: int) -> None:
    text = yuan_text(fen)
    assert re.fullmatch(r"-?\d+\.\d\d", text)
    assert int(text.replace(".", "")) == fen
    assert not text.startswith("-0.00")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "-", "--1.00", "-1.00\n"])
def test_text_that_a_spreadsheet_would_compute_is_disarmed(text: str) -> None:
    assert safe_text(text) == "'" + text


@pytest.mark.parametrize("text", ["", "-12.34", "12.34", "2026-03-01 12:00:00", "T1-C", "订单佣金", "a=b"])
def test_other_text_stays_as_it_is(text: str) -> None:
    assert safe_text(text) == text


def test_formula_in_an_id_is_text_in_both_files() -> None:
    evil = account([replace(EARN, collection="order#=1+1")], {**BALANCES, TaxClass.COMMISSION: Wallet()}, Wanted())
    assert csv_rows(evil)[3][4] == "'=1+1"
    assert xlsx_rows(workbook(evil))[3]["E"] == "=1+1"
    assert not list(sheet(workbook(evil)).iter(f"{MAIN}f"))


def test_largest_export_fits_into_an_answer_of_lambda() -> None:
    ids = "0" * 26
    line = replace(
        EARN, member_id=f"M{ids}", collection=f"order#T{ids}", number=999_999, event=f"refund#R{ids}", held_fen=-(10**9)
    )
    shown: Sequence[RunningLine] = [RunningLine(line, BALANCES, BALANCES)] * 10_000
    largest = Account(list(shown), BALANCES, BALANCES)
    assert len(csv_text(largest).encode()) < 4 * 2**20
    assert len(workbook(largest)) < 3 * 2**20
