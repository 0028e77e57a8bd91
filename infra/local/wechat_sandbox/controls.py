"""The sandbox's own controls: what shoppers and time do, the knobs, and a view of everything."""

from dataclasses import asdict
from datetime import datetime
from urllib.parse import urlsplit

from . import miniprogram, pay, refunds, shipping, transfers
from .clock import MAX_ADVANCE_SECONDS, rfc3339
from .exchange import ApiError, JsonObject, Request, Response, answer_json
from .fields import Fields, parse_object
from .forgeries import forge
from .functions import invoke_scheduled
from .notifications import Attempt, AttemptKind, Notification
from .sandbox import Sandbox
from .state import Order, RefundStatus, Transfer, TransferState, User

_MAX_WAIT_SECONDS = 60
_DELIVERY_WAIT_SECONDS = 15.0
_MAX_FUNCTIONS = 100


def configure(sandbox: Sandbox, request: Request) -> Response:
    """PUT /_config: where the deployed API, the Lambda API and the scheduled functions are."""
    fields = parse_object(request.body)
    deployment = sandbox.deployment
    api_url = _loopback_url(fields, "api_url")
    lambda_endpoint = _loopback_url(fields, "lambda_endpoint")
    names = deployment.scheduled_functions
    if fields.has("scheduled_functions"):
        names = tuple(fields.texts("scheduled_functions", _MAX_FUNCTIONS, 170))
    message_path = fields.optional_text("message_path", 300, r"/[^?#\s]*")
    deployment.api_url = api_url or deployment.api_url
    deployment.lambda_endpoint = lambda_endpoint or deployment.lambda_endpoint
    deployment.scheduled_functions = names
    deployment.message_path = message_path or deployment.message_path
    return answer_json(asdict(deployment))


def show_knobs(sandbox: Sandbox, _request: Request) -> Response:
    """GET /_knobs."""
    return answer_json(sandbox.knobs.as_json())


def set_knobs(sandbox: Sandbox, request: Request) -> Response:
    """PUT /_knobs: set those that are named, leave the others."""
    sandbox.knobs.change(parse_object(request.body))
    return answer_json(sandbox.knobs.as_json())


def reset_knobs(sandbox: Sandbox, _request: Request) -> Response:
    """POST /_reset_knobs: set everything back."""
    sandbox.knobs.reset()
    return answer_json(sandbox.knobs.as_json())


def show_clock(sandbox: Sandbox, _request: Request) -> Response:
    """GET /_clock."""
    return answer_json(_clock_json(sandbox))


def advance_clock(sandbox: Sandbox, request: Request) -> Response:
    """POST /_clock/advance {"seconds"}: expire, settle and retry what is due, then invoke the scheduled functions."""
    seconds = parse_object(request.body).integer("seconds", 1, MAX_ADVANCE_SECONDS)
    with sandbox.advancing:
        with sandbox.lock:
            sandbox.clock.advance(seconds)
            expired = _run_due(sandbox)
        sandbox.notifier.hasten()
        delivered = sandbox.notifier.wait_idle(_DELIVERY_WAIT_SECONDS, with_retries=False)
        functions = invoke_scheduled(sandbox.deployment, sandbox.clock.now())
        delivered = sandbox.notifier.wait_idle(_DELIVERY_WAIT_SECONDS, with_retries=False) and delivered
    return answer_json(
        {
            **_clock_json(sandbox),
            "expired": expired,
            "notifications_delivered": delivered,
            "functions": functions,
        }
    )


def make_user(sandbox: Sandbox, request: Request) -> Response:
    """POST /_users {"name", "phone"?, "real_name"?}: the user of this name, made if new."""
    return answer_json(_user_json(_named_user(sandbox, parse_object(request.body))))


def make_login_code(sandbox: Sandbox, request: Request) -> Response:
    """POST /_login_codes {"name"}: what wx.login gives the mini-program."""
    user = _named_user(sandbox, parse_object(request.body))
    code = miniprogram.make_code(sandbox, sandbox.state.login_codes, user)
    return answer_json({"code": code, **_user_json(user)})


def make_phone_code(sandbox: Sandbox, request: Request) -> Response:
    """POST /_phone_codes {"name", "phone"?}: what the phone-number button gives the mini-program."""
    user = _named_user(sandbox, parse_object(request.body))
    code = miniprogram.make_code(sandbox, sandbox.state.phone_codes, user)
    return answer_json({"code": code, "phone": user.phone, **_user_json(user)})


