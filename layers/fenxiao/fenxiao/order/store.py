"""Orders, refunds and addresses in DynamoDB (`ORDER_TABLE`)."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime
from typing import Final

from msgspec import Struct
from msgspec.structs import replace
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from fenxiao.aws.due import due_shards
from fenxiao.aws.dynamodb import Transaction, TransactionCancelledError, back_off, condition_failed
from fenxiao.clock import to_millis
from fenxiao.errors import BusyError
from fenxiao.order.errors import OrderNotFoundError, TooManyAddressesError
from fenxiao.order.items import (
    ADDRESS,
    ORDER,
    PAID,
    REFUND,
    REFUNDED,
    AddressItem,
    DayItem,
    DueItem,
    OrderItem,
    RefundItem,
    day_changes,
    day_shards,
    due_changes,
    order_changes,
    order_from_image,
    order_item,
    order_of,
    refund_from_image,
    refund_item,
    refund_of,
)
from fenxiao.order.model import Address, Denial, Due, Order, OrderStatus, Refund, Work

__all__ = ["DueOrder", "OrderStore", "order_from_image", "refund_from_image"]

_MAX_ATTEMPTS: Final = 8
_MAX_ADDRESSES: Final = 20

type Also = Callable[[Transaction], None]
"""Adds what is written together with an order's change."""


class Change(Struct, frozen=True):
    """What a decision makes of an order, and what is written in the same transaction."""

    after: Order
    also: Also | None = None


class DueOrder(Struct, frozen=True):
    """An order (`sk` is `order`) or a refund (`sk` is `refund#R…`) that waits in the due index."""

    order_id: str
    sk: str
    shard: str
    at: datetime

    @property
    def refund_id(self) -> str:
        """Return the refund's id; empty for an order."""
        return self.sk.removeprefix(REFUND) if self.sk.startswith(REFUND) else ""


