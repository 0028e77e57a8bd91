"""What a placed order consists of, pure: lines, freight and their limits (M12)."""

from collections.abc import Iterable, Mapping
from typing import Final

from fenxiao.catalogue.model import Product, product_id_of
from fenxiao.order.errors import DuplicateSkuError, OffSaleError, OrderTooLargeError, SkuNotFoundError
from fenxiao.order.model import FREIGHT_CATEGORY, OrderLine

MAX_TOTAL_FEN: Final = 100_000_000


def order_lines(
    wanted: Iterable[tuple[str, int]], products: Mapping[str, Product], freight_fen: int
) -> tuple[OrderLine, ...]:
    """Return the lines of an order at today's prices, with freight as the last one if a parcel is sent.

    Args:
        wanted: SKU ids with their quantities, each of at least one.
        products: The products of those SKUs, as far as they exist.
        freight_fen: Freight per order; none if zero.

    Raises:
        DuplicateSkuError: a SKU is named twice.
        SkuNotFoundError: a SKU does not exist.
        OffSaleError: a product is not on sale.
        OrderTooLargeError: the total is above 1 000 000 yuan.
    """
    lines: dict[str, OrderLine] = {}
    for sku_id, quantity in wanted:
        if sku_id in lines:
            raise DuplicateSkuError(sku_id)
        lines[sku_id] = _line(sku_id, quantity, products)
    parts = list(lines.values())
    if freight_fen and not all(line.is_virtual for line in parts):
        parts.append(_freight(freight_fen))
    if sum(line.paid_fen for line in parts) > MAX_TOTAL_FEN:
        raise OrderTooLargeError
    return tuple(parts)


def _line(sku_id: str, quantity: int, products: Mapping[str, Product]) -> OrderLine:
    product = products.get(product_id_of(sku_id))
    sku = product.sku(sku_id) if product else None
    if product is None or sku is None:
        raise SkuNotFoundError(sku_id)
    if not product.on_sale:
        raise OffSaleError(sku_id)
    return OrderLine(
        product_id=product.product_id,
        sku_id=sku_id,
        title=f"{product.title} {sku.title}",
        category=product.category,
        is_virtual=product.is_virtual,
        quantity=quantity,
        unit_price_fen=sku.price_fen,
        paid_fen=sku.price_fen * quantity,
    )


def _freight(freight_fen: int) -> OrderLine:
    return OrderLine(
        product_id=FREIGHT_CATEGORY,
        sku_id=FREIGHT_CATEGORY,
        title="运费",
        category=FREIGHT_CATEGORY,
        is_virtual=False,
        quantity=1,
        unit_price_fen=freight_fen,
        paid_fen=freight_fen,
    )
