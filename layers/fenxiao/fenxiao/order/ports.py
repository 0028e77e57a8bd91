"""What the order room needs from WeChat.

Each call raises `aws.streams.PassingError` (or a subclass) for a fault that passes, and another error for a refusal.
"""

from datetime import datetime
from typing import Protocol

from fenxiao.order.model import Order
from fenxiao.wechat.facts import PaymentParameters, PaymentResult, RefundResult, ShippedOrder


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

    def upload(self, order: Order) -> None:
        """Tell WeChat how a paid order was shipped; telling it again changes nothing."""
        ...

    def status(self, order_id: str) -> ShippedOrder | None:
        """Return the order as WeChat sees it, `None` if WeChat does not know it."""
        ...
