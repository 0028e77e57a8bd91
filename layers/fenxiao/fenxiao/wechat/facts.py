"""What WeChat tells us, in our words: plain values, so that only the adapters know its wire formats."""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct


class TransferState(StrEnum):
    """States of a merchant transfer bill (WeChat Pay, merchant transfer 2025)."""

    ACCEPTED = "ACCEPTED"
    PROCESSING = "PROCESSING"
    WAIT_USER_CONFIRM = "WAIT_USER_CONFIRM"
    TRANSFERING = "TRANSFERING"  # WeChat's spelling
    SUCCESS = "SUCCESS"
    FAIL = "FAIL"
    CANCELING = "CANCELING"
    CANCELLED = "CANCELLED"

    @property
    def final(self) -> bool:
        """Tell whether the bill can never change again (M22)."""
        return self in {TransferState.SUCCESS, TransferState.FAIL, TransferState.CANCELLED}


class Identity(Struct, frozen=True, kw_only=True):
    """Who signed in to the mini-program."""

    openid: str
    unionid: str | None


class TextVerdict(StrEnum):
    """What WeChat thinks of a text (`msg_sec_check`, version 2)."""

    PASS = "pass"  # noqa: S105 - a verdict
    REVIEW = "review"
    RISKY = "risky"


class PaymentResult(Struct, frozen=True, kw_only=True):
    """A payment as notified or queried; `success` is false while it is unpaid, closed or failed."""

    out_trade_no: str
    success: bool
    trade_state: str
    transaction_id: str | None = None
    success_time: datetime | None = None
    payer_openid: str | None = None
    total_fen: int | None = None


class PaymentParameters(Struct, frozen=True, kw_only=True):
    """What `wx.requestPayment` takes; `pay_sign` is made with the merchant's key."""

    app_id: str
    time_stamp: str
    nonce_str: str
    package: str
    sign_type: str
    pay_sign: str


class RefundResult(Struct, frozen=True, kw_only=True):
    """A refund as answered, notified or queried: PROCESSING, SUCCESS, CLOSED or ABNORMAL."""

    out_refund_no: str
    out_trade_no: str
    status: str
    refund_fen: int
    success_time: datetime | None = None


class TransferResult(Struct, frozen=True, kw_only=True):
    """A transfer bill as answered, notified or queried; `package_info` opens the payee's confirmation page."""

    out_bill_no: str
    state: TransferState
    transfer_bill_no: str | None = None
    amount_fen: int | None = None
    package_info: str | None = None
    fail_reason: str | None = None
    updated_at: datetime | None = None


class Parcel(Struct, frozen=True, kw_only=True):
    """How a paid order went out: `tracking_number` and `carrier` are `None` when nothing is sent as a parcel."""

    out_trade_no: str
    openid: str
    description: str
    carrier: str | None
    tracking_number: str | None
    receiver_phone: str | None


class ShippedOrder(Struct, frozen=True, kw_only=True):
    """An order in WeChat's shipping management; `settled_at` is set once WeChat has released the funds."""

    out_trade_no: str
    settled_at: datetime | None


class SettlementMessage(Struct, frozen=True, kw_only=True):
    """The pushed event `trade_manage_order_settlement`: WeChat settles (or has settled) an order."""

    out_trade_no: str
    settled_at: datetime | None


class BilledPayment(Struct, frozen=True, kw_only=True):
    """A payment as a day's bill has it; `state` is `SUCCESS` unless it was revoked."""

    out_trade_no: str
    transaction_id: str
    state: str
    amount_fen: int


class BilledRefund(Struct, frozen=True, kw_only=True):
    """A refund as a day's bill has it: under the day of its acceptance, with the status when the bill was made."""

    out_trade_no: str
    out_refund_no: str
    status: str
    amount_fen: int


class TradeBill(Struct, frozen=True):
    """The payments and refunds of a Shanghai day."""

    payments: tuple[BilledPayment, ...] = ()
    refunds: tuple[BilledRefund, ...] = ()


class AccountMove(Struct, frozen=True, kw_only=True):
    """Money that left an account, or came back to it if `out_fen` is negative; `voucher` is the merchant's number."""

    business: str
    voucher: str
    out_fen: int


class FundFlowBill(Struct, frozen=True):
    """The movements of an account on a Shanghai day."""

    moves: tuple[AccountMove, ...] = ()
