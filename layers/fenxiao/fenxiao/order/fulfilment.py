"""The order stream's way to WeChat: requests of new refunds, and how paid orders were shipped."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from fenxiao.aws.streams import Change, changes, consume
from fenxiao.order.delivery import parcel_of
from fenxiao.order.model import RefundStatus
from fenxiao.order.ports import Bookkeeper, RefundPort, ShippingPort
from fenxiao.order.refunding import request_refund
from fenxiao.order.store import order_from_image, refund_from_image


class Courier(Struct, frozen=True):
    """What it takes to tell WeChat."""

    books: Bookkeeper
    refunds: RefundPort
    shipping: ShippingPort

    def carry(self, event: Mapping[str, Any]) -> None:
        """Tell WeChat what is new in a stream's event; what WeChat refuses for good is parked.

        Raises:
            Exception: a passing fault; the batch is to be delivered again, and what WeChat knows by then is harmless.
        """
        consume(changes(event), self._carry)

    def _carry(self, change: Change) -> None:
        refund = refund_from_image(change.new) if change.new and not change.old else None
        if refund:
            request_refund(self.books, self.refunds, refund.order_id, refund.refund_id)
        order_id = newly_shipped(change) or newly_given_back(change)
        if order_id:
            self._upload(order_id)

    def _upload(self, order_id: str) -> None:
        order = self.books.orders.order(order_id)
        # WeChat takes no shipping information for what is refunded altogether; if that refund fails, it is told then.
        if order.shipment and order.refundable_fen:
            self.shipping.upload(parcel_of(order))


def newly_shipped(change: Change) -> str | None:
    """Return the order's id if this change is its shipment."""
    new = order_from_image(change.new) if change.new else None
    old = order_from_image(change.old) if change.old else None
    if new is None or new.shipment is None or (old is not None and old.shipment is not None):
        return None
    return new.order_id


def newly_given_back(change: Change) -> str | None:
    """Return the order's id if this change is the failure of one of its refunds."""
    new = refund_from_image(change.new) if change.new else None
    old = refund_from_image(change.old) if change.old else None
    if new is None or new.status is not RefundStatus.FAILED or (old is not None and old.status is new.status):
        return None
    return new.order_id
