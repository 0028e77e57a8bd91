"""What the order room works with: WeChat, and the books in which it takes down what WeChat reports.

Each call to WeChat raises `errors.PassingError` for a fault that passes, and another error for a refusal.
"""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from fenxiao.clock import Clock
from fenxiao.order.store import OrderStore
from fenxiao.relation.store import MemberStore
from fenxiao.wechat.facts import Parcel, PaymentParameters, PaymentResult, RefundResult, ShippedOrder

if TYPE_CHECKING:
    from fenxiao.review.store import CaseStore  # at run time only where a mismatch is reported


class PaymentPort(Protocol):
    """WeChat Pay, JSAPI; the order's id is its `out_trade_no`."""

    def create_prepay(self, order_id: str, description: str, total_fen: int, openid: str, expires_at: datetime) -> str:
        """Return a prepay id; the same order asked for again with the same content gives a live one."""
        ...

    def payment_parameters(self, prepay_id: str) -> PaymentParameters:
        """Return what `wx.requestPayment` takes, signed."""
        ...

    def query(self, order_id: str) -> PaymentResult | None:
        """Return the payment as WeChat sees it, `None` if WeChat does not know the order."""
        ...

    def close(self, order_id: str) -> None:
        """Close an unpaid order at WeChat, so that it cannot be paid any more."""
        ...


class RefundPort(Protocol):
    """WeChat Pay refunds; the refund's id is its `out_refund_no`."""

    def request(self, refund_id: str, order_id: str, refund_fen: int, total_fen: int, reason: str) -> RefundResult:
        """Ask for a refund; the same number and content asked for again gives the same refund."""
        ...

    def query(self, refund_id: str) -> RefundResult | None:
        """Return the refund as WeChat sees it, `None` if WeChat does not know it."""
        ...


class ShippingPort(Protocol):
    """WeChat's shipping management, which releases the funds."""

    def upload(self, parcel: Parcel) -> None:
        """Tell WeChat how a paid order was shipped; telling it again changes nothing."""
        ...

    def status(self, order_id: str) -> ShippedOrder | None:
        """Return the order as WeChat sees it, `None` if WeChat does not know it."""
        ...


class Bookkeeper(Struct, frozen=True):
    """What it takes to take in what WeChat reports."""

    orders: OrderStore
    members: MemberStore
    cases: "CaseStore"
    clock: Clock
    review_time: timedelta
