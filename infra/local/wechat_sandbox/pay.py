"""Pay v3 payments: prepay, query and close, and the payment itself, which the shopper's phone would make."""

import base64
import binascii
from datetime import timedelta

from .clock import SHANGHAI, rfc3339
from .exchange import ApiError, JsonObject, Request, Response, answer_json
from .fields import Fields, parse_object
from .notifications import pay_notification
from .numbers import dated, digits, fingerprint
from .sandbox import Sandbox, check_room
from .state import MAX_ORDERS, Order, TradeState

OUT_TRADE_NO = r"[0-9A-Za-z_\-|*]+"
PREPAY_LIFE = timedelta(hours=2)
_MAX_TOTAL_FEN = 100_000_000_00
_STATE_TEXT = {
    TradeState.NOTPAY: "订单未支付",
    TradeState.SUCCESS: "支付成功",
    TradeState.REFUND: "订单发生过退款，退款详情请查询退款单",
    TradeState.CLOSED: "订单已关闭",
}


def create_prepay(sandbox: Sandbox, request: Request) -> Response:
    """POST /v3/pay/transactions/jsapi: make a payment, or return the live prepay of the same one."""
    fields = parse_object(request.body)
    wanted = _read_order(sandbox, fields)
    order = find_order(sandbox, wanted.out_trade_no)
    if order is None:
        if wanted.time_expire is not None and wanted.time_expire <= sandbox.clock.now():
            raise fields.fail("time_expire", "交易结束时间已过")
        check_room(len(sandbox.state.orders), MAX_ORDERS)
        sandbox.state.orders[wanted.out_trade_no] = order = wanted
    else:
        _check_repeated(order, wanted)
    _renew_prepay(sandbox, order)
    return answer_json({"prepay_id": order.prepay_id})


def query_by_number(sandbox: Sandbox, request: Request) -> Response:
    """GET /v3/pay/transactions/out-trade-no/{out_trade_no}?mchid=."""
    _check_mchid(sandbox, request.query.get("mchid", ""))
    return answer_json(transaction(sandbox, _existing(sandbox, request.parameters["out_trade_no"])))


def query_by_transaction(sandbox: Sandbox, request: Request) -> Response:
    """GET /v3/pay/transactions/id/{transaction_id}?mchid=."""
    _check_mchid(sandbox, request.query.get("mchid", ""))
    number = sandbox.state.order_of_transaction.get(request.parameters["transaction_id"], "")
    return answer_json(transaction(sandbox, _existing(sandbox, number)))


def close(sandbox: Sandbox, request: Request) -> Response:
    """POST /v3/pay/transactions/out-trade-no/{out_trade_no}/close: 204, also if it is closed already."""
    _check_mchid(sandbox, parse_object(request.body).text("mchid", 32))
    order = _existing(sandbox, request.parameters["out_trade_no"])
    if order.state in (TradeState.SUCCESS, TradeState.REFUND):
        raise ApiError(400, "ORDERPAID", "该订单已支付")
    order.state = TradeState.CLOSED
    return Response(204)


def find_order(sandbox: Sandbox, out_trade_no: str) -> Order | None:
    """Return the payment with this number, closed if its time has run out."""
    order = sandbox.state.orders.get(out_trade_no)
    if order is not None:
        close_expired(sandbox, order)
    return order


def close_expired(sandbox: Sandbox, order: Order) -> bool:
    """Close the payment if its `time_expire` has passed unpaid, and say whether that was so."""
    expired = order.time_expire is not None and order.time_expire <= sandbox.clock.now()
    if not expired or order.state is not TradeState.NOTPAY:
        return False
    order.state = TradeState.CLOSED
    return True


def pay(sandbox: Sandbox, order: Order) -> None:
    """Pay the order and notify the merchant.

    Raises:
        ApiError: it is paid or closed already, or its prepay_id is older than two hours.
    """
    now = sandbox.clock.now()
    if order.state is TradeState.CLOSED:
        raise ApiError(400, "ORDER_CLOSED", "该订单已关闭，请重新下单")
    if order.state is not TradeState.NOTPAY:
        raise ApiError(400, "ORDERPAID", "该订单已支付")
    if order.prepay_expires_at is None or order.prepay_expires_at <= now:
        raise ApiError(400, "PREPAY_EXPIRED", "prepay_id 已过期，请重新下单")
    order.state = TradeState.SUCCESS
    order.transaction_id = dated("4200", now, 28)
    order.success_time = now
    sandbox.state.order_of_transaction[order.transaction_id] = order.out_trade_no
    sandbox.notifier.submit(
        pay_notification(
            sandbox.keyring,
            sandbox.clock,
            "TRANSACTION.SUCCESS",
            "支付成功",
            "transaction",
            order.out_trade_no,
            order.notify_url,
            transaction(sandbox, order),
        )
    )


