"""HTTP contracts of orders."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated

import msgspec

from fenxiao.http import cursor
from fenxiao.http.pages import Page, page_limit
from fenxiao.order.model import Address, Order, OrderStatus, Refund, RefundStatus
from fenxiao.order.store import OrderStore, position_of

type AmountFen = Annotated[int, msgspec.Meta(ge=1, le=100_000_000)]


class NewAddress(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where to send goods; `region` is province, city and district."""

    recipient: Annotated[str, msgspec.Meta(min_length=1, max_length=40)]
    phone: Annotated[str, msgspec.Meta(pattern=r"^\+?[0-9-]{6,20}$")]
    region: Annotated[str, msgspec.Meta(min_length=1, max_length=60)]
    street: Annotated[str, msgspec.Meta(min_length=1, max_length=120)]


class AddressView(msgspec.Struct, frozen=True):
    """An address of the member."""

    address_id: str
    recipient: str
    phone: str
    region: str
    street: str


class WantedLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """So many pieces of a SKU."""

    sku_id: Annotated[str, msgspec.Meta(min_length=1, max_length=40)]
    quantity: Annotated[int, msgspec.Meta(ge=1, le=999)]


class PlaceOrder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An order to place; the address may be left out if nothing is sent."""

    lines: Annotated[list[WantedLine], msgspec.Meta(min_length=1, max_length=20)]
    address_id: Annotated[str, msgspec.Meta(min_length=1, max_length=40)] | None = None


class Ship(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How an order goes out: WeChat's code of the carrier, and the tracking number; neither if all is virtual."""

    carrier: Annotated[str, msgspec.Meta(max_length=20)] = ""
    tracking_number: Annotated[str, msgspec.Meta(max_length=60)] = ""


class LineRefund(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An amount to refund on a line; lines are counted from zero, as the order shows them."""

    line: Annotated[int, msgspec.Meta(ge=0, le=100)]
    amount_fen: AmountFen


class RequestRefund(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A refund: amounts by line, or one amount to spread over what is left, or all of that; exactly one of them."""

    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=80)]
    lines: Annotated[list[LineRefund], msgspec.Meta(min_length=1, max_length=100)] | None = None
    amount_fen: AmountFen | None = None
    all: bool = False


class LineView(msgspec.Struct, frozen=True):
    """A line of an order; amounts in fen."""

    product_id: str
    sku_id: str
    title: str
    category: str
    is_virtual: bool
    quantity: int
    unit_price_fen: int
    paid_fen: int
    refunded_fen: int
    refund_pending_fen: int


class DeliveryAddress(msgspec.Struct, frozen=True):
    """Where an order goes."""

    recipient: str
    phone: str
    region: str
    street: str


class ShipmentView(msgspec.Struct, frozen=True):
    """How an order went out."""

    carrier: str
    tracking_number: str
    shipped_at: datetime


class OrderView(msgspec.Struct, frozen=True, kw_only=True):
    """An order; what has not happened yet is `null`."""

    order_id: str
    member_id: str
    status: OrderStatus
    lines: list[LineView]
    total_fen: int
    placed_at: datetime
    paid_at: datetime | None
    transaction_id: str | None
    """WeChat's number of the payment."""
    address: DeliveryAddress | None
    shipment: ShipmentView | None
    received_at: datetime | None
    closed_at: datetime | None


class RefundView(msgspec.Struct, frozen=True):
    """A refund; `line_fens` says how much of it falls on each line of the order."""

    refund_id: str
    order_id: str
    status: RefundStatus
    amount_fen: int
    line_fens: list[int]
    reason: str
    requested_at: datetime
    ended_at: datetime | None


class OrderDetail(OrderView, frozen=True, kw_only=True):
    """An order with its refunds."""

    refunds: list[RefundView]


def address_view(address_id: str, address: Address) -> AddressView:
    """Return an address as it is answered."""
    return AddressView(address_id, address.recipient, address.phone, address.region, address.street)


def order_view(order: Order) -> OrderView:
    """Return an order as lists show it."""
    return OrderView(
        order_id=order.order_id,
        member_id=order.member_id,
        status=order.status,
        lines=msgspec.convert(order.lines, list[LineView], from_attributes=True),
        total_fen=order.total_fen,
        placed_at=order.placed_at,
        paid_at=order.payment.paid_at if order.payment else None,
        transaction_id=order.payment.transaction_id if order.payment else None,
        address=msgspec.convert(order.address, DeliveryAddress | None, from_attributes=True),
        shipment=msgspec.convert(order.shipment, ShipmentView | None, from_attributes=True),
        received_at=order.received_at,
        closed_at=order.closed_at,
    )


def order_detail(order: Order, refunds: Sequence[Refund]) -> OrderDetail:
    """Return an order with its refunds, the oldest first."""
    views = [refund_view(refund) for refund in sorted(refunds, key=lambda refund: refund.requested_at)]
    return OrderDetail(**msgspec.structs.asdict(order_view(order)), refunds=views)


def refund_view(refund: Refund) -> RefundView:
    """Return a refund as it is answered."""
    return msgspec.convert(refund, RefundView, from_attributes=True)


def order_page(member_id: str, query: Mapping[str, str], orders: OrderStore) -> Page[OrderView]:
    """Return a page of a member's orders, the newest first.

    Raises:
        BadLimitError: the page size is out of range.
        BadCursorError: the cursor is not one of ours.
    """
    limit = page_limit(query)
    after = cursor.decode(query["cursor"], tuple[int, str]) if "cursor" in query else None
    found = orders.by_member(member_id, after, limit)
    more = cursor.encode(*position_of(found[-1])) if len(found) == limit else None
    return Page([order_view(order) for order in found], more)
