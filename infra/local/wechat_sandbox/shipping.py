"""Shipping information of mini-program payments, their settlement, and the events that tell of both."""

import re
from datetime import datetime, timedelta

from .clock import epoch
from .exchange import JsonObject, MiniProgramError, Request, Response, answer_json
from .fields import FieldError, Fields, parse_object
from .notifications import message_notification
from .pay import find_order
from .refunds import refunded_fen
from .sandbox import Sandbox
from .state import Order, Parcel, Shipping

REMIND_AFTER = timedelta(hours=48)
SETTLEMENT_EVENT = "trade_manage_order_settlement"
REMIND_EVENT = "trade_manage_remind_shipping"
CONFIRMED_AUTOMATICALLY, CONFIRMED_BY_HAND = 1, 2
_EXPRESS, _SPLIT = 1, 2
_SETTLE_AFTER_EXPRESS, _SETTLE_AFTER_OTHER = timedelta(days=10), timedelta(days=2)
_MAX_PARCELS = 15
_MAX_FINISHES = 2
_MAX_DESCRIPTION_CHARACTERS = 120


def upload_shipping_info(sandbox: Sandbox, request: Request) -> Response:
    """POST /wxa/sec/order/upload_shipping_info; shipping a finished payment again is allowed once."""
    fields = parse_object(request.body)
    order = _order_of_key(sandbox, fields.object("order_key"))
    if fields.object("payer").text("openid", 128) != order.openid:
        raise MiniProgramError(10060031, "该笔支付单不属于 openid 所指定的用户")
    wanted, finished = _read_shipping(sandbox, fields)
    known = order.shipping
    _check_shippable(order, known, wanted)
    if known is not None and wanted.delivery_mode == _SPLIT and known.finish_count == 0:
        wanted.parcels = [*known.parcels, *wanted.parcels][-_MAX_PARCELS:]
    wanted.finish_count = (known.finish_count if known is not None else 0) + int(finished)
    if finished:
        _ship(sandbox, wanted)
    order.shipping = wanted
    if finished:
        _announce(sandbox, order, wanted)
    return answer_json({"errcode": 0, "errmsg": "ok"})


def get_order(sandbox: Sandbox, request: Request) -> Response:
    """POST /wxa/sec/order/get_order, by transaction_id or by merchant_id and merchant_trade_no."""
    fields = parse_object(request.body)
    if fields.has("transaction_id"):
        number = sandbox.state.order_of_transaction.get(fields.text("transaction_id", 32), "")
    else:
        known_merchant = fields.text("merchant_id", 32) == sandbox.keys.mchid
        number = fields.text("merchant_trade_no", 32) if known_merchant else ""
    order = _paid_order(sandbox, number)
    settle_if_due(sandbox, order)
    return answer_json({"errcode": 0, "errmsg": "ok", "order": _order_json(sandbox, order)})


def settle(sandbox: Sandbox, order: Order, method: int, moment: datetime) -> bool:
    """Settle a shipped payment and push the event; say whether there was anything to settle."""
    shipping = order.shipping
    if shipping is None or shipping.shipped_at is None or shipping.settled_at is not None:
        return False
    if refunded_fen(order) >= order.amount_fen:
        return False
    shipping.settled_at = moment
    shipping.confirm_method = method
    _announce(sandbox, order, shipping)
    return True


def settle_if_due(sandbox: Sandbox, order: Order) -> bool:
    """Settle the payment as of the day on which its receipt counts as confirmed (T+10, or T+2 without express)."""
    due_at = order.shipping.settle_due_at if order.shipping is not None else None
    if due_at is None or due_at > sandbox.clock.now():
        return False
    return settle(sandbox, order, CONFIRMED_AUTOMATICALLY, due_at)


def remind_if_due(sandbox: Sandbox, order: Order) -> bool:
    """Push, once, that a payment was not shipped within 48 hours."""
    paid_at = order.success_time
    if order.reminded or paid_at is None or order.shipping is not None or refunded_fen(order) >= order.amount_fen:
        return False
    if paid_at + REMIND_AFTER > sandbox.clock.now():
        return False
    order.reminded = True
    message = {"msg": "您的小程序有订单超过48小时未发货，请尽快录入发货信息"}
    _push(sandbox, order, REMIND_EVENT, {**_identity(sandbox, order), "pay_time": epoch(paid_at), **message})
    return True