def play_payment(sandbox: Sandbox, request: Request) -> Response:
    """POST /_pay {"out_trade_no" or "prepay_id", "openid"?, "payment"?}: play wx.requestPayment."""
    fields = parse_object(request.body)
    if fields.has("prepay_id"):
        number = sandbox.state.order_of_prepay.get(fields.text("prepay_id", 64), "")
    else:
        number = fields.text("out_trade_no", 32)
    order = _order(sandbox, number)
    if fields.has("openid") and fields.text("openid", 128) != order.openid:
        raise ApiError(400, "PAYER_MISMATCH", "requestPayment:fail 支付者与下单用户不一致")
    if fields.has("payment"):
        pay.check_payment_request(sandbox, order, fields.object("payment"))
    pay.pay(sandbox, order)
    return answer_json(pay.transaction(sandbox, order))


def confirm_transfer(sandbox: Sandbox, request: Request) -> Response:
    """POST /_transfers/{out_bill_no}/confirm {"package_info"?, "openid"?}: play wx.requestMerchantTransfer."""
    fields = parse_object(request.body or b"{}")
    transfer = _transfer(sandbox, request.parameters["out_bill_no"])
    if fields.has("package_info") and fields.text("package_info", 2000) != transfer.package_info:
        raise ApiError(400, "PACKAGE_INVALID", "requestMerchantTransfer:fail package 无效")
    if fields.has("openid") and fields.text("openid", 128) != transfer.openid:
        raise ApiError(400, "PAYEE_MISMATCH", "requestMerchantTransfer:fail 收款用户与转账单不一致")
    transfers.confirm(sandbox, transfer)
    return answer_json(transfers.transfer_json(sandbox, transfer))


def finish_transfer(sandbox: Sandbox, request: Request) -> Response:
    """POST /_transfers/{out_bill_no}/finish {"state", "fail_reason"?}: end a transfer that a knob holds."""
    fields = parse_object(request.body)
    transfer = _transfer(sandbox, request.parameters["out_bill_no"])
    state = TransferState(fields.choice("state", ("SUCCESS", "FAIL", "CANCELLED")))
    reason = fields.optional_text("fail_reason", 64) or "PAYEE_ACCOUNT_ABNORMAL"
    transfers.finish(sandbox, transfer, state, reason if state is TransferState.FAIL else "")
    return answer_json(transfers.transfer_json(sandbox, transfer))


def finish_refund(sandbox: Sandbox, request: Request) -> Response:
    """POST /_refunds/{out_refund_no}/finish {"status"}: end a refund that a knob holds."""
    status = RefundStatus(parse_object(request.body).choice("status", ("SUCCESS", "CLOSED", "ABNORMAL")))
    refund = sandbox.state.refunds.get(request.parameters["out_refund_no"])
    if refund is None:
        raise ApiError(404, "RESOURCE_NOT_EXISTS", "退款单不存在")
    refunds.finish(sandbox, refund, status)
    return answer_json(refunds.refund_json(refund))


def settle_order(sandbox: Sandbox, request: Request) -> Response:
    """POST /_orders/{out_trade_no}/settle: the shopper confirms the receipt and WeChat settles at once."""
    order = _order(sandbox, request.parameters["out_trade_no"])
    if not shipping.settle(sandbox, order, shipping.CONFIRMED_BY_HAND, sandbox.clock.now()):
        raise ApiError(400, "INVALID_REQUEST", "订单未发货、已结算或已全额退款，不能结算")
    return answer_json({"out_trade_no": order.out_trade_no, "order_state": shipping.order_state(order)})


def redeliver(sandbox: Sandbox, request: Request) -> Response:
    """POST /_notifications/{id}/redeliver: deliver a notification once more, now, signed afresh."""
    with sandbox.lock:
        notification = sandbox.notifier.kept.get(request.parameters["id"])
    if notification is None:
        raise ApiError(404, "NOT_FOUND", "没有这条通知（只保留最近的通知）")
    return answer_json(_attempt_json(sandbox.notifier.deliver_now(notification, AttemptKind.REDELIVERY)))


def deliver_forgery(sandbox: Sandbox, request: Request) -> Response:
    """POST /_forge {"kind", "out_trade_no", "amount"?}: deliver a forged notification once."""
    notification, attempt = forge(sandbox, parse_object(request.body))
    return answer_json({"id": notification.id, **_attempt_json(attempt)})


def wait_idle(sandbox: Sandbox, request: Request) -> Response:
    """GET /_wait?idle=1&timeout_seconds=10: return when no delivery or retry is left, or the time is over."""
    try:
        timeout_seconds = float(request.query.get("timeout_seconds", "10"))
    except ValueError:
        timeout_seconds = -1
    if request.query.get("idle") != "1" or not 0 <= timeout_seconds <= _MAX_WAIT_SECONDS:
        raise ApiError(400, "PARAM_ERROR", f"须为 idle=1，timeout_seconds 在 0 与 {_MAX_WAIT_SECONDS} 之间")
    idle = sandbox.notifier.wait_idle(timeout_seconds, with_retries=True)
    return answer_json({"idle": idle, "pending": sandbox.notifier.pending()})


