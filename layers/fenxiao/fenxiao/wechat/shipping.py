"""WeChat's shipping management of a mini-program's orders (`wxa/sec/order`): told of a parcel, it frees the payment."""

from collections.abc import Callable
from typing import Final

import msgspec

from fenxiao.clock import SHANGHAI, Clock
from fenxiao.wechat.errors import WeChatRefusedError
from fenxiao.wechat.facts import Parcel, ShippedOrder
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

    def upload(self, parcel: Parcel) -> None:
        """Tell WeChat that everything of a paid order went out; telling it again changes nothing."""
        body = {
            "order_key": {
                "order_number_type": _BY_OUT_TRADE_NO,
                "mchid": self._settings().mchid,
                "out_trade_no": parcel.out_trade_no,
            },
            "logistics_type": _NOTHING_TO_SEND if parcel.tracking_number is None else _EXPRESS,
            "delivery_mode": _ONE_PARCEL,
            "is_all_delivered": True,
            "shipping_list": [_shipping(parcel)],
            "upload_time": self._clock.now().astimezone(SHANGHAI).isoformat(timespec="milliseconds"),
            "payer": {"openid": parcel.openid},
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


def _shipping(parcel: Parcel) -> dict[str, object]:
    shipping: dict[str, object] = {"item_desc": parcel.description[:_MAX_DESCRIPTION]}
    if parcel.tracking_number is None:
        return shipping
    shipping |= {"tracking_no": parcel.tracking_number, "express_company": parcel.carrier}
    if parcel.carrier == _WANTS_CONTACT and parcel.receiver_phone is not None:
        shipping["contact"] = {"receiver_contact": "****" + parcel.receiver_phone[-_VISIBLE_DIGITS:]}
    return shipping
