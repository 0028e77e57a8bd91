"""Pay v3's objects as they come in answers and in decrypted notifications, and what they mean in our words."""

from datetime import UTC, datetime
from typing import Final

import msgspec

from fenxiao.wechat.facts import PaymentResult, RefundResult, TransferResult, TransferState

_PAID: Final = frozenset({"SUCCESS", "REFUND"})
"""A payment of which something was refunded is a payment that was made."""


class Payer(msgspec.Struct, frozen=True):
    """Who paid; empty before."""

    openid: str = ""


class TransactionAmount(msgspec.Struct, frozen=True):
    """What is to be paid, in fen."""

    total: int
    currency: str = "CNY"


class Transaction(msgspec.Struct, frozen=True):
    """A payment (Pay v3, `transactions`); texts that do not apply yet are absent or empty."""

    appid: str
    mchid: str
    out_trade_no: str
    trade_state: str
    amount: TransactionAmount
    transaction_id: str = ""
    success_time: str = ""
    payer: Payer = Payer()

    def __post_init__(self) -> None:
        """Let nothing decode that has no meaning."""
        self.fact()

    def fact(self) -> PaymentResult:
        """Return it in our words."""
        if self.amount.currency != "CNY":
            raise ValueError("a payment in another currency")
        return PaymentResult(
            out_trade_no=self.out_trade_no,
            success=self.trade_state in _PAID,
            trade_state=self.trade_state,
            transaction_id=self.transaction_id or None,
            success_time=_moment(self.success_time),
            payer_openid=self.payer.openid or None,
            total_fen=self.amount.total,
        )


class RefundAmount(msgspec.Struct, frozen=True):
    """What is refunded, in fen."""

    refund: int


class Refund(msgspec.Struct, frozen=True):
    """A refund (Pay v3, `refund/domestic/refunds`).

    Answers say `status`; notifications say `refund_status` and whose it is.
    """

    out_refund_no: str
    out_trade_no: str
    amount: RefundAmount
    status: str = ""
    refund_status: str = ""
    success_time: str = ""
    mchid: str = ""

    def __post_init__(self) -> None:
        """Let nothing decode that has no meaning."""
        self.fact()

    def fact(self) -> RefundResult:
        """Return it in our words."""
        status = self.status or self.refund_status
        if not status:
            raise ValueError("a refund without a status")
        return RefundResult(
            out_refund_no=self.out_refund_no,
            out_trade_no=self.out_trade_no,
            status=status,
            refund_fen=self.amount.refund,
            success_time=_moment(self.success_time),
        )


class Bill(msgspec.Struct, frozen=True):
    """A merchant transfer as answered, queried and notified (`fund-app/mch-transfer/transfer-bills`)."""

    out_bill_no: str
    state: TransferState
    transfer_bill_no: str = ""
    transfer_amount: int | None = None
    package_info: str = ""
    fail_reason: str = ""
    create_time: str = ""
    update_time: str = ""
    mch_id: str = ""

    def __post_init__(self) -> None:
        """Let nothing decode that has no meaning."""
        self.fact()

    def fact(self) -> TransferResult:
        """Return it in our words."""
        return TransferResult(
            out_bill_no=self.out_bill_no,
            state=self.state,
            transfer_bill_no=self.transfer_bill_no or None,
            amount_fen=self.transfer_amount,
            package_info=self.package_info or None,
            fail_reason=self.fail_reason or None,
            updated_at=_moment(self.update_time or self.create_time),
        )


def _moment(text: str) -> datetime | None:
    if not text:
        return None
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time without its offset")
    return moment.astimezone(UTC)
