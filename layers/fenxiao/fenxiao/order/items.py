"""Items of `ORDER_TABLE` and what they mean.

`T…` / `order` is an order, `T…` / `refund#R…` a refund of it, `M…` / `address#…` an address of a member.
"""

from datetime import date, datetime
from typing import Final

from pynamodb.attributes import Attribute, BooleanAttribute, UnicodeAttribute
from pynamodb.expressions.update import Action
from pynamodb.indexes import GlobalSecondaryIndex, KeysOnlyProjection

from fenxiao.aws.due import due_shard, due_shards
from fenxiao.aws.dynamodb import IntegerAttribute, Item, JsonAttribute, MomentAttribute, RawItem, table
from fenxiao.catalogue.stock import Portion
from fenxiao.clock import shanghai_day
from fenxiao.order.model import (
    Address,
    Denial,
    Due,
    Order,
    OrderLine,
    OrderStatus,
    Payment,
    Prepay,
    Refund,
    RefundStatus,
    Shipment,
    Work,
)
from fenxiao.relation.model import Upline

ORDER: Final = "order"
REFUND: Final = "refund#"
ADDRESS: Final = "address#"
PAID: Final = "paid"
REFUNDED: Final = "refunded"
"""What the index by day keeps apart."""


class DueIndex(GlobalSecondaryIndex["DueItem"]):  # type: ignore[no-untyped-call] # pynamodb's __init_subclass__
    """What waits for which work, by time."""

    class Meta:
        """Index."""

        index_name = "due"
        projection = KeysOnlyProjection()

    due_shard = UnicodeAttribute(hash_key=True)
    due_at = MomentAttribute(range_key=True)


class MemberIndex(GlobalSecondaryIndex["OrderItem"]):  # type: ignore[no-untyped-call] # as above
    """Orders of a member, by time."""

    class Meta:
        """Index."""

        index_name = "by_member"
        projection = KeysOnlyProjection()

    member_id = UnicodeAttribute(hash_key=True)
    placed_at = MomentAttribute(range_key=True)


class DayIndex(GlobalSecondaryIndex["DayItem"]):  # type: ignore[no-untyped-call] # as above
    """Paid orders and refunds that succeeded, by the Shanghai day and the time that WeChat gave (`success_time`)."""

    class Meta:
        """Index."""

        index_name = "by_day"
        projection = KeysOnlyProjection()

    day_shard = UnicodeAttribute(hash_key=True)
    day_at = MomentAttribute(range_key=True)


class DueItem(Item):
    """The keys and the due slot that orders and refunds have in common."""

    Meta = table("ORDER_TABLE")

    due_shard = UnicodeAttribute(null=True)
    due_at = MomentAttribute(null=True)
    index = DueIndex()


class DayItem(Item):
    """The keys and the day's slot that orders and refunds have in common; the slot is set once, with what it tells."""

    Meta = table("ORDER_TABLE")

    day_shard = UnicodeAttribute(null=True)
    day_at = MomentAttribute(null=True)
    by_day = DayIndex()


class OrderItem(Item):
    """An order."""

    Meta = table("ORDER_TABLE")

    member_id = UnicodeAttribute()
    openid = UnicodeAttribute()
    status = UnicodeAttribute()
    lines: JsonAttribute[tuple[OrderLine, ...]] = JsonAttribute(tuple[OrderLine, ...])
    total_fen = IntegerAttribute()
    chain: JsonAttribute[tuple[Upline, ...]] = JsonAttribute(tuple[Upline, ...])
    placed_at = MomentAttribute()
    max_levels = IntegerAttribute()
    first_order_only = BooleanAttribute()
    address: JsonAttribute[Address] = JsonAttribute(Address, null=True)
    stock: JsonAttribute[tuple[Portion, ...]] = JsonAttribute(tuple[Portion, ...])
    request_hash = UnicodeAttribute()
    prepay_requested_at = MomentAttribute(null=True)
    prepay: JsonAttribute[Prepay] = JsonAttribute(Prepay, null=True)
    payment: JsonAttribute[Payment] = JsonAttribute(Payment, null=True)
    shipment: JsonAttribute[Shipment] = JsonAttribute(Shipment, null=True)
    received_at = MomentAttribute(null=True)
    wechat_settled_at = MomentAttribute(null=True)
    settled_at = MomentAttribute(null=True)
    closed_at = MomentAttribute(null=True)
    parked_case = UnicodeAttribute(null=True)
    denial: JsonAttribute[Denial] = JsonAttribute(Denial, null=True)
    due_shard = UnicodeAttribute(null=True)
    due_at = MomentAttribute(null=True)
    version = IntegerAttribute()
    by_member = MemberIndex()


class RefundItem(Item):
    """A refund."""

    Meta = table("ORDER_TABLE")

    line_fens: JsonAttribute[tuple[int, ...]] = JsonAttribute(tuple[int, ...])
    reason = UnicodeAttribute()
    status = UnicodeAttribute()
    requested_at = MomentAttribute()
    ended_at = MomentAttribute(null=True)
    request_hash = UnicodeAttribute()
    due_shard = UnicodeAttribute(null=True)
    due_at = MomentAttribute(null=True)


class AddressItem(Item):
    """An address of a member."""

    Meta = table("ORDER_TABLE")

    address: JsonAttribute[Address] = JsonAttribute(Address)


