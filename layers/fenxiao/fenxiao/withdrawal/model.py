"""What a withdrawal is, and what is known of the person who is paid."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from msgspec import Struct, field
from msgspec.structs import replace

from fenxiao.ledger.model import TaxClass
from fenxiao.wechat.facts import TransferState
from fenxiao.withdrawal.tax import MonthSum, TaxMethod

RECENT_SPAN: Final = timedelta(days=30)
"""How far back the review thresholds look (M27)."""


class Status(StrEnum):
    """Where a withdrawal stands."""

    REQUESTED = "requested"
    IN_REVIEW = "in_review"
    APPROVED = "approved"
    TRANSFERRING = "transferring"
    """The request's body is stored: from here on only WeChat's word decides (M22)."""
    PAID = "paid"
    RETURNED = "returned"

    @property
    def ended(self) -> bool:
        """Tell whether the withdrawal can never change again."""
        return self in {Status.PAID, Status.RETURNED}


class ReturnReason(StrEnum):
    """Why the funds went back."""

    REJECTED = "rejected"
    REVIEW_EXPIRED = "review_expired"
    DEBT = "debt"
    SUSPENDED = "suspended"
    NET_TOO_SMALL = "net_too_small"
    NAME_REQUIRED = "name_required"
    TRANSFER_FAILED = "transfer_failed"
    TRANSFER_CANCELLED = "transfer_cancelled"


class Route(StrEnum):
    """Who has to agree."""

    AUTOMATIC = "automatic"
    ONE = "one"
    TWO = "two"

    @property
    def required_approvals(self) -> int:
        """Return how many people have to approve."""
        return {Route.AUTOMATIC: 0, Route.ONE: 1, Route.TWO: 2}[self]


class Signal(StrEnum):
    """A reason for a person to look."""

    DAY_SUM = "day_sum"
    MONTH_SUM = "month_sum"


class Assessment(Struct, frozen=True, kw_only=True):
    """What the review thresholds said, with the rolling sums that they saw, this withdrawal included (M27)."""

    route: Route
    signals: tuple[Signal, ...]
    day_fen: int
    month_fen: int


class Figures(Struct, frozen=True, kw_only=True):
    """What becomes of the gross amount: tax + fee + net (M25)."""

    tax_fen: int
    fee_fen: int
    net_fen: int
    tax_method: TaxMethod


class Transfer(Struct, frozen=True, kw_only=True):
    """The transfer at WeChat, from the moment at which its request was stored."""

    body: str
    """The exact request: sent as it is, every time, under the withdrawal's number (M23)."""
    prepared_at: datetime
    state: TransferState | None = None
    """What WeChat said last; `None` until it knows the bill."""
    transfer_bill_no: str | None = None
    package_info: str | None = None
    """Opens the payee's confirmation page."""
    fail_reason: str | None = None
    stall_at: datetime
    """When a bill that WeChat still does not know becomes a case for two people."""
    stalls: int = 0
    """How many such cases were opened."""


class Withdrawal(Struct, frozen=True, kw_only=True):
    """A withdrawal. `version` counts its writes: each write requires the version that was read."""

    withdrawal_id: str
    member_id: str
    person: str
    """The tax person: a keyed HMAC (M26)."""
    openid: str
    amount_fen: int
    """Gross."""
    tax_class: TaxClass = TaxClass.COMMISSION
    content_hash: str
    """Keyed hash of what was asked for, to tell a replay from another request under the same key."""
    payee_name_cipher: str | None = None
    """The payee's name, encrypted for WeChat alone."""
    status: Status = Status.REQUESTED
    requested_at: datetime
    quote: Figures
    """As shown when it was asked for; an estimate."""
    final: Figures | None = None
    """As fixed when the transfer's request was stored."""
    assessment: Assessment | None = None
    case_id: str | None = None
    transfer: Transfer | None = None
    return_reason: ReturnReason | None = None
    ended_at: datetime | None = None
    attempt: int = 0
    """How many executions are known to have run."""
    end_token: str | None = None
    """The task token under which the machine waits for the end."""
    due_at: datetime | None
    """When the sweeper looks at it."""
    version: int = 0

    @property
    def collection(self) -> str:
        """Return the name of its journals' collection (M1)."""
        return f"withdrawal#{self.withdrawal_id}"


class Recent(Struct, frozen=True, kw_only=True):
    """A withdrawal of the last 30 days that was not returned."""

    withdrawal_id: str
    requested_at: datetime
    amount_fen: int


class Payee(Struct, frozen=True, kw_only=True):
    """What is kept per tax person: sums by month, the in-flight slot (M26) and the recent withdrawals (M27)."""

    person: str
    in_flight: str | None = None
    """The withdrawal whose transfer request is stored and has not ended."""
    months: dict[str, MonthSum] = field(default_factory=dict)
    """By Shanghai month of success, this year's and last year's."""
    recent: tuple[Recent, ...] = ()
    version: int = 0

    def with_request(self, request: Recent) -> "Payee":
        """Return the payee after a withdrawal was asked for; what is older than 30 days is forgotten."""
        since = request.requested_at - RECENT_SPAN
        kept = tuple(one for one in self.recent if one.requested_at > since)
        return replace(self, recent=(*kept, request))

    def with_paid(self, month: str, gross_fen: int, withheld_fen: int) -> "Payee":
        """Return the payee with the slot freed and a payment added to its month."""
        one = self.months.get(month, MonthSum())
        added = MonthSum(gross_fen=one.gross_fen + gross_fen, withheld_fen=one.withheld_fen + withheld_fen)
        last_year = str(int(month[:4]) - 1)
        kept = {name: value for name, value in self.months.items() if name[:4] >= last_year}
        return replace(self, in_flight=None, months=kept | {month: added})

    def without(self, withdrawal_id: str) -> "Payee":
        """Return the payee after a withdrawal was returned: it counts no more, and its slot is free."""
        return replace(
            self,
            in_flight=None if self.in_flight == withdrawal_id else self.in_flight,
            recent=tuple(one for one in self.recent if one.withdrawal_id != withdrawal_id),
        )
