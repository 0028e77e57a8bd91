"""Forged, stale and mangled payment notifications, to see that the merchant refuses each."""

import base64
import json
from dataclasses import replace
from typing import cast

from .clock import epoch
from .exchange import ApiError, JsonObject, encode
from .fields import Fields
from .notifications import Attempt, Notification, pay_headers, pay_notification
from .numbers import dated, digits
from .pay import find_order, transaction
from .sandbox import Sandbox
from .signing import nonce_text
from .state import Order, TradeState
from .verification import MAX_SKEW_SECONDS

KINDS = (
    *("bad_signature", "probe", "stale", "foreign_merchant", "mangled_ciphertext"),
    *("wrong_amount", "unknown_order", "unknown_serial"),
)


def forge(sandbox: Sandbox, fields: Fields) -> tuple[Notification, Attempt]:
    """Deliver one forged TRANSACTION.SUCCESS to the order's real endpoint and return what came back.

    The body names `kind`, `out_trade_no` and, for wrong_amount, `amount` in fen (one fen too little by default).

    Raises:
        ApiError: the order does not exist.
        FieldError: an unknown kind or a bad amount.
    """
    kind = fields.choice("kind", KINDS)
    with sandbox.lock:
        order = find_order(sandbox, fields.text("out_trade_no", 32))
        if order is None:
            raise ApiError(404, "ORDER_NOT_EXIST", "订单不存在")
        notification = _notification(sandbox, order, _payload(sandbox, order, kind, fields), kind)
    headers = _headers(sandbox, notification, kind)
    return notification, sandbox.notifier.deliver_forgery(notification, headers)


def _payload(sandbox: Sandbox, order: Order, kind: str, fields: Fields) -> JsonObject:
    """Return what an honest notification of the paid order would hold, changed in the one point that is false."""
    now = sandbox.clock.now()
    paid = replace(order, success_time=order.success_time or now, state=TradeState.SUCCESS)
    paid.transaction_id = order.transaction_id or dated("4200", now, 28)
    payload = transaction(sandbox, paid)
    match kind:
        case "foreign_merchant":
            payload["mchid"] = "19" + digits(8)
        case "unknown_order":
            payload["out_trade_no"] = nonce_text(32)
        case "wrong_amount":
            false_fen = order.amount_fen - 1 if order.amount_fen > 1 else order.amount_fen + 1
            amount_fen = fields.integer("amount", 1, 10**12) if fields.has("amount") else false_fen
            payload["amount"] = {
                "total": amount_fen,
                "payer_total": amount_fen,
                "currency": "CNY",
                "payer_currency": "CNY",
            }
    return payload


def _notification(sandbox: Sandbox, order: Order, payload: JsonObject, kind: str) -> Notification:
    notification = pay_notification(
        sandbox.keyring,
        sandbox.clock,
        "TRANSACTION.SUCCESS",
        "支付成功",
        "transaction",
        f"{order.out_trade_no}（{kind}）",
        order.notify_url,
        payload,
    )
    if kind == "mangled_ciphertext":
        notification.body = _mangled(notification.body)
    return notification


def _mangled(body: bytes) -> bytes:
    """Return the body with one bit of its ciphertext turned; it is signed afterwards, so only decryption can tell."""
    notification = cast("JsonObject", json.loads(body))
    resource = cast("dict[str, str]", notification["resource"])
    sealed = bytearray(base64.b64decode(resource["ciphertext"]))
    sealed[len(sealed) // 2] ^= 1
    return encode({**notification, "resource": {**resource, "ciphertext": base64.b64encode(sealed).decode()}})


def _headers(sandbox: Sandbox, notification: Notification, kind: str) -> dict[str, str]:
    now = epoch(sandbox.clock.wall())
    headers = pay_headers(sandbox.keyring, notification, now - MAX_SKEW_SECONDS - 1 if kind == "stale" else now)
    match kind:
        case "bad_signature":
            headers["Wechatpay-Signature"] = sandbox.keyring.platform_signature("something else")
        case "probe":
            headers["Wechatpay-Signature"] = "WECHATPAY/SIGNTEST/" + headers["Wechatpay-Signature"]
        case "unknown_serial":
            headers["Wechatpay-Serial"] = "PUB_KEY_ID_01" + digits(32)
    return headers
