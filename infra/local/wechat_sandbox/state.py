"""What WeChat knows: users, payments with their shipping, refunds, transfers. Plain records, changed under one lock."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

MAX_USERS = 10_000
MAX_ORDERS = 20_000
MAX_REFUNDS = 20_000
MAX_TRANSFERS = 20_000
MAX_CODES = 10_000
MAX_BILL_FILES = 100


class TradeState(StrEnum):
    """A payment's state as Pay v3 names it."""

    NOTPAY = "NOTPAY"
    SUCCESS = "SUCCESS"
    REFUND = "REFUND"
    CLOSED = "CLOSED"


class RefundStatus(StrEnum):
    """A refund's state as Pay v3 names it."""

    PROCESSING = "PROCESSING"
    SUCCESS = "SUCCESS"
    CLOSED = "CLOSED"
    ABNORMAL = "ABNORMAL"


class TransferState(StrEnum):
    """A merchant transfer's state as Pay v3 names it (TRANSFERING is WeChat's spelling)."""

    ACCEPTED = "ACCEPTED"
    PROCESSING = "PROCESSING"
    WAIT_USER_CONFIRM = "WAIT_USER_CONFIRM"
    TRANSFERING = "TRANSFERING"
    SUCCESS = "SUCCESS"
    FAIL = "FAIL"
    CANCELING = "CANCELING"
    CANCELLED = "CANCELLED"


@dataclass(slots=True)
class User:
    """A WeChat user; `real_name` is empty if WeChat does not check the payee's name."""

    name: str
    openid: str
    unionid: str
    phone: str
    real_name: str
    session_key: str = field(default="", repr=False)


@dataclass(slots=True)
class Code:
    """A login or phone-number code: one use, until a wall-clock time."""

    user: User
    expires_at: datetime
    used: bool = False


@dataclass(slots=True)
class Parcel:
    """One entry of a `shipping_list`."""

    tracking_no: str
    express_company: str
    item_desc: str
    uploaded_at: datetime
    contact: dict[str, str]


@dataclass(slots=True)
class Shipping:
    """What upload_shipping_info said of a payment."""

    logistics_type: int
    delivery_mode: int
    parcels: list[Parcel]
    upload_time: datetime
    finish_count: int = 0
    shipped_at: datetime | None = None
    settle_due_at: datetime | None = None
    settled_at: datetime | None = None
    confirm_method: int = 0


@dataclass(slots=True)
class Refund:
    """One refund of one payment."""

    out_refund_no: str
    refund_id: str
    fingerprint: str
    out_trade_no: str
    transaction_id: str
    amount_fen: int
    total_fen: int
    reason: str
    notify_url: str
    created_at: datetime
    status: RefundStatus = RefundStatus.PROCESSING
    success_time: datetime | None = None


@dataclass(slots=True)
class Order:
    """One payment, from prepay to refund; `fingerprint` is the canonical content of the request that made it."""

    out_trade_no: str
    fingerprint: str
    description: str
    attach: str
    amount_fen: int
    openid: str
    notify_url: str
    created_at: datetime
    time_expire: datetime | None
    prepay_id: str = ""
    prepay_expires_at: datetime | None = None
    state: TradeState = TradeState.NOTPAY
    transaction_id: str = ""
    success_time: datetime | None = None
    refunds: list[Refund] = field(default_factory=list)
    shipping: Shipping | None = None
    reminded: bool = False


@dataclass(slots=True)
class Transfer:
    """One merchant transfer; `user_name` is the decrypted payee name, kept for WeChat's check only."""

    out_bill_no: str
    transfer_bill_no: str
    fingerprint: str
    openid: str
    amount_fen: int
    remark: str
    notify_url: str
    package_info: str
    created_at: datetime
    updated_at: datetime
    state: TransferState
    user_name: str = field(default="", repr=False)
    fail_reason: str = ""


@dataclass(frozen=True, slots=True)
class BillFile:
    """A bill that was asked for, to be downloaded until a wall-clock time."""

    content: bytes = field(repr=False)
    expires_at: datetime


@dataclass(slots=True)
class State:
    """Everything, keyed by the number that its owner uses."""

    users: dict[str, User] = field(default_factory=dict)
    openid_of_name: dict[str, str] = field(default_factory=dict)
    login_codes: dict[str, Code] = field(default_factory=dict)
    phone_codes: dict[str, Code] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)
    order_of_prepay: dict[str, str] = field(default_factory=dict)
    order_of_transaction: dict[str, str] = field(default_factory=dict)
    refunds: dict[str, Refund] = field(default_factory=dict)
    transfers: dict[str, Transfer] = field(default_factory=dict)
    bill_files: dict[str, BillFile] = field(default_factory=dict)
    """By the token under which a bill is downloaded."""