_CHANGEABLE: Final[dict[str, Attribute[object]]] = {
    name: getattr(OrderItem, name)
    for name in (
        "status",
        "lines",
        "prepay_requested_at",
        "prepay",
        "payment",
        "shipment",
        "received_at",
        "wechat_settled_at",
        "settled_at",
        "closed_at",
    )
}
"""What may change of an order, and never back to nothing; all else is fixed when it is placed."""


def order_item(order: Order) -> OrderItem:
    """Return the item of an order that has just been placed."""
    shard, due_at = due_attributes(order.due, order.order_id)
    return OrderItem(
        pk=order.order_id,
        sk=ORDER,
        member_id=order.member_id,
        openid=order.openid,
        status=order.status,
        lines=order.lines,
        total_fen=order.total_fen,
        chain=order.chain,
        placed_at=order.placed_at,
        max_levels=order.max_levels,
        first_order_only=order.first_order_only,
        address=order.address,
        stock=order.stock,
        request_hash=order.request_hash,
        due_shard=shard,
        due_at=due_at,
        version=order.version,
    )


def order_changes(before: Order, after: Order) -> list[Action]:
    """Return the updates that make the one order the other: what differs, and the next version."""
    actions: list[Action] = [OrderItem.version.set(before.version + 1)]
    for name, attribute in _CHANGEABLE.items():
        if getattr(after, name) != getattr(before, name):
            actions.append(attribute.set(getattr(after, name)))
    if after.payment and not before.payment:
        actions += day_changes(PAID, after.payment.paid_at, after.order_id)
    if after.due != before.due:
        actions += due_changes(OrderItem, after.due, after.order_id)
    return actions


def day_changes(kind: str, at: datetime, item_id: str) -> list[Action]:
    """Return the updates that put an item into the index by day."""
    shard = due_shard(_of_day(kind, shanghai_day(at)), item_id)
    return [DayItem.day_shard.set(shard), DayItem.day_at.set(at)]


def day_shards(kind: str, day: date) -> list[str]:
    """Return the index partitions of a Shanghai day, such as `2026-03-01#paid#2`."""
    return due_shards(_of_day(kind, day))


def due_changes(model: type[DueItem | OrderItem | RefundItem], due: Due | None, item_id: str) -> list[Action]:
    """Return the updates that make an item wait for this work, or for none."""
    if due is None:
        return [model.due_shard.remove(), model.due_at.remove()]
    return [model.due_shard.set(due_shard(due.work, item_id)), model.due_at.set(due.at)]


def due_attributes(due: Due | None, item_id: str) -> tuple[str | None, object]:
    """Return the values of an item's due slot."""
    return (due_shard(due.work, item_id), due.at) if due else (None, None)


def order_of(item: OrderItem) -> Order:
    """Return the order that an item means."""
    return Order(
        order_id=item.pk,
        member_id=item.member_id,
        openid=item.openid,
        status=OrderStatus(item.status),
        lines=item.lines,
        total_fen=item.total_fen,
        chain=item.chain,
        placed_at=item.placed_at,
        max_levels=item.max_levels,
        first_order_only=item.first_order_only,
        address=item.address,
        stock=item.stock,
        request_hash=item.request_hash,
        prepay_requested_at=item.prepay_requested_at,
        prepay=item.prepay,
        payment=item.payment,
        shipment=item.shipment,
        received_at=item.received_at,
        wechat_settled_at=item.wechat_settled_at,
        settled_at=item.settled_at,
        closed_at=item.closed_at,
        parked_case=item.parked_case or "",
        denial=item.denial,
        due=_due(item),
        version=item.version,
    )


def refund_item(refund: Refund) -> RefundItem:
    """Return the item of a refund that has just been created."""
    shard, due_at = due_attributes(refund.due, refund.refund_id)
    return RefundItem(
        pk=refund.order_id,
        sk=REFUND + refund.refund_id,
        line_fens=refund.line_fens,
        reason=refund.reason,
        status=refund.status,
        requested_at=refund.requested_at,
        request_hash=refund.request_hash,
        due_shard=shard,
        due_at=due_at,
    )


def refund_of(item: RefundItem) -> Refund:
    """Return the refund that an item means."""
    return Refund(
        refund_id=item.sk.removeprefix(REFUND),
        order_id=item.pk,
        line_fens=item.line_fens,
        reason=item.reason,
        status=RefundStatus(item.status),
        requested_at=item.requested_at,
        ended_at=item.ended_at,
        request_hash=item.request_hash,
        due=_due(item),
    )


def order_from_image(image: RawItem) -> Order | None:
    """Return the order of a raw item, such as a stream's image; `None` for an item of another kind."""
    return order_of(OrderItem.from_raw_data(image)) if image["sk"]["S"] == ORDER else None


def refund_from_image(image: RawItem) -> Refund | None:
    """Return the refund of a raw item, such as a stream's image; `None` for an item of another kind."""
    return refund_of(RefundItem.from_raw_data(image)) if image["sk"]["S"].startswith(REFUND) else None


def _of_day(kind: str, day: date) -> str:
    return f"{day.isoformat()}#{kind}"


def _due(item: OrderItem | RefundItem) -> Due | None:
    shard: str | None = item.due_shard
    return Due(work=Work(shard.partition("#")[0]), at=item.due_at) if shard else None