def _ship(sandbox: Sandbox, shipping: Shipping) -> None:
    now = sandbox.clock.now()
    wait = _SETTLE_AFTER_EXPRESS if shipping.logistics_type == _EXPRESS else _SETTLE_AFTER_OTHER
    shipping.shipped_at = now
    shipping.settle_due_at = now + wait


def _check_shippable(order: Order, known: Shipping | None, wanted: Shipping) -> None:
    if refunded_fen(order) >= order.amount_fen:
        raise MiniProgramError(10060004, "支付单处于不可发货的状态")
    if known is None:
        return
    if known.settled_at is not None:
        raise MiniProgramError(10060002, "支付单已完成发货，无法继续发货")
    if known.finish_count >= _MAX_FINISHES:
        raise MiniProgramError(10060003, "支付单已使用重新发货机会")
    if _content(known) == _content(wanted):
        raise MiniProgramError(10060023, "发货信息未更新")
    if wanted.upload_time <= known.upload_time:
        raise MiniProgramError(10060014, "参数错误：upload_time 须晚于上一次请求")


def _content(shipping: Shipping) -> tuple[object, ...]:
    parcels = [(parcel.tracking_no, parcel.express_company, parcel.item_desc) for parcel in shipping.parcels]
    return shipping.logistics_type, shipping.delivery_mode, parcels


def _order_of_key(sandbox: Sandbox, key: Fields) -> Order:
    kind = key.values.get("order_number_type")
    if kind == 1:
        _require(key, "mchid", 268485196, "商户侧单号形式下 mchid 字段不能为空")
        _require(key, "out_trade_no", 268485197, "商户侧单号形式下 out_trade_no 字段不能为空")
        known_merchant = key.text("mchid", 32) == sandbox.keys.mchid
        return _paid_order(sandbox, key.text("out_trade_no", 32) if known_merchant else "")
    if kind == 2:  # noqa: PLR2004 - WeChat's enumeration
        _require(key, "transaction_id", 268485195, "微信支付单号形式下 transaction_id 字段不能为空")
        return _paid_order(sandbox, sandbox.state.order_of_transaction.get(key.text("transaction_id", 32), ""))
    raise MiniProgramError(268485194, "订单单号类型非法")


def _require(fields: Fields, name: str, errcode: int, errmsg: str) -> None:
    if not fields.values.get(name):
        raise MiniProgramError(errcode, errmsg)


def _paid_order(sandbox: Sandbox, number: str) -> Order:
    order = find_order(sandbox, number)
    if order is None or order.success_time is None:
        raise MiniProgramError(10060001, "支付单不存在")
    return order


def _read_shipping(sandbox: Sandbox, fields: Fields) -> tuple[Shipping, bool]:
    """Return the shipping information and whether it says that everything is shipped."""
    logistics_type, delivery_mode = fields.values.get("logistics_type"), fields.values.get("delivery_mode")
    if logistics_type not in (1, 2, 3, 4):
        raise MiniProgramError(10060005, "物流类型有误")
    if delivery_mode not in (1, 2):
        raise MiniProgramError(268485224, "发货模式非法")
    if delivery_mode == _SPLIT and logistics_type != _EXPRESS:
        raise MiniProgramError(10060006, "非快递发货时不允许分拆发货")
    if delivery_mode == _SPLIT and not fields.has("is_all_delivered"):
        raise MiniProgramError(10060007, "分拆发货模式下必须填写 is_all_delivered 字段")
    entries = fields.values.get("shipping_list")
    if isinstance(entries, list) and len(entries) > _MAX_PARCELS:
        raise MiniProgramError(10060024, "物流信息列表太长")
    if delivery_mode != _SPLIT and not (isinstance(entries, list) and len(entries) == 1):
        raise MiniProgramError(268485228, "统一发货模式下，物流信息列表长度必须为 1")
    try:
        upload_time = fields.moment("upload_time")
    except FieldError:
        raise MiniProgramError(268485216, "上传时间非法，请按照 RFC 3339 格式填写") from None
    parcels = [
        _read_parcel(entry, express=logistics_type == _EXPRESS, now=sandbox.clock.now())
        for entry in fields.objects("shipping_list", _MAX_PARCELS)
    ]
    finished = delivery_mode != _SPLIT or fields.boolean("is_all_delivered")
    return Shipping(logistics_type, delivery_mode, parcels, upload_time), finished


