"""The words of the audit."""

from datetime import datetime

from msgspec import Struct


class Difference(Struct, frozen=True, order=True):
    """Something is not as it follows from the journals, or from the orders.

    `subject` names it, such as `wallet#M…`, `order#T…#2` (the third journal of an order) or `day#2026-11-24`; `what`
    names the figure.
    """

    subject: str
    what: str
    expected: str
    actual: str


class Counts(Struct, frozen=True, kw_only=True):
    """How much was compared."""

    journals: int = 0
    wallets: int = 0
    orders: int = 0
    withdrawals: int = 0
    days: int = 0


class Figures(Struct, frozen=True, kw_only=True):
    """What the journals in question say of sales and money, in fen; debts positive."""

    sales_fen: int = 0
    refunds_fen: int = 0
    commission_fen: int = 0
    cashback_fen: int = 0
    tax_fen: int = 0
    fee_fen: int = 0
    paid_out_fen: int = 0
    written_off_fen: int = 0
    held_fen: int = 0
    available_fen: int = 0
    reserved_fen: int = 0
    debt_fen: int = 0


class Scope(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to look at; all of it by default.

    `month` (`YYYY-MM`) takes only what belongs to orders that were paid in that Shanghai month; `as_of` only what the
    books had learned by then. Wallets and totals are as they are now, so a narrowed audit leaves them out.
    """

    month: str | None = None
    as_of: datetime | None = None

    @property
    def whole(self) -> bool:
        """Tell whether nothing is left out."""
        return self.month is None and self.as_of is None


class AuditReport(Struct, frozen=True, kw_only=True):
    """What an audit found."""

    scope: Scope
    started_at: datetime
    ended_at: datetime
    counts: Counts
    figures: Figures
    difference_count: int
    differences: tuple[Difference, ...]
    """The first of them."""
