"""What the journals say of members and days: statement lines and daily totals, as plain values."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Final

from msgspec import Struct

from fenxiao.clock import shanghai_day
from fenxiao.ledger.model import Bucket, Journal, Platform

SALES: Final = "sales_fen"
REFUNDS: Final = "refunds_fen"
ORDERS: Final = "orders"
ACCOUNTS: Final = (*(f"{bucket}_fen" for bucket in Bucket), *(f"{account}_fen" for account in Platform))
"""The accounts' figures of a day's totals; all postings of a day sum to zero."""
FIGURES: Final = (*ACCOUNTS, SALES, REFUNDS, ORDERS)


class StatementLine(Struct, frozen=True, kw_only=True):
    """What one journal did to one member's wallet; a debt is shown positive."""

    at: datetime
    collection: str
    number: int
    event: str
    held_fen: int
    available_fen: int
    reserved_fen: int
    debt_fen: int


def lines_of(journal: Journal) -> dict[str, StatementLine]:
    """Return the journal's statement lines by member, or one under its collection when it touches no member."""
    by_owner: dict[str, dict[str, int]] = {}
    for posting in journal.postings:
        if posting.member_id:
            buckets = by_owner.setdefault(posting.member_id, dict.fromkeys(Bucket, 0))
            buckets[posting.account] += posting.amount_fen
    return {
        owner: StatementLine(
            at=journal.at,
            collection=journal.collection,
            number=journal.number,
            event=journal.event,
            held_fen=buckets[Bucket.HELD],
            available_fen=buckets[Bucket.AVAILABLE],
            reserved_fen=buckets[Bucket.RESERVED],
            debt_fen=-buckets[Bucket.DEBT],
        )
        for owner, buckets in (by_owner or {journal.collection: dict.fromkeys(Bucket, 0)}).items()
    }


def totals_of(journals: Sequence[Journal]) -> dict[date, dict[str, int]]:
    """Return what the journals add to each day's totals."""
    days: dict[date, dict[str, int]] = {}
    for journal in journals:
        figures = days.setdefault(shanghai_day(journal.at), dict.fromkeys(FIGURES, 0))
        for posting in journal.postings:
            figures[f"{posting.account}_fen"] += posting.amount_fen
        figures[SALES] += max(journal.sale_fen, 0)
        figures[REFUNDS] -= min(journal.sale_fen, 0)
        figures[ORDERS] += journal.sale_fen > 0
    return days
