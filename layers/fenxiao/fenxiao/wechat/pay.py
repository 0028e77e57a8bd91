"""WeChat Pay v3: payments in the mini-program, and refunds.

Numbers are ours (`out_trade_no` is the order's id, `out_refund_no` the refund's), so every call may be repeated: the
same number with the same content is the same thing at WeChat.
"""

import secrets
import time
from collections.abc import Callable
from datetime import datetime
from typing import Final

import msgspec

from fenxiao.clock import SHANGHAI
from fenxiao.wechat.calls import repeated, unavailable
from fenxiao.wechat.errors import WeChatRefusedError
from fenxiao.wechat.facts import PaymentParameters, PaymentResult, RefundResult
from fenxiao.wechat.gateway import call, decode, library
from fenxiao.wechat.settings import WeChatSettings, notify_url
from fenxiao.wechat.wire import Refund, Transaction

_MAX_DESCRIPTION: Final = 127
_MAX_REASON: Final = 80
_NO_PAYMENT: Final = "ORDER_NOT_EXIST"
_NO_REFUND: Final = "RESOURCE_NOT_EXISTS"
_CLOSED: Final = "ORDER_CLOSED"


class _Prepay(msgspec.Struct, frozen=True):
    prepay_id: str


class WeChatPay:
    """Payments.

    Each call raises `WeChatUnavailableError` for a fault that passes and `WeChatRefusedError` with WeChat's code.
    """

    def __init__(self, settings: Callable[[], WeChatSettings]) -> None:
        """Take where the settings are read from."""
        self._settings = settings

    def create_prepay(self, order_id: str, description: str, total_fen: int, openid: str, expires_at: datetime) -> str:
        """Return the id with which the shopper pays, good for two hours; the same arguments give a live one again.

        `description` is cut at 127 characters. Codes of refusals: `ORDERPAID`, `ORDER_CLOSED`, and `INVALID_REQUEST`
        for a number that was used with another content (Pay v3, `transactions/jsapi`).
        """
        pay = library(self._settings())
        answer = repeated(
            lambda: call(
                lambda: pay.pay(
                    description=description[:_MAX_DESCRIPTION],
                    out_trade_no=order_id,
                    amount={"total": total_fen, "currency": "CNY"},
                    payer={"openid": openid},
                    time_expire=expires_at.astimezone(SHANGHAI).isoformat(timespec="seconds"),
                    notify_url=notify_url("payments"),
                )
            )
        )
        return decode(_Prepay, answer).prepay_id

    def payment_parameters(self, prepay_id: str) -> PaymentParameters:
        """Return what `wx.requestPayment` takes, signed with the wall time, on which WeChat checks it."""
        settings = self._settings()
        time_stamp, nonce, package = str(int(time.time())), secrets.token_hex(16), f"prepay_id={prepay_id}"
        return PaymentParameters(
            app_id=settings.appid,
            time_stamp=time_stamp,
            nonce_str=nonce,
            package=package,
            sign_type="RSA",
            pay_sign=library(settings).sign([settings.appid, time_stamp, nonce, package]),
        )

    def query(self, order_id: str) -> PaymentResult | None:
        """Return the payment as it stands, `None` if WeChat never heard of it."""
        settings = self._settings()
        pay = library(settings)
        try:
            answer = repeated(lambda: call(lambda: pay.query(out_trade_no=order_id)))
        except WeChatRefusedError as error:
            if error.code == _NO_PAYMENT:
                return None
            raise
        payment = decode(Transaction, answer)
        if (payment.out_trade_no, payment.mchid, payment.appid) != (order_id, settings.mchid, settings.appid):
            raise unavailable("an answer about another payment")
        return payment.fact()

    def close(self, order_id: str) -> None:
        """Make sure that the order can no longer be paid; one that is closed or was never placed is fine.

        `WeChatRefusedError` with `ORDERPAID` says that the payment came first.
        """
        pay = library(self._settings())
        try:
            repeated(lambda: call(lambda: pay.close(order_id)))
        except WeChatRefusedError as error:
            if error.code not in {_CLOSED, _NO_PAYMENT}:
                raise


class WeChatRefunds:
    """Refunds.

    Each call raises `WeChatUnavailableError` for a fault that passes and `WeChatRefusedError` with WeChat's code.
    """

    def __init__(self, settings: Callable[[], WeChatSettings]) -> None:
        """Take where the settings are read from."""
        self._settings = settings

    def request(self, refund_id: str, order_id: str, refund_fen: int, total_fen: int, reason: str) -> RefundResult:
        """Ask for a refund; the same number and content give the one that is there already.

        `total_fen` is what the order was paid with; `reason` is shown to the shopper and cut at 80 characters.
        Codes of refusals: `NOT_ENOUGH` (the merchant's balance), `INVALID_REQUEST`, `RESOURCE_NOT_EXISTS`
        (Pay v3, `refund/domestic/refunds`).
        """
        pay = library(self._settings())
        answer = repeated(
            lambda: call(
                lambda: pay.refund(
                    out_refund_no=refund_id,
                    out_trade_no=order_id,
                    amount={"refund": refund_fen, "total": total_fen, "currency": "CNY"},
                    reason=reason[:_MAX_REASON],
                    notify_url=notify_url("refunds"),
                )
            )
        )
        return _about(refund_id, decode(Refund, answer))

    def query(self, refund_id: str) -> RefundResult | None:
        """Return the refund as it stands, `None` if WeChat never heard of it."""
        pay = library(self._settings())
        try:
            answer = repeated(lambda: call(lambda: pay.query_refund(refund_id)))
        except WeChatRefusedError as error:
            if error.code == _NO_REFUND:
                return None
            raise
        return _about(refund_id, decode(Refund, answer))


def _about(refund_id: str, refund: Refund) -> RefundResult:
    if refund.out_refund_no != refund_id:
        raise unavailable("an answer about another refund")
    return refund.fact()
