"""Placing an order: lines at today's prices, the chain as it is now, and the stock, all in one transaction."""

import hashlib
import random
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from fenxiao.aws.dynamodb import MAX_TRANSACTION_ACTIONS, Transaction, TransactionCancelledError, back_off
from fenxiao.catalogue.errors import OutOfStockError
from fenxiao.catalogue.model import Product, product_id_of
from fenxiao.catalogue.stock import Portion, take
from fenxiao.catalogue.store import CatalogueStore, take_stock
from fenxiao.clock import Clock
from fenxiao.errors import BusyError, IdempotencyKeyReusedError, UnauthenticatedError
from fenxiao.ids import Kind, derived_id
from fenxiao.order.contract import PlaceOrder
from fenxiao.order.errors import AddressNotFoundError, AddressRequiredError
from fenxiao.order.model import Address, Due, Order, OrderStatus, Work
from fenxiao.order.placement import order_lines
from fenxiao.order.store import AddressStore, OrderStore, put_order
from fenxiao.relation.chain import BindingPolicy
from fenxiao.relation.store import MemberStore
from fenxiao.relation.uplines import chain_of

_MAX_ATTEMPTS: Final = 8


class Shop(Struct, frozen=True):
    """What it takes to place an order."""

    orders: OrderStore
    addresses: AddressStore
    catalogue: CatalogueStore
    members: MemberStore
    policy: BindingPolicy
    clock: Clock
    time_to_pay: timedelta
    freight_fen: int
    """Freight of an order with a parcel."""


def place(shop: Shop, member_id: str, key: str, request: PlaceOrder) -> Order:
    """Place an order and take its stock; the same key and content again return the order that was placed.

    Raises:
        IdempotencyKeyReusedError: the key stands for an order of another content.
        DuplicateSkuError: a SKU is named twice.
        SkuNotFoundError: a SKU does not exist.
        OffSaleError: a product is not on sale.
        OrderTooLargeError: the total is above the limit.
        AddressRequiredError: there is something to send and no address.
        AddressNotFoundError: the member has no such address.
        OutOfStockError: less is left than was ordered; nothing was taken.
        BusyError: too many others take from the stock at this moment; nothing was taken.
    """
    order_id = derived_id(Kind.ORDER, member_id, key)
    request_hash = hashlib.sha256(msgspec.json.encode(request)).hexdigest()[:32]
    order = shop.orders.find(order_id)
    if order is None:
        products = shop.catalogue.products(product_id_of(line.sku_id) for line in request.lines)
        draft = _draft(shop, member_id, request, products)
        order = _reserve(shop, replace(draft, order_id=order_id, request_hash=request_hash), products)
    if order.request_hash != request_hash:
        raise IdempotencyKeyReusedError
    return order


def _draft(shop: Shop, member_id: str, request: PlaceOrder, products: Mapping[str, Product]) -> Order:
    lines = order_lines(((line.sku_id, line.quantity) for line in request.lines), products, shop.freight_fen)
    member = shop.members.get(member_id)
    if member is None:
        raise UnauthenticatedError
    now = shop.clock.now()
    order = Order(
        order_id="",
        member_id=member_id,
        openid=member.openid,
        status=OrderStatus.PLACED,
        lines=lines,
        total_fen=sum(line.paid_fen for line in lines),
        chain=chain_of(member, now, shop.members, shop.policy),
        placed_at=now,
        max_levels=shop.policy.max_levels,
        first_order_only=shop.policy.first_order_only,
        due=Due(work=Work.CLOSE, at=now + shop.time_to_pay),
    )
    return replace(order, address=_address(shop.addresses, member_id, request.address_id, order))


def _address(addresses: AddressStore, member_id: str, address_id: str | None, order: Order) -> Address | None:
    if order.is_virtual:
        return None
    if address_id is None:
        raise AddressRequiredError
    address = addresses.get(member_id, address_id)
    if address is None:
        raise AddressNotFoundError
    return address


def _reserve(shop: Shop, draft: Order, products: Mapping[str, Product]) -> Order:
    """Put the order and take its stock: from a random shard of each SKU first, then from where some is left."""
    wanted = {line.sku_id: line for line in draft.lines if line.product_id in products}
    portions: dict[str, tuple[Portion, ...]] = {}
    for sku_id, line in wanted.items():
        shard = random.randrange(products[line.product_id].stock_shards)  # noqa: S311 - spreads load, hides nothing
        portions[sku_id] = (Portion(sku_id=sku_id, shard=shard, quantity=line.quantity),)
    for attempt in range(_MAX_ATTEMPTS):
        order = replace(draft, stock=tuple(portion for parts in portions.values() for portion in parts))
        short = _take(order)
        if not short:
            return order
        placed = shop.orders.find(order.order_id)  # the same request may have run beside this one
        if placed:
            return placed
        for sku_id in short:
            portions[sku_id] = _where_left(shop.catalogue, sku_id, wanted[sku_id].quantity)
        back_off(attempt)
    raise BusyError


def _take(order: Order) -> set[str]:
    """Write the order with its stock; return the SKUs of shards that were short, or all if something else failed."""
    if len(order.stock) >= MAX_TRANSACTION_ACTIONS:
        # Twenty SKUs, each scattered over almost empty shards: what is left cannot be taken in one transaction.
        raise OutOfStockError
    transaction = Transaction()
    put_order(transaction, order)
    for portion in order.stock:
        take_stock(transaction, portion)
    try:
        transaction.commit()
    except TransactionCancelledError as cancelled:
        failed = zip(order.stock, cancelled.reasons[1:], strict=True)
        short = {portion.sku_id for portion, reason in failed if reason}
        return short or {portion.sku_id for portion in order.stock}
    return set()


def _where_left(catalogue: CatalogueStore, sku_id: str, quantity: int) -> tuple[Portion, ...]:
    """Return from where to take a quantity: any shard that holds it, so that a rush does not meet at the fullest."""
    available = catalogue.available(sku_id)
    enough = [shard for shard, left in available.items() if left >= quantity]
    if enough:
        return (Portion(sku_id=sku_id, shard=random.choice(enough), quantity=quantity),)  # noqa: S311 - as above
    portions = take(sku_id, quantity, available)
    if portions is None:
        raise OutOfStockError(sku_id)
    return portions
