"""What the journals say of members and days: statement lines, and totals by day, as plain values."""

from collections.abc import Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from msgspec import Struct

from fenxiao.clock import shanghai_day
from fenxiao.ledger.model import Bucket, Journal, Platform, TaxClass

SALES: Final = "sales_fen"
REFUNDS: Final = "refunds_fen"
ORDERS: Final = "orders"
ACCOUNTS: Final = (*(f"{bucket}_fen" for bucket in Bucket), *(f"{account}_fen" for account in Platform))
"""The accounts' figures of a day's totals; all postings of a day sum to zero."""
FIGURES: Final = (*ACCOUNTS, SALES, REFUNDS, ORDERS)

COMMISSION: Final = "commission_fen"
CASHBACK: Final = "cashback_fen"
PAID_DAY_FIGURES: Final = (SALES, REFUNDS, ORDERS, COMMISSION, CASHBACK)
"""What became of the orders that were paid on a day; bonuses count as commission of their month's first day (M16)."""


class LineType(StrEnum):
    """What a line is about: the part of its journal's event before the `#`."""

    EARN = "earn"
    REFUND = "refund"
    SETTLE = "settle"
    RELEASE = "release"
    DENY = "deny"
    CLOSE = "close"
    ADJUST = "adjust"
    WRITE_OFF = "write_off"
    RESERVE = "reserve"
    PAID = "paid"
    RETURNED = "returned"


_TITLES: Final = {
    LineType.EARN: "订单佣金",
    LineType.REFUND: "退款扣回",
    LineType.SETTLE: "佣金结算",
    LineType.RELEASE: "佣金解冻",
    LineType.DENY: "佣金驳回",
    LineType.CLOSE: "月度奖励",
    LineType.ADJUST: "月度奖励调整",
    LineType.WRITE_OFF: "欠款核销",
    LineType.RESERVE: "申请提现",
    LineType.PAID: "提现成功",
    LineType.RETURNED: "提现退回",
}
_REBATE_TITLES: Final = {
    LineType.EARN: "首单返现",
    LineType.SETTLE: "返现结算",
    LineType.RELEASE: "返现解冻",
    LineType.DENY: "返现驳回",
}
_ORDER: Final = "order"


class StatementLine(Struct, frozen=True, kw_only=True):
    """What one journal did to one wallet; a debt is shown positive."""

    member_id: str
    tax_class: TaxClass
    at: datetime
    posted_at: datetime
    collection: str
    number: int
    event: str
    held_fen: int
    available_fen: int
    reserved_fen: int
    debt_fen: int

    @property
    def type(self) -> LineType:
        """Return what the line is about."""
        return LineType(self.event.partition("#")[0])

    @property
    def title(self) -> str:
        """Return what the line is about, as its owner reads it."""
        titles = _TITLES | _REBATE_TITLES if self.tax_class is TaxClass.REBATE else _TITLES
        return titles[self.type]

    @property
    def source(self) -> str:
        """Return the id of the order, withdrawal or case, or the month, that moved the wallet."""
        return self.collection.split("#")[1]

    @property
    def commission_id(self) -> str | None:
        """Return the id under which the share of an order is explained, `None` for what is no share of an order."""
        kind, _, order_id = self.collection.partition("#")
        return f"{order_id}-{self.member_id}" if kind == _ORDER else None


def lines_of(journal: Journal) -> list[StatementLine]:
    """Return the journal's statement lines, one for each wallet that it moved."""
    by_wallet: dict[tuple[str, str], dict[str, int]] = {}
    for posting in journal.postings:
        if posting.member_id:
            buckets = by_wallet.setdefault((posting.member_id, posting.tax_class), dict.fromkeys(Bucket, 0))
            buckets[posting.account] += posting.amount_fen
    return [
        StatementLine(
            member_id=member_id,
            tax_class=TaxClass(tax_class),
            at=journal.at,
            posted_at=journal.posted_at,
            collection=journal.collection,
            number=journal.number,
            event=journal.event,
            held_fen=buckets[Bucket.HELD],
            available_fen=buckets[Bucket.AVAILABLE],
            reserved_fen=buckets[Bucket.RESERVED],
            debt_fen=-buckets[Bucket.DEBT],
        )
        for (member_id, tax_class), buckets in by_wallet.items()
    ]


def totals_of(journals: Sequence[Journal]) -> dict[date, dict[str, int]]:
    """Return what the journals add to the totals of each day of their events."""
    days: dict[date, dict[str, int]] = {}
    for journal in journals:
        figures = days.setdefault(shanghai_day(journal.at), dict.fromkeys(FIGURES, 0))
        for posting in journal.postings:
            figures[f"{posting.account}_fen"] += posting.amount_fen
        _add_sale(figures, journal)
    return days


def paid_days_of(journals: Sequence[Journal]) -> dict[date, dict[str, int]]:
    """Return what the journals add to the figures of each day on which their orders were paid."""
    days: dict[date, dict[str, int]] = {}
    for journal in journals:
        if not journal.paid_day:
            continue
        figures = days.setdefault(date.fromisoformat(journal.paid_day), dict.fromkeys(PAID_DAY_FIGURES, 0))
        for posting in journal.postings:
            if posting.account == Platform.COMMISSION_EXPENSE:
                figures[COMMISSION] -= posting.amount_fen
            elif posting.account == Platform.CAMPAIGN_EXPENSE:
                figures[CASHBACK] -= posting.amount_fen
        _add_sale(figures, journal)
    return days


def _add_sale(figures: dict[str, int], journal: Journal) -> None:
    figures[SALES] += max(journal.sale_fen, 0)
    figures[REFUNDS] -= min(journal.sale_fen, 0)
    figures[ORDERS] += journal.sale_fen > 0
