"""The text of WeChat Pay's bills, strictly read: what is not as documented is refused, and no amount is a float.

A bill (WeChat Pay's documents `format-trade` and `format-fundflow`) is UTF-8 with a byte order mark and CRLF: a header,
a row a record, a header of sums and their row. Each value stands behind a backtick, and amounts are yuan. Nothing is
quoted: a row is split where a comma meets a backtick. A product's title or a remark may hold that too, so that columns
before such a free text are counted from the left and those behind it from the right.
"""

import re
from collections.abc import Iterator
from datetime import date
from typing import Final

from msgspec import Struct

from fenxiao.wechat.errors import BillMalformedError
from fenxiao.wechat.facts import AccountMove, BilledPayment, BilledRefund, FundFlowBill, TradeBill

_TRADE_HEADER: Final = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,"
    "应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,"
    "手续费,费率,订单金额,申请退款金额,费率备注"
)
_TRADE_SUMS: Final = "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"
_FLOW_HEADER: Final = (
    "记账时间,微信支付业务单号,资金流水单号,业务名称,业务类型,收支类型,收支金额(元),账户结余(元),资金变更提交申请人,备注,"
    "业务凭证号"
)
_FLOW_SUMS: Final = "资金流水总笔数,收入笔数,收入金额,支出笔数,支出金额"
_BYTE_ORDER_MARK: Final = "\ufeff"
_REFUND: Final = "REFUND"
_SIGNS: Final = {"支出": 1, "收入": -1}
_YUAN: Final = re.compile(r"([0-9]{1,12})(?:\.([0-9]{1,2}))?")
_COUNT: Final = re.compile(r"([0-9]{1,9})(?:\.0)?")
"""Samples of WeChat's write a count as `20.0` too."""
_WORD: Final = re.compile(r"[A-Z_]{1,32}")
_NUMBER: Final = re.compile(r"[0-9A-Za-z_\-|*@]{1,64}")
_TEXT: Final = re.compile(r"[^\x00-\x1f]{1,128}")
_MIN_LINES: Final = 3


class _Row(Struct, frozen=True):
    """A row's values, and where it stands."""

    values: list[str]
    line: int

    def fen(self, column: int) -> int:
        """Return an amount in fen."""
        found = self.match(_YUAN, column)
        return int(found[1]) * 100 + int((found[2] or "").ljust(2, "0"))

    def count(self, column: int) -> int:
        """Return a whole number."""
        return int(self.match(_COUNT, column)[1])

    def text(self, form: re.Pattern[str], column: int) -> str:
        """Return a value that has the form."""
        return self.match(form, column)[0]

    def match(self, form: re.Pattern[str], column: int) -> re.Match[str]:
        """Return what of a value matches the form in full."""
        found = form.fullmatch(self.values[column])
        if found is None:
            raise BillMalformedError(f"column {column}", self.line)
        return found

    def require(self, column: int, value: str) -> None:
        """Refuse another value than this one."""
        if self.values[column] != value:
            raise BillMalformedError(f"column {column} is not what it must be", self.line)

    def require_day(self, day: date) -> None:
        """Refuse a row whose time, its first value, is not of this day."""
        if not self.values[0].startswith(f"{day.isoformat()} "):
            raise BillMalformedError("another day", self.line)


def read_trade_bill(content: bytes, day: date, appid: str, mchid: str) -> TradeBill:
    """Return the trades of a bill of the type `ALL`; those of the merchant's other apps are left out.

    Raises:
        BillMalformedError: it does not have the documented form, is another merchant's or another day's, or its sums
            are not those of its rows.
    """
    payments: list[BilledPayment] = []
    refunds: list[BilledRefund] = []
    count = paid_fen = refunded_fen = 0
    rows, sums = _table(content, _TRADE_HEADER, _TRADE_SUMS)
    for row in rows:
        row.require(2, mchid)
        row.require(11, "CNY")
        count, paid_fen, refunded_fen = count + 1, paid_fen + row.fen(-3), refunded_fen + row.fen(-2)
        if row.values[1] != appid:
            continue
        if row.values[9] == _REFUND:
            refunds.append(_refund(row))
        else:
            row.require_day(day)
            payments.append(_payment(row))
    if (count, paid_fen, refunded_fen) != (sums.count(0), sums.fen(5), sums.fen(6)):
        raise BillMalformedError("not the sums of the rows", sums.line)
    return TradeBill(tuple(payments), tuple(refunds))


def read_fund_flow_bill(content: bytes, day: date) -> FundFlowBill:
    """Return the movements of an account's bill.

    Raises:
        BillMalformedError: it does not have the documented form, is another day's, or its sums are not those of its
            rows.
    """
    rows, sums = _table(content, _FLOW_HEADER, _FLOW_SUMS)
    moves = tuple(_move(row, day) for row in rows)
    in_fen = -sum(min(move.out_fen, 0) for move in moves)
    out_fen = sum(max(move.out_fen, 0) for move in moves)
    if (len(moves), in_fen, out_fen) != (sums.count(0), sums.fen(2), sums.fen(4)):
        raise BillMalformedError("not the sums of the rows", sums.line)
    return FundFlowBill(moves)


def _payment(row: _Row) -> BilledPayment:
    return BilledPayment(
        out_trade_no=row.text(_NUMBER, 6),
        transaction_id=row.text(_NUMBER, 5),
        state=row.text(_WORD, 9),
        amount_fen=row.fen(-3),
    )


def _refund(row: _Row) -> BilledRefund:
    return BilledRefund(
        out_trade_no=row.text(_NUMBER, 6),
        out_refund_no=row.text(_NUMBER, 15),
        status=row.text(_WORD, 19),
        amount_fen=row.fen(-2),
    )


def _move(row: _Row, day: date) -> AccountMove:
    row.require_day(day)
    sign = _SIGNS.get(row.values[5])
    if sign is None:
        raise BillMalformedError("neither income nor expenditure", row.line)
    # Where the merchant gave no number, WeChat's number of the movement names it.
    voucher = row.text(_TEXT, -1 if row.values[-1] else 2)
    return AccountMove(business=row.text(_TEXT, 3), voucher=voucher, out_fen=sign * row.fen(6))


def _table(content: bytes, header: str, sums_header: str) -> tuple[Iterator[_Row], _Row]:
    """Return the rows, each read when it is asked for, and the row of sums."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise BillMalformedError("not UTF-8", 1) from None
    lines = [line.removesuffix("\r") for line in text.removeprefix(_BYTE_ORDER_MARK).split("\n")]
    if not lines[-1]:
        lines.pop()
    if len(lines) < _MIN_LINES or lines[0].replace("（元）", "(元)") != header:
        raise BillMalformedError("another header", 1)
    if lines[-2] != sums_header:
        raise BillMalformedError("another header of the sums", len(lines) - 1)
    rows = (_row(line, header, number) for number, line in enumerate(lines[1:-2], start=2))
    return rows, _row(lines[-1], sums_header, len(lines))


def _row(line: str, header: str, number: int) -> _Row:
    values = line[1:].split(",`")
    if not line.startswith("`") or len(values) <= header.count(","):
        raise BillMalformedError("not a row", number)
    return _Row(values, number)
