"""Pay v3 bills: the day's trades (`/v3/bill/tradebill`) and an account's movements (`/v3/bill/fundflowbill`).

A bill is asked for, then downloaded under a token. It is CSV in UTF-8 with a byte order mark: a Chinese header, one row
a record with a backtick before each value, then a header and a row of sums; amounts are yuan. Payments stand under the
day of their success, refunds under the day on which WeChat accepted them and with the status that they had when the
bill was made, transfers under the day on which the money left the account.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from itertools import accumulate

from .clock import SHANGHAI
from .exchange import ApiError, Request, Response, answer_json
from .knobs import BillRow
from .sandbox import Sandbox
from .signing import nonce_text
from .state import MAX_BILL_FILES, BillFile, Order, Refund, RefundStatus, TransferState

_MADE_AT = time(9, tzinfo=SHANGHAI)
"""WeChat begins to make yesterday's bills at nine; what happens later no longer changes them."""
_READY_AT = time(10, tzinfo=SHANGHAI)
_KEPT_FOR = timedelta(days=90)
_FILE_LIFE = timedelta(minutes=5)
_FEE_BPS = 60
_BPS = 10_000
_FOREIGN = "沙箱按设置加入的一行"
_TRADE_HEADER = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,"
    "应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,"
    "手续费,费率,订单金额,申请退款金额,费率备注"
)
_TRADE_SUMS = "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"
_FLOW_HEADER = (
    "记账时间,微信支付业务单号,资金流水单号,业务名称,业务类型,收支类型,收支金额(元),账户结余(元),资金变更提交申请人,备注,"
    "业务凭证号"
)
_FLOW_SUMS = "资金流水总笔数,收入笔数,收入金额,支出笔数,支出金额"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """What a row is about; the reference is the merchant's own number."""

    at: datetime
    reference: str
    amount_fen: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trade(_Row):
    """A payment, or a refund of one (`refund_id` is set)."""

    out_trade_no: str
    transaction_id: str
    openid: str
    description: str
    attach: str
    refund_id: str = ""
    status: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Payout(_Row):
    """A transfer that reached its payee."""

    transfer_bill_no: str
    remark: str


def ask_trade_bill(sandbox: Sandbox, request: Request) -> Response:
    """GET /v3/bill/tradebill?bill_date=&bill_type=ALL: where the day's trades can be downloaded."""
    _only(request, "bill_type", "ALL")
    day = _bill_date(sandbox, request)
    trades = _as_knobs_have_it(sandbox, _trades(sandbox, day), [_foreign_trade(one) for one in _foreign(sandbox, day)])
    return _kept(sandbox, request, trades, lambda: _trade_text(sandbox, trades))


def ask_fund_flow_bill(sandbox: Sandbox, request: Request) -> Response:
    """GET /v3/bill/fundflowbill?bill_date=&account_type=OPERATION: the same for the account that pays transfers."""
    _only(request, "account_type", "OPERATION")
    day = _bill_date(sandbox, request)
    foreign = [_foreign_payout(one) for one in _foreign(sandbox, day, transfers=True)]
    payouts = _as_knobs_have_it(sandbox, _payouts(sandbox, day), foreign)
    return _kept(sandbox, request, payouts, lambda: _flow_text(sandbox, payouts))


def download(sandbox: Sandbox, request: Request) -> Response:
    """GET /v3/billdownload/file?token=: the text, without a signature; its integrity is the hash that was told."""
    file = sandbox.state.bill_files.get(request.query.get("token", ""))
    if file is None or file.expires_at <= sandbox.clock.wall():
        raise ApiError(400, "INVALID_REQUEST", "下载地址无效或已过期，请重新申请账单")
    return Response(200, file.content, "text/plain; charset=utf-8")


def _only(request: Request, name: str, supported: str) -> None:
    if request.query.get(name) != supported or "tar_type" in request.query:
        raise ApiError(400, "PARAM_ERROR", f"沙箱只提供 {name}={supported} 且不压缩的账单")


