"""Notifications of WeChat Pay: 204 says received; any refusal makes WeChat tell again."""

from fenxiao import wiring
from fenxiao.http.api import Api, Auth, Request
from fenxiao.order.payment import record_payment
from fenxiao.order.refunding import record_refund
from fenxiao.withdrawal.finish import transfer_ended

api = Api("payment_notification")


@api.route("POST", "/wechat/notifications/payments", "微信支付结果通知", Auth.PUBLIC)
def payments(request: Request[None]) -> None:
    """Take in a payment."""
    result = wiring.notifications().open_payment(request.headers, request.raw_body)
    record_payment(wiring.bookkeeper(), result)


@api.route("POST", "/wechat/notifications/refunds", "微信退款结果通知", Auth.PUBLIC)
def refunds(request: Request[None]) -> None:
    """Take in where a refund stands."""
    result = wiring.notifications().open_refund(request.headers, request.raw_body)
    record_refund(wiring.bookkeeper(), result)


@api.route("POST", "/wechat/notifications/transfers", "微信商家转账结果通知", Auth.PUBLIC)
def transfers(request: Request[None]) -> None:
    """Take in where a transfer stands."""
    result = wiring.notifications().open_transfer(request.headers, request.raw_body)
    transfer_ended(wiring.withdrawal_books(), result)


lambda_handler = api.handler
