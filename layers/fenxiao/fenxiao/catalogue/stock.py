"""Stock of a SKU, spread over shards so that a flash sale does not queue at one item.

Pure: which shards a quantity is put into or taken from.
"""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

STOCK_SHARDS: Final = 8
"""One item takes about a thousand writes a second; a product remembers with how many shards it was created."""


class Portion(Struct, frozen=True, kw_only=True):
    """A quantity in, or out of, one shard."""

    sku_id: str
    shard: int
    quantity: int


class Adjustment(Struct, frozen=True, kw_only=True):
    """A change of a SKU's stock by staff; the key tells a repeated request from a second one."""

    sku_id: str
    delta: int
    staff_id: str
    key: str


def spread(sku_id: str, quantity: int, shards: int) -> tuple[Portion, ...]:
    """Return the quantity spread evenly over all shards, the first ones carrying the remainder; zeros included."""
    each, more = divmod(quantity, shards)
    return tuple(Portion(sku_id=sku_id, shard=i, quantity=each + (i < more)) for i in range(shards))


def take(sku_id: str, quantity: int, available: Mapping[int, int]) -> tuple[Portion, ...] | None:
    """Return from which shards to take a quantity, the fullest first so that few are touched; `None` if short."""
    portions = []
    left = quantity
    for shard in sorted(available, key=lambda i: (-available[i], i)):
        part = min(left, available[shard])
        if part <= 0:
            break
        portions.append(Portion(sku_id=sku_id, shard=shard, quantity=part))
        left -= part
    return None if left else tuple(portions)