class OrderStore:
    """Orders and their refunds; every read by id is consistent."""

    def find(self, order_id: str) -> Order | None:
        """Return an order, `None` if there is none."""
        try:
            return order_of(OrderItem.get(order_id, ORDER, consistent_read=True))
        except OrderItem.DoesNotExist:
            return None

    def order(self, order_id: str) -> Order:
        """Return an order.

        Raises:
            OrderNotFoundError: there is none.
        """
        order = self.find(order_id)
        if order is None:
            raise OrderNotFoundError
        return order

    def many(self, order_ids: Iterable[str]) -> dict[str, Order]:
        """Return the orders that exist of these, by id, read consistently in one round trip per hundred."""
        items = OrderItem.batch_get([(order_id, ORDER) for order_id in order_ids], consistent_read=True)
        return {item.pk: order_of(item) for item in items}

    def refund(self, order_id: str, refund_id: str) -> Refund | None:
        """Return a refund of an order, `None` if there is none."""
        try:
            return refund_of(RefundItem.get(order_id, REFUND + refund_id, consistent_read=True))
        except RefundItem.DoesNotExist:
            return None

    def refunds(self, order_id: str) -> list[Refund]:
        """Return all refunds of an order."""
        items = RefundItem.query(order_id, RefundItem.sk.startswith(REFUND), consistent_read=True)
        return [refund_of(item) for item in items]

    def order_with_refunds(self, order_id: str) -> tuple[Order, list[Refund]]:
        """Return an order and all its refunds; read after it, so that none of which its lines tell is missing.

        Raises:
            OrderNotFoundError: there is no such order.
        """
        return self.order(order_id), self.refunds(order_id)

    def by_member(self, member_id: str, after: tuple[int, str] | None, limit: int) -> list[Order]:
        """Return a member's orders, the newest first, after a position: when placed (epoch milliseconds), and id."""
        start = None
        if after:
            placed_at, order_id = after
            start = {
                "pk": {"S": order_id},
                "sk": {"S": ORDER},
                "member_id": {"S": member_id},
                "placed_at": {"N": str(placed_at)},
            }
        found = OrderItem.by_member.query(member_id, scan_index_forward=False, limit=limit, last_evaluated_key=start)
        keys = [(item.pk, ORDER) for item in found]
        orders = [order_of(item) for item in OrderItem.batch_get(keys)]
        return sorted(orders, key=position_of, reverse=True)

    def paid_on(self, day: date) -> Iterator[str]:
        """Yield the orders whose payment succeeded on a Shanghai day, those that were paid too late among them."""
        for item in _of_day(PAID, day):
            yield item.pk

    def refunded_on(self, day: date) -> Iterator[tuple[str, str]]:
        """Yield order and refund of each refund that succeeded on a Shanghai day."""
        for item in _of_day(REFUNDED, day):
            yield item.pk, item.sk.removeprefix(REFUND)

    def find_many(self, order_ids: Iterable[str], *, consistent: bool = False) -> Iterator[Order]:
        """Yield those of the orders that there are; unless consistent, the last seconds' writes may be missed."""
        keys = [(order_id, ORDER) for order_id in set(order_ids)]
        for item in OrderItem.batch_get(keys, consistent_read=consistent):
            yield order_of(item)

    def find_refunds(self, refunds: Iterable[tuple[str, str]]) -> Iterator[Refund]:
        """Yield those of the refunds, named by order and refund, that there are; lags as `find_many` does."""
        for item in RefundItem.batch_get([(order_id, REFUND + refund_id) for order_id, refund_id in set(refunds)]):
            yield refund_of(item)

    def alter(self, order_id: str, decide: Callable[[Order], Change]) -> Order:
        """Read an order, decide what becomes of it and write that, as often as somebody else was faster.

        The write is conditional on the version that was read; a decision that changes nothing writes nothing.

        Raises:
            OrderNotFoundError: there is no such order.
            BusyError: others kept changing the order.
            Exception: whatever `decide` raises; nothing was written.
        """
        for attempt in range(_MAX_ATTEMPTS):
            before = self.order(order_id)
            change = decide(before)
            if change.after == before and change.also is None:
                return before
            if self._write(before, change):
                return replace(change.after, version=before.version + 1)
            back_off(attempt)
        raise BusyError

    def due(self, work: str, now: datetime, limit: int) -> Iterator[DueOrder]:
        """Yield what has been waiting for a kind of work until now, the longest first, at most `limit` per shard."""
        for shard in due_shards(work):
            # Read in full before any is taken up, since taking up changes the index.
            for item in list(DueItem.index.query(shard, DueItem.due_at <= now, limit=limit)):
                yield DueOrder(item.pk, item.sk, shard, item.due_at)

    def set_due(self, due: DueOrder, work: str | None, at: datetime | None) -> None:
        """Let an item wait for other work, or for none, unless it is no longer waiting as `due` says."""
        slot = None if work is None or at is None else Due(work=Work(work), at=at)
        item_id = due.refund_id or due.order_id
        as_seen = (DueItem.due_shard == due.shard) & (DueItem.due_at == due.at)
        _update(DueItem(due.order_id, due.sk), due_changes(DueItem, slot, item_id), as_seen)

    def record_wechat_settlement(self, order_id: str, settled_at: datetime) -> None:
        """Note when WeChat released the funds of an order; the first word stands."""
        actions = [OrderItem.wechat_settled_at.set(settled_at), OrderItem.version.add(1)]
        unknown_yet = OrderItem.pk.exists() & OrderItem.wechat_settled_at.does_not_exist()
        _update(OrderItem(order_id, ORDER), actions, unknown_yet)

    def mark_settled(self, order_id: str, at: datetime) -> None:
        """Mark a received order settled; an order in any other state is left as it is."""
        actions = [
            OrderItem.status.set(OrderStatus.SETTLED),
            OrderItem.settled_at.set(at),
            OrderItem.version.add(1),
        ]
        _update(OrderItem(order_id, ORDER), actions, OrderItem.status == OrderStatus.RECEIVED)

    def park(self, order_id: str, case_id: str) -> None:
        """Note the case that decides whether the order's commissions settle (M16)."""
        actions = [OrderItem.parked_case.set(case_id), OrderItem.version.add(1)]
        _update(OrderItem(order_id, ORDER), actions, OrderItem.pk.exists())

    def deny(self, order_id: str, denial: Denial) -> None:
        """Note, once and for good, that a case rejected the order's commissions (M16)."""
        actions = [OrderItem.denial.set(denial), OrderItem.version.add(1)]
        not_yet = OrderItem.pk.exists() & OrderItem.denial.does_not_exist()
        _update(OrderItem(order_id, ORDER), actions, not_yet)

    def _write(self, before: Order, change: Change) -> bool:
        actions = order_changes(before, change.after)
        as_read = OrderItem.version == before.version
        if change.also is None:
            return _update(OrderItem(before.order_id, ORDER), actions, as_read)
        transaction = Transaction()
        transaction.update(OrderItem, before.order_id, ORDER, actions, as_read)
        change.also(transaction)
        try:
            transaction.commit()
        except TransactionCancelledError:
            return False
        return True