def _bill_date(sandbox: Sandbox, request: Request) -> date:
    """Return the day that is asked for, if its bill can be there."""
    text = request.query.get("bill_date", "")
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = date.min
    if day.isoformat() != text:
        raise ApiError(400, "PARAM_ERROR", "bill_date 须为 yyyy-MM-dd")
    now = sandbox.clock.now().astimezone(SHANGHAI)
    if not now.date() - _KEPT_FOR <= day <= now.date():
        raise ApiError(400, "INVALID_REQUEST", "bill_date 须在三个月之内")
    if now < datetime.combine(day + timedelta(days=1), _READY_AT):
        raise ApiError(400, "STATEMENT_CREATING", "账单生成中")
    return day


def _kept(sandbox: Sandbox, request: Request, rows: Sequence[object], text: Callable[[], str]) -> Response:
    """Keep the text under a new token, the oldest giving way, and say where it is."""
    if not rows:
        raise ApiError(400, "NO_STATEMENT_EXIST", "请求的账单文件不存在")
    content, token, files = text().encode(), nonce_text(64), sandbox.state.bill_files
    if len(files) >= MAX_BILL_FILES:
        del files[next(iter(files))]
    files[token] = BillFile(content, sandbox.clock.wall() + _FILE_LIFE)
    return answer_json(
        {
            "hash_type": "SHA1",
            "hash_value": hashlib.sha1(content, usedforsecurity=False).hexdigest(),
            "download_url": f"http://{request.headers.get('host', '')}/v3/billdownload/file?token={token}",
        }
    )


def _trades(sandbox: Sandbox, day: date) -> Iterator[_Trade]:
    made_at = datetime.combine(day + timedelta(days=1), _MADE_AT)
    for order in sandbox.state.orders.values():
        if order.success_time is None:
            continue
        payment = _payment(order, order.success_time)
        if _day(payment.at) == day:
            yield payment
        for refund in order.refunds:
            if _day(refund.created_at) == day:
                yield _refund(payment, refund, made_at)


def _payment(order: Order, at: datetime) -> _Trade:
    return _Trade(
        at=at,
        reference=order.out_trade_no,
        amount_fen=order.amount_fen,
        out_trade_no=order.out_trade_no,
        transaction_id=order.transaction_id,
        openid=order.openid,
        description=order.description,
        attach=order.attach,
    )


def _refund(payment: _Trade, refund: Refund, made_at: datetime) -> _Trade:
    later = refund.success_time is not None and refund.success_time >= made_at
    return replace(
        payment,
        at=refund.created_at,
        reference=refund.out_refund_no,
        amount_fen=refund.amount_fen,
        refund_id=refund.refund_id,
        status=RefundStatus.PROCESSING.value if later else refund.status.value,
    )


def _payouts(sandbox: Sandbox, day: date) -> Iterator[_Payout]:
    for transfer in sandbox.state.transfers.values():
        if transfer.state is TransferState.SUCCESS and _day(transfer.updated_at) == day:
            yield _Payout(
                at=transfer.updated_at,
                reference=transfer.out_bill_no,
                amount_fen=transfer.amount_fen,
                transfer_bill_no=transfer.transfer_bill_no,
                remark=transfer.remark,
            )


def _foreign(sandbox: Sandbox, day: date, *, transfers: bool = False) -> list[BillRow]:
    """Return the rows that the knob adds to this bill."""
    return [
        row
        for row in sandbox.knobs.bill_add
        if row.bill_date == day.isoformat() and (row.kind == "transfer") is transfers
    ]


def _foreign_trade(row: BillRow) -> _Trade:
    is_refund = row.kind == "refund"
    return _Trade(
        at=_noon(row),
        reference=row.reference,
        amount_fen=row.amount_fen,
        out_trade_no=row.out_trade_no if is_refund else row.reference,
        transaction_id=f"4200{row.reference[-24:]:0>24}",
        openid="oForeign",
        description=_FOREIGN,
        attach="",
        refund_id=f"5030{row.reference[-25:]:0>25}" if is_refund else "",
        status=RefundStatus.SUCCESS.value if is_refund else "",
    )


def _foreign_payout(row: BillRow) -> _Payout:
    return _Payout(
        at=_noon(row),
        reference=row.reference,
        amount_fen=row.amount_fen,
        transfer_bill_no=f"1330{row.reference[-30:]:0>30}",
        remark=_FOREIGN,
    )


