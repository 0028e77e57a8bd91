"""A sale: the facts of a paid order that the rules look at, and nothing else, so that it may be kept and shown."""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from fenxiao.order.model import FREIGHT_CATEGORY, Order, Refund, RefundStatus
from fenxiao.relation.model import Standing, Tier


class SaleLine(Struct, frozen=True, array_like=True):
    """A line of the order; `paid_fen` is its base before refunds (M12)."""

    product_id: str
    category: str
    is_virtual: bool
    paid_fen: int

    @property
    def earns(self) -> bool:
        """Tell whether commissions are taken on it: freight and virtual goods never earn (M12)."""
        return not self.is_virtual and self.category != FREIGHT_CATEGORY


class Place(Struct, frozen=True, array_like=True):
    """A place in the chain: who stood there when the order was placed, and what they were when it was paid (M10)."""

    member_id: str
    counts: bool
    """Whether the bindings up to here were valid when the order was placed (M21)."""
    standing: Standing
    tier: Tier
    since: datetime | None
    """When the chain up to here came to be."""


class Sale(Struct, frozen=True, kw_only=True):
    """The frozen facts of a paid order (M10)."""

    order_id: str
    paid_at: datetime
    buyer: Place
    chain: tuple[Place, ...]
    """Nearest first."""
    lines: tuple[SaleLine, ...]
    first_order: bool
    first_order_only: bool
    max_levels: int


def sale_of(order: Order) -> Sale:
    """Return the sale of a paid order.

    Raises:
        ValueError: it was never paid.
    """
    payment = order.payment
    if payment is None:
        raise ValueError(f"{order.order_id} is not paid")
    frozen = {one.member_id: one for one in payment.standings}
    buyer = frozen.get(order.member_id)
    chain = []
    for upline in order.chain:
        then = frozen.get(upline.member_id)
        standing, tier = (then.standing, then.tier) if then else (Standing.SHOPPER, Tier.STANDARD)
        chain.append(Place(upline.member_id, upline.counts, standing, tier, upline.since))
    return Sale(
        order_id=order.order_id,
        paid_at=payment.paid_at,
        buyer=Place(
            order.member_id,
            counts=True,
            standing=buyer.standing if buyer else Standing.SHOPPER,
            tier=buyer.tier if buyer else Tier.STANDARD,
            since=None,
        ),
        chain=tuple(chain),
        lines=tuple(SaleLine(line.product_id, line.category, line.is_virtual, line.paid_fen) for line in order.lines),
        first_order=payment.first_order,
        first_order_only=order.first_order_only,
        max_levels=order.max_levels,
    )


def left_of(order: Order, refunds: Sequence[Refund]) -> list[int]:
    """Return what is left of each line after the refunds that WeChat reported as successful (M2)."""
    left = [line.paid_fen for line in order.lines]
    for refund in refunds:
        if refund.status is RefundStatus.SUCCEEDED:
            left = [before - taken for before, taken in zip(left, refund.line_fens, strict=True)]
    return left
