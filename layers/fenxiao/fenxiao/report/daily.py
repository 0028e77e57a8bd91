"""The daily report: what the books say of one day in Shanghai. Pure: figures in, report out."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Final

from msgspec import Struct

from fenxiao.ledger.model import Platform
from fenxiao.ledger.statement import ACCOUNTS, ORDERS, REFUNDS, SALES
from fenxiao.money import BPS

GOOD_SHARE_BPS: Final = 2_000
ALARM_SHARE_BPS: Final = 3_000
"""Commission as a share of net sales: up to 20 % is good, above 30 % alarms (requirement `cap`)."""


class DailyReport(Struct, frozen=True, kw_only=True):
    """Figures of one day, in fen.

    `commission_fen` and `cashback_fen` are net of what refunds took back; `commission_share_bps` is both as a share of
    net sales, `None` without any. `withdrawn_fen` is the gross of the withdrawals that were paid: `paid_out_fen` went
    to WeChat, `tax_fen` was withheld. `written_off_fen` are debts of members that were forgiven.
    """

    day: date
    produced_at: datetime
    orders: int
    paid_fen: int
    refunded_fen: int
    commission_fen: int
    cashback_fen: int
    withdrawn_fen: int
    paid_out_fen: int
    tax_fen: int
    fee_fen: int
    written_off_fen: int
    commission_share_bps: int | None
    health: str
    books_balance: bool


def daily_report(day: date, totals: Mapping[str, int], produced_at: datetime) -> DailyReport:
    """Return the report of a day from its totals; the books balance when all postings of the day sum to zero."""
    commission_fen = -totals[f"{Platform.COMMISSION_EXPENSE}_fen"]
    cashback_fen = -totals[f"{Platform.CAMPAIGN_EXPENSE}_fen"]
    paid_out_fen = totals[f"{Platform.PAID_OUT}_fen"]
    tax_fen = totals[f"{Platform.TAX_PAYABLE}_fen"]
    fee_fen = totals[f"{Platform.FEE_INCOME}_fen"]
    net_sales_fen = totals[SALES] - totals[REFUNDS]
    share_bps = (commission_fen + cashback_fen) * BPS // net_sales_fen if net_sales_fen > 0 else None
    return DailyReport(
        day=day,
        produced_at=produced_at,
        orders=totals[ORDERS],
        paid_fen=totals[SALES],
        refunded_fen=totals[REFUNDS],
        commission_fen=commission_fen,
        cashback_fen=cashback_fen,
        withdrawn_fen=paid_out_fen + tax_fen + fee_fen,
        paid_out_fen=paid_out_fen,
        tax_fen=tax_fen,
        fee_fen=fee_fen,
        written_off_fen=-totals[f"{Platform.WRITTEN_OFF}_fen"],
        commission_share_bps=share_bps,
        health=_health(share_bps),
        books_balance=sum(totals[account] for account in ACCOUNTS) == 0,
    )


def _health(share_bps: int | None) -> str:
    if share_bps is None or share_bps <= GOOD_SHARE_BPS:
        return "good"
    return "alarm" if share_bps > ALARM_SHARE_BPS else "watch"