def _noon(row: BillRow) -> datetime:
    return datetime.combine(date.fromisoformat(row.bill_date), time(12, tzinfo=SHANGHAI))


def _as_knobs_have_it[R: _Row](sandbox: Sandbox, rows: Iterator[R], foreign: list[R]) -> list[R]:
    """Return the rows in order of time, without what is to be left out and with what is to be added or changed."""
    left_out, amounts = set(sandbox.knobs.bill_leave_out), sandbox.knobs.bill_amounts
    shown = [*(row for row in rows if row.reference not in left_out), *foreign]
    changed = [replace(row, amount_fen=amounts.get(row.reference, row.amount_fen)) for row in shown]
    return sorted(changed, key=lambda row: row.at)


def _trade_text(sandbox: Sandbox, trades: Sequence[_Trade]) -> str:
    keys = sandbox.keys
    rows = [
        (
            _local(one.at),
            keys.appid,
            keys.mchid,
            "0",
            "",
            one.transaction_id,
            one.out_trade_no,
            one.openid,
            "JSAPI",
            "REFUND" if one.refund_id else "SUCCESS",
            "OTHERS",
            "CNY",
            _yuan(_paid_fen(one)),
            "0.00",
            one.refund_id or "0",
            one.reference if one.refund_id else "0",
            _yuan(_refunded_fen(one)),
            "0.00",
            "ORIGINAL" if one.refund_id else "",
            one.status,
            one.description,
            one.attach,
            f"{_yuan(_fee_fen(one))}000",
            "0.60%",
            _yuan(_paid_fen(one)),
            _yuan(_refunded_fen(one)),
            "",
        )
        for one in trades
    ]
    paid_fen, refunded_fen = sum(map(_paid_fen, trades)), sum(map(_refunded_fen, trades))
    sums = (
        str(len(trades)),
        _yuan(paid_fen),
        _yuan(refunded_fen),
        "0.00",
        f"{_yuan(sum(map(_fee_fen, trades)))}000",
        _yuan(paid_fen),
        _yuan(refunded_fen),
    )
    return _text(_TRADE_HEADER, rows, _TRADE_SUMS, sums)


def _flow_text(sandbox: Sandbox, payouts: Sequence[_Payout]) -> str:
    total_fen = sum(one.amount_fen for one in payouts)
    spent = accumulate(one.amount_fen for one in payouts)
    rows = [
        (
            _local(one.at),
            one.transfer_bill_no,
            f"{sandbox.keys.mchid}{one.transfer_bill_no}",
            "商家转账",
            "商家转账",
            "支出",
            _yuan(one.amount_fen),
            _yuan(sandbox.knobs.merchant_balance_fen + total_fen - spent_fen),
            f"{sandbox.keys.mchid}API",
            one.remark,
            one.reference,
        )
        for one, spent_fen in zip(payouts, spent, strict=True)
    ]
    return _text(_FLOW_HEADER, rows, _FLOW_SUMS, (str(len(payouts)), "0", "0.00", str(len(payouts)), _yuan(total_fen)))


def _text(header: str, rows: Sequence[Sequence[str]], sums_header: str, sums: Sequence[str]) -> str:
    lines = [header, *map(_line, rows), sums_header, _line(sums)]
    return "\ufeff" + "".join(f"{line}\r\n" for line in lines)


def _line(values: Sequence[str]) -> str:
    escaped = (value.replace("\r", "\\r").replace("\n", "\\n") for value in values)
    return ",".join(f"`{value}" for value in escaped)


def _paid_fen(one: _Trade) -> int:
    return 0 if one.refund_id else one.amount_fen


def _refunded_fen(one: _Trade) -> int:
    return one.amount_fen if one.refund_id else 0


def _fee_fen(one: _Trade) -> int:
    """Return WeChat's fee, given back with a refund."""
    fee_fen = (one.amount_fen * _FEE_BPS + _BPS // 2) // _BPS
    return -fee_fen if one.refund_id else fee_fen


def _yuan(fen: int) -> str:
    return f"{'-' if fen < 0 else ''}{abs(fen) // 100}.{abs(fen) % 100:02d}"


def _local(moment: datetime) -> str:
    return moment.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M:%S")


def _day(moment: datetime) -> date:
    return moment.astimezone(SHANGHAI).date()
