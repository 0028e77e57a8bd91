"""Bills as WeChat writes them, row by row, for tests that read them and spoil them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

DAY = date(2026, 3, 1)
TRADE_HEADER = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,"
    "应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,"
    "手续费,费率,订单金额,申请退款金额,费率备注"
)
TRADE_SUMS = "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"
FLOW_HEADER = (
    "记账时间,微信支付业务单号,资金流水单号,业务名称,业务类型,收支类型,收支金额(元),账户结余(元),资金变更提交申请人,备注,"
    "业务凭证号"
)
FLOW_SUMS = "资金流水总笔数,收入笔数,收入金额,支出笔数,支出金额"


@dataclass(frozen=True)
class Trade:
    """A row of a trade bill; amounts are the text that stands there."""

    number: str = "T1"
    paid: str = "12.34"
    refunded: str = "0.00"
    refund: str = "0"
    status: str = ""
    state: str = "SUCCESS"
    transaction_id: str = "4200001"
    title: str = "龙井"
    appid: str = "wx0123456789abcdef"
    mchid: str = "1900000109"
    currency: str = "CNY"
    at: str = "2026-03-01 12:00:00"

    @property
    def text(self) -> str:
        values = [
            *(self.at, self.appid, self.mchid, "0", "", self.transaction_id, self.number, "oBuyer", "JSAPI"),
            *(self.state, "OTHERS", self.currency, self.paid, "0.00", "0", self.refund, self.refunded, "0.00"),
            *("ORIGINAL" if self.status else "", self.status, self.title, "", "-0.07000", "0.60%"),
            *(self.paid, self.refunded, ""),
        ]
        return line(values)


def refund_row(number: str = "T1", refund: str = "R1", refunded: str = "2.00", status: str = "SUCCESS") -> Trade:
    return Trade(number=number, paid="0.00", refunded=refunded, refund=refund, status=status, state="REFUND")


@dataclass(frozen=True)
class Flow:
    """A row of a fund-flow bill."""

    voucher: str = "W1"
    amount: str = "8.50"
    direction: str = "支出"
    business: str = "商家转账"
    remark: str = "推广佣金"
    number: str = "19000001091330001"
    at: str = "2026-03-01 12:00:00"

    @property
    def text(self) -> str:
        values = [self.at, "1330001", self.number, self.business, self.business, self.direction, self.amount]
        return line([*values, "100.00", "1900000109API", self.remark, self.voucher])


def line(values: Sequence[str]) -> str:
    return ",".join(f"`{value}" for value in values)


def trade_bill(*rows: Trade, paid: str = "12.34", refunded: str = "0.00") -> bytes:
    sums = line([str(len(rows)), paid, refunded, "0.00", "0.07000", paid, refunded])
    return bill(TRADE_HEADER, [row.text for row in rows], TRADE_SUMS, sums)


def flow_bill(*rows: Flow, incoming: str = "0.00", outgoing: str = "8.50") -> bytes:
    sums = line([str(len(rows)), "0", incoming, str(len(rows)), outgoing])
    return bill(FLOW_HEADER, [row.text for row in rows], FLOW_SUMS, sums)


def bill(header: str, rows: Sequence[str], sums_header: str, sums: str) -> bytes:
    return ("\ufeff" + "".join(f"{one}\r\n" for one in [header, *rows, sums_header, sums])).encode()
