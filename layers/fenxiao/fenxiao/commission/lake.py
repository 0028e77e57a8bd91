"""The order lake: paid orders by Shanghai day of payment, as the facts that rules look at and what became of them.

Simulations and the month's close read it instead of the order table. It holds opaque ids only (M31).
"""

from collections.abc import Iterable, Iterator
from datetime import date, datetime
from itertools import batched
from typing import Final

import msgspec
from msgspec import Struct

from fenxiao.commission.sale import Sale, sale_of
from fenxiao.order.model import Order, OrderStatus

MAX_PART_ORDERS: Final = 5_000


class LakeOrder(Struct, frozen=True, array_like=True):
    """A paid order that earns."""

    sale: Sale
    left_fens: tuple[int, ...]
    """What is left of each line: paid less what WeChat reported as refunded."""
    settled: bool
    denied: bool
    """A case rejected its commissions: nobody earns on it (M16)."""


class Part(Struct, frozen=True, array_like=True):
    """An object of the lake, as it was when its day was exported; `etag` tells whether it still is."""

    key: str
    etag: str
    orders: int


class LakeDay(Struct, frozen=True, kw_only=True):
    """The orders paid on a Shanghai day, as the lake has them."""

    day: date
    revision: int
    """The revision of the day's figures that the export answers to (`StatementStore.paid_days`)."""
    parts: tuple[Part, ...]
    exported_at: datetime
    unsettled: bool
    """Whether a received order was not marked settled: that mark follows its journal, so no revision tells of it."""

    @property
    def orders(self) -> int:
        """Return how many orders it has."""
        return sum(part.orders for part in self.parts)


_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(LakeOrder)


def lake_order(order: Order) -> LakeOrder | None:
    """Return what the lake keeps of an order, `None` if its payment earns nothing (M20)."""
    if order.payment is None or not order.payment.earns:
        return None
    return LakeOrder(
        sale=sale_of(order),
        left_fens=tuple(line.left_fen for line in order.lines),
        settled=order.status is OrderStatus.SETTLED,
        denied=order.denial is not None,
    )


def cut(orders: Iterable[LakeOrder]) -> Iterator[bytes]:
    """Yield the contents of a day's parts: JSON lines, sorted by the orders' ids; equal orders give equal bytes."""
    for some in batched(sorted(orders, key=lambda one: one.sale.order_id), MAX_PART_ORDERS, strict=False):
        yield _encoder.encode_lines(some)


def orders_in(content: bytes) -> list[LakeOrder]:
    """Return the orders of a part."""
    return _decoder.decode_lines(content)


def is_current(known: LakeDay | None, revision: int, settled_since: datetime | None) -> bool:
    """Tell whether an export still says what there is.

    Args:
        known: The export, if there is one.
        revision: The revision of the day's figures now.
        settled_since: Exports from before may miss that an order is settled; `None`: nobody asks which ones are.
    """
    if known is None or known.revision != revision:
        return False
    return settled_since is None or not known.unsettled or known.exported_at >= settled_since