def transaction(sandbox: Sandbox, order: Order) -> JsonObject:
    """Return the payment as queries and notifications show it."""
    shown: JsonObject = {
        "appid": sandbox.keys.appid,
        "mchid": sandbox.keys.mchid,
        "out_trade_no": order.out_trade_no,
        "trade_state": order.state.value,
        "trade_state_desc": _STATE_TEXT[order.state],
        "attach": order.attach,
        "promotion_detail": [],
    }
    if order.success_time is None:
        return {**shown, "amount": {"total": order.amount_fen, "currency": "CNY", "payer_currency": "CNY"}}
    return {
        **shown,
        "transaction_id": order.transaction_id,
        "trade_type": "JSAPI",
        "bank_type": "OTHERS",
        "success_time": rfc3339(order.success_time),
        "payer": {"openid": order.openid},
        "amount": {
            "total": order.amount_fen,
            "payer_total": order.amount_fen,
            "currency": "CNY",
            "payer_currency": "CNY",
        },
    }


def check_payment_request(sandbox: Sandbox, order: Order, payment: Fields) -> None:
    """Check what the mini-program would hand to wx.requestPayment, as the phone does.

    Raises:
        ApiError: another app, another prepay, another signature type, or a signature that is not the merchant's.
    """
    app_id = payment.text("appId", 32)
    package = payment.text("package", 128)
    text = f"{app_id}\n{payment.text('timeStamp', 32)}\n{payment.text('nonceStr', 32)}\n{package}\n"
    try:
        signature = base64.b64decode(payment.text("paySign", 1024), validate=True)
    except binascii.Error:
        signature = b""
    signed = payment.text("signType", 16) == "RSA" and sandbox.keyring.merchant_signed(text, signature)
    if app_id != sandbox.keys.appid or package != f"prepay_id={order.prepay_id}" or not signed:
        raise ApiError(400, "PAY_SIGN_ERROR", "requestPayment:fail 支付验证签名失败")


def _read_order(sandbox: Sandbox, fields: Fields) -> Order:
    if fields.text("appid", 32) != sandbox.keys.appid:
        raise ApiError(400, "APPID_MCHID_NOT_MATCH", "appid 和 mch_id 不匹配")
    _check_mchid(sandbox, fields.text("mchid", 32))
    amount = fields.object("amount")
    if amount.has("currency"):
        amount.choice("currency", ("CNY",))
    openid = fields.object("payer").text("openid", 128)
    order = Order(
        out_trade_no=fields.text("out_trade_no", 32, OUT_TRADE_NO, minimum=6),
        fingerprint=fingerprint(fields.values),
        description=fields.text("description", 127),
        attach=fields.optional_text("attach", 128),
        amount_fen=amount.integer("total", 1, _MAX_TOTAL_FEN),
        openid=openid,
        notify_url=fields.notify_url("notify_url"),
        created_at=sandbox.clock.now(),
        time_expire=fields.moment("time_expire") if fields.has("time_expire") else None,
    )
    if sandbox.user(openid) is None:
        raise ApiError(400, "PARAM_ERROR", "无效的 openid", {"field": "/body/payer/openid", "location": "body"})
    return order


def _check_repeated(order: Order, wanted: Order) -> None:
    if order.state in (TradeState.SUCCESS, TradeState.REFUND):
        raise ApiError(400, "ORDERPAID", "该订单已支付")
    if order.state is TradeState.CLOSED:
        raise ApiError(400, "ORDER_CLOSED", "该订单已关闭，请重新下单")
    if order.fingerprint != wanted.fingerprint:
        raise ApiError(400, "INVALID_REQUEST", "商户订单号重复，请求参数与原订单不一致")


def _renew_prepay(sandbox: Sandbox, order: Order) -> None:
    now = sandbox.clock.now()
    if order.prepay_expires_at is not None and order.prepay_expires_at > now:
        return
    sandbox.state.order_of_prepay.pop(order.prepay_id, None)
    order.prepay_id = f"wx{now.astimezone(SHANGHAI):%d%H%M%S}{digits(26)}"
    order.prepay_expires_at = now + PREPAY_LIFE
    sandbox.state.order_of_prepay[order.prepay_id] = order.out_trade_no


def _existing(sandbox: Sandbox, out_trade_no: str) -> Order:
    order = find_order(sandbox, out_trade_no)
    if order is None:
        raise ApiError(404, "ORDER_NOT_EXIST", "订单不存在")
    return order


def _check_mchid(sandbox: Sandbox, mchid: str) -> None:
    if mchid != sandbox.keys.mchid:
        raise ApiError(400, "MCH_NOT_EXISTS", "商户号不存在或与签名不符")