def show_state(sandbox: Sandbox, _request: Request) -> Response:
    """GET /_state: everything the sandbox holds."""
    return answer_json(state_json(sandbox))


def state_json(sandbox: Sandbox) -> JsonObject:
    """Return everything as JSON values; times are RFC 3339."""
    state = sandbox.state
    return {
        "clock": _clock_json(sandbox),
        "config": asdict(sandbox.deployment),
        "appid": sandbox.keys.appid,
        "mchid": sandbox.keys.mchid,
        "users": [_user_json(user) for user in state.users.values()],
        "orders": [_order_json(order) for order in state.orders.values()],
        "refunds": [_plain(asdict(refund), ("fingerprint",)) for refund in state.refunds.values()],
        "transfers": [_plain(asdict(transfer), ("fingerprint", "user_name")) for transfer in state.transfers.values()],
        "notifications": [notification_json(entry) for entry in sandbox.notifier.kept.values()],
        "knobs": sandbox.knobs.as_json(),
    }


def notification_json(notification: Notification) -> JsonObject:
    """Return a notification with its attempts, without the sealed body."""
    return {
        "id": notification.id,
        "channel": notification.channel.value,
        "event_type": notification.event_type,
        "subject": notification.subject,
        "path": notification.path,
        "state": notification.state.value,
        "created_at": rfc3339(notification.created_at),
        "attempts": [_attempt_json(attempt) for attempt in notification.attempts],
    }


def _run_due(sandbox: Sandbox) -> JsonObject:
    """Carry out everything whose time has come, and count it."""
    orders, transferred = list(sandbox.state.orders.values()), list(sandbox.state.transfers.values())
    return {
        "orders_closed": sum(pay.close_expired(sandbox, order) for order in orders),
        "transfers_overdue": sum(transfers.expire(sandbox, transfer) for transfer in transferred),
        "shipping_reminders": sum(shipping.remind_if_due(sandbox, order) for order in orders),
        "orders_settled": sum(shipping.settle_if_due(sandbox, order) for order in orders),
    }


def _named_user(sandbox: Sandbox, fields: Fields) -> User:
    return miniprogram.find_or_make_user(
        sandbox,
        fields.text("name", 64),
        fields.optional_text("phone", 20, r"\+?\d+"),
        fields.optional_text("real_name", 64),
    )


def _order(sandbox: Sandbox, out_trade_no: str) -> Order:
    order = pay.find_order(sandbox, out_trade_no)
    if order is None:
        raise ApiError(404, "ORDER_NOT_EXIST", "订单不存在")
    return order


def _transfer(sandbox: Sandbox, out_bill_no: str) -> Transfer:
    transfer = transfers.find_transfer(sandbox, out_bill_no)
    if transfer is None:
        raise ApiError(404, "NOT_FOUND", "转账单不存在")
    return transfer


def _loopback_url(fields: Fields, name: str) -> str:
    """Return the address, which must be on this machine: notifications go nowhere else."""
    value = fields.optional_text(name, 300)
    host = urlsplit(value).hostname or ""
    local = host in ("127.0.0.1", "localhost") or host.endswith(".localhost")
    if value and not (value.startswith("http://") and local):
        raise fields.fail(name, "须为本机的 http 地址")
    return value


def _clock_json(sandbox: Sandbox) -> JsonObject:
    return {"offset_seconds": sandbox.clock.offset_seconds, "now": rfc3339(sandbox.clock.now())}


def _user_json(user: User) -> JsonObject:
    return {"name": user.name, "openid": user.openid, "unionid": user.unionid}


def _order_json(order: Order) -> JsonObject:
    shown = _plain(asdict(order), ("fingerprint", "refunds"))
    return {**shown, "order_state": shipping.order_state(order) if order.success_time is not None else None}


def _attempt_json(attempt: Attempt) -> JsonObject:
    return _plain(asdict(attempt), ())


def _plain(values: JsonObject, hidden: tuple[str, ...]) -> JsonObject:
    """Return the record without the hidden fields, its times as RFC 3339 text."""
    return {name: _plain_value(value) for name, value in values.items() if name not in hidden}


def _plain_value(value: object) -> object:
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, dict):
        return {name: _plain_value(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [_plain_value(entry) for entry in value]
    return value
