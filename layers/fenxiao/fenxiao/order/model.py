"""What an order is: lines, the chain at placement, and what the payment's instant froze (M10)."""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from fenxiao.catalogue.stock import Portion
from fenxiao.relation.model import Standing, Tier, Upline

FREIGHT_CATEGORY = "freight"
"""Freight is a line of this category, which no rule set can give a rate (M12)."""


class OrderStatus(StrEnum):
    """Where an order stands. Refunds are kept beside it, per line."""

    PLACED = "placed"
    PAID = "paid"
    SHIPPED = "shipped"
    RECEIVED = "received"
    SETTLED = "settled"
    CLOSED = "closed"


class RefundStatus(StrEnum):
    """Where a refund stands; only `SUCCEEDED`, as WeChat reports it, touches the ledger (M2)."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class Work(StrEnum):
    """What falls due on an order or a refund, unless an event comes first (M29)."""

    CLOSE = "close"
    EARN = "earn"
    RECEIVE = "receive"
    SETTLE = "settle"
    REFUND = "refund"
    CLAWBACK = "clawback"


class Due(Struct, frozen=True, kw_only=True):
    """Work that a sweeper takes up from a moment on; an order or a refund waits for one thing at a time."""

    work: Work
    at: datetime


class OrderLine(Struct, frozen=True, kw_only=True):
    """One line; `paid_fen` is price × quantity less its share of discounts, the base of M12 before refunds."""

    product_id: str
    sku_id: str
    title: str
    category: str
    is_virtual: bool
    quantity: int
    unit_price_fen: int
    paid_fen: int
    refunded_fen: int = 0
    """What WeChat reported as refunded."""
    refund_pending_fen: int = 0
    """What refunds that have not ended yet would take."""

    @property
    def left_fen(self) -> int:
        """Return what was paid and not refunded: the base of the commission on what is left."""
        return self.paid_fen - self.refunded_fen

    @property
    def refundable_fen(self) -> int:
        """Return what a further refund may take."""
        return self.paid_fen - self.refunded_fen - self.refund_pending_fen


class FrozenStanding(Struct, frozen=True, kw_only=True):
    """The standing and the tier of the buyer or an upline at the payment's instant."""

    member_id: str
    standing: Standing
    tier: Tier = Tier.STANDARD


class Payment(Struct, frozen=True, kw_only=True):
    """What WeChat said of the payment, and what its instant froze."""

    transaction_id: str
    paid_at: datetime
    """WeChat's `success_time`."""
    first_order: bool
    standings: tuple[FrozenStanding, ...]
    """Buyer first, then the uplines in order."""
    earns: bool
    """False for a payment that came after the order was closed: it is refunded in full and earns nothing (M20)."""


class Address(Struct, frozen=True, kw_only=True):
    """Where to send the goods."""

    recipient: str
    phone: str
    region: str
    street: str


class Shipment(Struct, frozen=True, kw_only=True):
    """How the goods went out; `carrier` is WeChat's code of the express company."""

    carrier: str
    tracking_number: str
    shipped_at: datetime


class Prepay(Struct, frozen=True, kw_only=True):
    """WeChat's prepay session of an order, used again until shortly before it ends."""

    prepay_id: str
    expires_at: datetime


class Denial(Struct, frozen=True, kw_only=True):
    """The case that rejected an order's commissions, and when that was taken note of."""

    case_id: str
    at: datetime


class Order(Struct, frozen=True, kw_only=True):
    """An order with everything that its commission depends on.

    `version` grows with every change, and every change is written on the condition that it is as read.
    """

    order_id: str
    member_id: str
    openid: str
    status: OrderStatus
    lines: tuple[OrderLine, ...]
    total_fen: int
    chain: tuple[Upline, ...]
    placed_at: datetime
    max_levels: int
    """`config.max_levels()` at placement: frozen, so that lowering it later never changes what an order earned."""
    first_order_only: bool = False
    """The binding mode at placement was 'until first order': the chain counts only if this is the first paid order."""
    address: Address | None = None
    """Where the goods go; nothing when all are virtual."""
    stock: tuple[Portion, ...] = ()
    """From which shards the stock was taken, so that closing puts it back there."""
    request_hash: str = ""
    """Hash of the request that placed it: the same idempotency key with another content is refused."""
    prepay_requested_at: datetime | None = None
    """Set before WeChat is first asked for a prepay, whose answer may be lost: closing must then ask WeChat."""
    prepay: Prepay | None = None
    payment: Payment | None = None
    shipment: Shipment | None = None
    received_at: datetime | None = None
    wechat_settled_at: datetime | None = None
    settled_at: datetime | None = None
    closed_at: datetime | None = None
    parked_case: str = ""
    """The case that decides whether its commissions settle, while the month's share of sales is too high (M16)."""
    denial: Denial | None = None
    """A case rejected its commissions: nobody earns on it (M16)."""
    due: Due | None = None
    version: int = 0

    @property
    def refundable_fen(self) -> int:
        """Return what further refunds may take of the whole order."""
        return sum(line.refundable_fen for line in self.lines)

    @property
    def is_virtual(self) -> bool:
        """Tell whether nothing of it is sent as a parcel."""
        return all(line.is_virtual for line in self.lines)


class Refund(Struct, frozen=True, kw_only=True):
    """A whole or partial refund: `line_fens[i]` is what it takes from line i, fixed when it was created (M15)."""

    refund_id: str
    order_id: str
    line_fens: tuple[int, ...]
    reason: str
    status: RefundStatus
    requested_at: datetime
    ended_at: datetime | None = None
    """WeChat's time of success."""
    request_hash: str = ""
    """Hash of the request that created it."""
    due: Due | None = None

    @property
    def amount_fen(self) -> int:
        """Return the sum over the lines."""
        return sum(self.line_fens)
