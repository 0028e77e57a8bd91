"""Pay v3 refunds."""

from datetime import timedelta

from .clock import rfc3339
from .exchange import ApiError, JsonObject, Request, Response, answer_json
from .fields import Fields, parse_object
from .notifications import pay_notification
from .numbers import dated, fingerprint
from .pay import OUT_TRADE_NO, find_order
from .sandbox import Sandbox, check_room
from .state import MAX_REFUNDS, Order, Refund, RefundStatus, TradeState

_REFUNDABLE_FOR = timedelta(days=365)
_OUT_REFUND_NO = r"[0-9A-Za-z_\-|*@]+"
_MAX_FEN = 100_000_000_00
_SUMMARY = {RefundStatus.SUCCESS: "退款成功", RefundStatus.CLOSED: "退款关闭", RefundStatus.ABNORMAL: "退款异常"}
_MODE_STATUS = {"success": RefundStatus.SUCCESS, "abnormal": RefundStatus.ABNORMAL}


def create_refund(sandbox: Sandbox, request: Request) -> Response:
    """POST /v3/refund/domestic/refunds: the answer says PROCESSING, then the refund goes on as the knob has it."""
    fields = parse_object(request.body)
    order = _paid_order(sandbox, fields)
    wanted = _read_refund(sandbox, fields, order)
    known = sandbox.state.refunds.get(wanted.out_refund_no)
    if known is not None:
        if known.fingerprint != wanted.fingerprint:
            raise ApiError(400, "INVALID_REQUEST", "订单金额或退款金额与之前请求不一致，请核实后再试")
        return answer_json(refund_json(known))
    _check_amount(sandbox, order, wanted)
    check_room(len(sandbox.state.refunds), MAX_REFUNDS)
    sandbox.state.refunds[wanted.out_refund_no] = wanted
    order.refunds.append(wanted)
    order.state = TradeState.REFUND
    answer = answer_json(refund_json(wanted))
    if sandbox.knobs.refund_mode != "hold":
        finish(sandbox, wanted, _MODE_STATUS[sandbox.knobs.refund_mode])
    return answer


def query_refund(sandbox: Sandbox, request: Request) -> Response:
    """GET /v3/refund/domestic/refunds/{out_refund_no}."""
    refund = sandbox.state.refunds.get(request.parameters["out_refund_no"])
    if refund is None:
        raise ApiError(404, "RESOURCE_NOT_EXISTS", "退款单不存在")
    return answer_json(refund_json(refund))


def finish(sandbox: Sandbox, refund: Refund, status: RefundStatus) -> None:
    """End a refund that is processing and notify the merchant.

    Raises:
        ApiError: it has ended already.
    """
    if refund.status is not RefundStatus.PROCESSING:
        raise ApiError(400, "INVALID_REQUEST", "退款单已是终态")
    refund.status = status
    if status is RefundStatus.SUCCESS:
        refund.success_time = sandbox.clock.now()
    if refund.notify_url:
        sandbox.notifier.submit(
            pay_notification(
                sandbox.keyring,
                sandbox.clock,
                f"REFUND.{status.value}",
                _SUMMARY[status],
                "refund",
                refund.out_refund_no,
                refund.notify_url,
                _notified(sandbox, refund),
            )
        )


def refunded_fen(order: Order) -> int:
    """Return what was refunded of the payment or is being refunded."""
    return sum(refund.amount_fen for refund in order.refunds if refund.status is not RefundStatus.CLOSED)


def refund_json(refund: Refund) -> JsonObject:
    """Return the refund as creation and query show it."""
    shown: JsonObject = {
        "refund_id": refund.refund_id,
        "out_refund_no": refund.out_refund_no,
        "transaction_id": refund.transaction_id,
        "out_trade_no": refund.out_trade_no,
        "channel": "ORIGINAL",
        "user_received_account": "支付用户零钱",
        "create_time": rfc3339(refund.created_at),
        "status": refund.status.value,
        "funds_account": "AVAILABLE",
        "promotion_detail": [],
        "amount": {
            "total": refund.total_fen,
            "refund": refund.amount_fen,
            "from": [],
            "payer_total": refund.total_fen,
            "payer_refund": refund.amount_fen,
            "settlement_refund": refund.amount_fen,
            "settlement_total": refund.total_fen,
            "discount_refund": 0,
            "currency": "CNY",
        },
    }
    if refund.success_time is not None:
        shown["success_time"] = rfc3339(refund.success_time)
    return shown


def _notified(sandbox: Sandbox, refund: Refund) -> JsonObject:
    resource: JsonObject = {
        "mchid": sandbox.keys.mchid,
        "transaction_id": refund.transaction_id,
        "out_trade_no": refund.out_trade_no,
        "refund_id": refund.refund_id,
        "out_refund_no": refund.out_refund_no,
        "refund_status": refund.status.value,
        "user_received_account": "支付用户零钱",
        "amount": {
            "total": refund.total_fen,
            "refund": refund.amount_fen,
            "payer_total": refund.total_fen,
            "payer_refund": refund.amount_fen,
        },
    }
    if refund.success_time is not None:
        resource["success_time"] = rfc3339(refund.success_time)
    return resource


def _paid_order(sandbox: Sandbox, fields: Fields) -> Order:
    if fields.has("transaction_id"):
        transaction_id = fields.text("transaction_id", 32)
        number = sandbox.state.order_of_transaction.get(transaction_id, "")
        if fields.has("out_trade_no") and fields.text("out_trade_no", 32) != number:
            raise ApiError(404, "RESOURCE_NOT_EXISTS", "订单号不存在")
    else:
        number = fields.text("out_trade_no", 32, OUT_TRADE_NO, minimum=6)
    order = find_order(sandbox, number)
    if order is None:
        raise ApiError(404, "RESOURCE_NOT_EXISTS", "订单号不存在")
    if order.success_time is None:
        raise ApiError(400, "INVALID_REQUEST", "订单未支付，不可退款")
    return order


def _read_refund(sandbox: Sandbox, fields: Fields, order: Order) -> Refund:
    amount = fields.object("amount")
    amount.choice("currency", ("CNY",))
    now = sandbox.clock.now()
    refund = Refund(
        out_refund_no=fields.text("out_refund_no", 64, _OUT_REFUND_NO),
        refund_id=dated("5030", now, 29),
        fingerprint="",
        out_trade_no=order.out_trade_no,
        transaction_id=order.transaction_id,
        amount_fen=amount.integer("refund", 1, _MAX_FEN),
        total_fen=amount.integer("total", 1, _MAX_FEN),
        reason=fields.optional_text("reason", 80),
        notify_url=fields.notify_url("notify_url") if fields.has("notify_url") else "",
        created_at=now,
    )
    refund.fingerprint = fingerprint(
        {
            "out_trade_no": refund.out_trade_no,
            "refund": refund.amount_fen,
            "total": refund.total_fen,
            "reason": refund.reason,
            "notify_url": refund.notify_url,
        }
    )
    return refund


def _check_amount(sandbox: Sandbox, order: Order, wanted: Refund) -> None:
    if wanted.total_fen != order.amount_fen:
        raise ApiError(400, "INVALID_REQUEST", "订单总金额与原支付订单不一致")
    if refunded_fen(order) + wanted.amount_fen > order.amount_fen:
        raise ApiError(400, "INVALID_REQUEST", "申请退款金额超过订单可退金额")
    if order.success_time is not None and sandbox.clock.now() - order.success_time > _REFUNDABLE_FOR:
        raise ApiError(400, "INVALID_REQUEST", "订单已超过一年的退款期限")