class AddressStore:
    """Addresses of members."""

    def get(self, member_id: str, address_id: str) -> Address | None:
        """Return an address of this member, `None` if this member has none such."""
        try:
            return AddressItem.get(member_id, ADDRESS + address_id, consistent_read=True).address
        except AddressItem.DoesNotExist:
            return None

    def of_member(self, member_id: str) -> dict[str, Address]:
        """Return all addresses of a member, by id."""
        items = AddressItem.query(member_id, AddressItem.sk.startswith(ADDRESS), consistent_read=True)
        return {item.sk.removeprefix(ADDRESS): item.address for item in items}

    def put(self, member_id: str, address_id: str, address: Address) -> None:
        """Keep an address.

        Raises:
            TooManyAddressesError: the member has as many as one may.
        """
        kept = self.of_member(member_id)
        if address_id not in kept and len(kept) >= _MAX_ADDRESSES:
            raise TooManyAddressesError
        AddressItem(member_id, ADDRESS + address_id, address=address).save()


def position_of(order: Order) -> tuple[int, str]:
    """Return where an order stands among those of its member."""
    return to_millis(order.placed_at), order.order_id


def put_order(transaction: Transaction, order: Order) -> int:
    """Add the putting of a new order, on the condition that there is none with its id; return the action's index."""
    return transaction.put(order_item(order), OrderItem.pk.does_not_exist())


def put_refund(transaction: Transaction, refund: Refund) -> int:
    """Add the putting of a new refund, on the condition that there is none with its id; return the action's index."""
    return transaction.put(refund_item(refund), RefundItem.pk.does_not_exist())


def end_refund(transaction: Transaction, before: Refund, after: Refund) -> int:
    """Add the end of a refund, on the condition that it has not ended; return the action's index."""
    actions = [RefundItem.status.set(after.status), *due_changes(RefundItem, after.due, after.refund_id)]
    if after.ended_at:
        actions.append(RefundItem.ended_at.set(after.ended_at))
        actions += day_changes(REFUNDED, after.ended_at, after.refund_id)
    return transaction.update(
        RefundItem, before.order_id, REFUND + before.refund_id, actions, RefundItem.status == before.status
    )


def _of_day(kind: str, day: date) -> Iterator[DayItem]:
    for shard in day_shards(kind, day):
        yield from DayItem.by_day.query(shard)


def _update(item: OrderItem | DueItem, actions: Sequence[Action], condition: Condition) -> bool:
    """Write if the condition holds, and tell whether it did."""
    try:
        item.update(actions=list(actions), condition=condition)
    except Exception as error:
        if condition_failed(error):
            return False
        raise
    return True
