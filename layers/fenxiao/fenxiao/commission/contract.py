"""HTTP contracts of the rule sets."""

from datetime import datetime
from typing import Annotated

import msgspec

from fenxiao.commission.rules import SelfPurchase

type RateBps = Annotated[int, msgspec.Meta(ge=0, le=10_000)]
type Rates = Annotated[list[RateBps], msgspec.Meta(max_length=10)]
type Overrides = Annotated[
    dict[Annotated[str, msgspec.Meta(min_length=1, max_length=40)], Rates], msgspec.Meta(max_length=500)
]


class PublishRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new rule version: rates in basis points by level, overrides by category and product."""

    base_bps: Rates
    cap_bps: RateBps
    hold_days: int
    category_bps: Overrides = {}
    product_bps: Overrides = {}
    self_purchase: SelfPurchase = SelfPurchase.NONE
    effective_from: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    """RFC 3339; five minutes from now when left out."""