def _read_parcel(entry: Fields, *, express: bool, now: datetime) -> Parcel:
    _require(entry, "item_desc", 10060008, "商品描述 item_desc 字段不能为空")
    description = entry.text("item_desc", 10_000)
    if len(description) > _MAX_DESCRIPTION_CHARACTERS:
        raise MiniProgramError(10060009, "商品描述 item_desc 字段太长")
    if express:
        _require(entry, "tracking_no", 268485226, "物流单号不能为空")
        _require(entry, "express_company", 268485227, "物流公司编码不能为空")
    contact = _read_contact(entry) if entry.has("contact") else {}
    if express and entry.values.get("express_company") == "SF" and not contact:
        raise MiniProgramError(10060014, "参数错误：顺丰发货时收件人或寄件人联系方式须二选一")
    return Parcel(
        tracking_no=entry.optional_text("tracking_no", 128),
        express_company=entry.optional_text("express_company", 128),
        item_desc=description,
        uploaded_at=now,
        contact=contact,
    )


def _read_contact(entry: Fields) -> dict[str, str]:
    contact = entry.object("contact")
    values = {
        name: contact.text(name, 1024) for name in ("consignor_contact", "receiver_contact") if contact.values.get(name)
    }
    if not all("*" in value and re.search(r"\d{4}$", value.replace("-", "")) for value in values.values()):
        raise MiniProgramError(10060014, "参数错误：联系方式须采用掩码，且最后 4 位数字不能打掩码")
    return values


def _order_json(sandbox: Sandbox, order: Order) -> JsonObject:
    shipping = order.shipping
    shown: JsonObject = {
        **_identity(sandbox, order),
        "description": order.description,
        "paid_amount": order.amount_fen,
        "openid": order.openid,
        "trade_create_time": epoch(order.created_at),
        "pay_time": epoch(order.success_time) if order.success_time is not None else 0,
        "order_state": order_state(order),
        "in_complaint": False,
        "shipping": {},
    }
    if shipping is not None:
        shown["shipping"] = {
            "delivery_mode": shipping.delivery_mode,
            "logistics_type": shipping.logistics_type,
            "finish_shipping": shipping.shipped_at is not None,
            "goods_desc": "",
            "finish_shipping_count": shipping.finish_count,
            "shipping_list": [
                {
                    "tracking_no": parcel.tracking_no,
                    "express_company": parcel.express_company,
                    "goods_desc": parcel.item_desc,
                    "upload_time": epoch(parcel.uploaded_at),
                    "contact": parcel.contact,
                }
                for parcel in shipping.parcels
            ],
        }
    return shown


def order_state(order: Order) -> int:
    """Return WeChat's order_state: 1 to be shipped, 2 shipped, 4 settled, 5 refunded in full.

    3 (receipt confirmed) and 6 (funds on the way) last but a moment here, since settlement follows the confirmation.
    """
    if refunded_fen(order) >= order.amount_fen:
        return 5
    if order.shipping is None or order.shipping.shipped_at is None:
        return 1
    return 2 if order.shipping.settled_at is None else 4


def _identity(sandbox: Sandbox, order: Order) -> JsonObject:
    return {
        "transaction_id": order.transaction_id,
        "merchant_id": sandbox.keys.mchid,
        "sub_merchant_id": "",
        "merchant_trade_no": order.out_trade_no,
    }


def _announce(sandbox: Sandbox, order: Order, shipping: Shipping) -> None:
    """Push the settlement event: with the estimate when shipped, with the confirmation when settled."""
    if order.success_time is None or shipping.shipped_at is None or shipping.settle_due_at is None:
        raise ValueError(f"order {order.out_trade_no} is announced before it was paid and shipped")
    details: JsonObject = {
        **_identity(sandbox, order),
        "pay_time": epoch(order.success_time),
        "shipped_time": epoch(shipping.shipped_at),
    }
    if shipping.settled_at is None:
        details["estimated_settlement_time"] = epoch(shipping.settle_due_at)
    else:
        details["confirm_receive_method"] = shipping.confirm_method
        details["confirm_receive_time"] = epoch(shipping.settled_at)
        details["settlement_time"] = epoch(shipping.settled_at)
    _push(sandbox, order, SETTLEMENT_EVENT, details)


def _push(sandbox: Sandbox, order: Order, event: str, details: JsonObject) -> None:
    sandbox.notifier.submit(
        message_notification(
            sandbox.keyring,
            sandbox.clock,
            sandbox.keys.original_id,
            event,
            order.out_trade_no,
            sandbox.deployment.message_path,
            details,
        )
    )
