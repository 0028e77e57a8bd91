"""WeChat's shipping management of a mini-program's orders (`wxa/sec/order`): told of a parcel, it frees the payment."""

from collections.abc import Callable
from typing import Final

import msgspec

from fenxiao.clock import SHANGHAI, Clock
from fenxiao.order.model import FREIGHT_CATEGORY, Order
from fenxiao.wechat.errors import WeChatRefusedError
from fenxiao.wechat.facts import ShippedOrder
from fenxiao.wechat.miniprogram_api import MiniProgramApi
from fenxiao.wechat.settings import WeChatSettings

_MAX_DESCRIPTION: Final = 120
_BY_OUT_TRADE_NO: Final = 1
_EXPRESS: Final = 1
_NOTHING_TO_SEND: Final = 3
_ONE_PARCEL: Final = 1
_WANTS_CONTACT: Final = "SF"
"""WeChat wants the receiver's masked number from this carrier's parcels alone."""
_VISIBLE_DIGITS: Final = 4
_NO_PAYMENT: Final = "10060001"
_TOLD_BEFORE: Final = frozenset({"10060002", "10060023"})
"""It is settled already, or nothing of what we tell is new."""
_TO_BE_SHIPPED: Final = 1
_COMPLETED: Final = 4


class _Done(msgspec.Struct, frozen=True):
    pass


class _Order(msgspec.Struct, frozen=True):
    merchant_trade_no: str
    order_state: int


class _OrderAnswer(msgspec.Struct, frozen=True):
    order: _Order


class WeChatShipping:
    """Shipping management.

    Each call raises `WeChatUnavailableError` for a fault that passes and `WeChatRefusedError` with WeChat's errcode.
    """

    def __init__(self, settings: Callable[[], WeChatSettings], clock: Clock) -> None:
        """Take where the settings are read from, and business time."""
        self._api = MiniProgramApi(settings)
        self._settings = settings
        self._clock = clock

    def upload(self, order: Order) -> None:
        """Tell WeChat that everything of a paid order went out; telling it again changes nothing.

        Raises:
            ValueError: the order has no shipment.
        """
        body = {
            "order_key": {
                "order_number_type": _BY_OUT_TRADE_NO,
                "mchid": self._settings().mchid,
                "out_trade_no": order.order_id,
            },
            "logistics_type": _NOTHING_TO_SEND if order.is_virtual else _EXPRESS,
            "delivery_mode": _ONE_PARCEL,
            "is_all_delivered": True,
            "shipping_list": [_parcel(order)],
            "upload_time": self._clock.now().astimezone(SHANGHAI).isoformat(timespec="milliseconds"),
            "payer": {"openid": order.openid},
        }
        try:
            self._api.post("wxa/sec/order/upload_shipping_info", body, _Done)
        except WeChatRefusedError as error:
            if error.code not in _TOLD_BEFORE:
                raise

    def status(self, order_id: str) -> ShippedOrder | None:
        """Return the order if WeChat knows that it was shipped.

        WeChat's answer says that it released the funds, not when: `settled_at` is then the present moment.
        """
        body = {"merchant_id": self._settings().mchid, "merchant_trade_no": order_id}
        try:
            order = self._api.post("wxa/sec/order/get_order", body, _OrderAnswer).order
        except WeChatRefusedError as error:
            if error.code == _NO_PAYMENT:
                return None
            raise
        if order.order_state == _TO_BE_SHIPPED:
            return None
        settled_at = self._clock.now() if order.order_state == _COMPLETED else None
        return ShippedOrder(out_trade_no=order.merchant_trade_no, settled_at=settled_at)


def _parcel(order: Order) -> dict[str, object]:
    if order.shipment is None:
        raise ValueError(f"order {order.order_id} was not shipped")
    goods = [f"{line.title}×{line.quantity}" for line in order.lines if line.category != FREIGHT_CATEGORY]
    parcel: dict[str, object] = {"item_desc": "，".join(goods)[:_MAX_DESCRIPTION]}
    if order.is_virtual:
        return parcel
    parcel |= {"tracking_no": order.shipment.tracking_number, "express_company": order.shipment.carrier}
    if order.shipment.carrier == _WANTS_CONTACT and order.address is not None:
        parcel["contact"] = {"receiver_contact": "****" + order.address.phone[-_VISIBLE_DIGITS:]}
    return parcel
