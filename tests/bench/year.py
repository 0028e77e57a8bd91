"""A year of orders in memory, as the lake has them: 1 to 4 lines, three levels, mixed tiers and categories."""

import random
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Final

from fenxiao.commission.lake import LakeOrder
from fenxiao.commission.rules import Override, RuleSet, RuleTerms, Step
from fenxiao.commission.sale import Place, Sale, SaleLine
from fenxiao.relation.model import Standing, Tier

ORDERS: Final = 60_000
BEGINS_AT: Final = datetime(2025, 1, 1, tzinfo=UTC)

_SECONDS: Final = 365 * 24 * 3600
_BUYERS: Final = 30_000
_PROMOTERS: Final = 3_000
_CATEGORIES: Final = [f"category-{number}" for number in range(20)]
_PRODUCTS: Final = [(f"P{number:026d}", _CATEGORIES[number % len(_CATEGORIES)]) for number in range(500)]
_TIERS: Final = list(Tier)
_TIER_WEIGHTS: Final = [70, 20, 8, 2]

LADDER: Final = (Step(from_fen=500_000, rate_bps=100), Step(from_fen=2_000_000, rate_bps=200))
OVERRIDES: Final = (
    Override(category="category-1", rates_bps=(1_500, 500, 200)),
    Override(category="category-2", rates_bps=(300,)),
    Override(category="category-2", tier=Tier.DIAMOND, rates_bps=(600, 100)),
    Override(product_id=_PRODUCTS[7][0], rates_bps=(1_800, 600, 300)),
    Override(product_id=_PRODUCTS[8][0], tier=Tier.GOLD, rates_bps=(2_000, 600, 300)),
    Override(tier=Tier.GOLD, rates_bps=(1_200, 600, 300)),
)
DRAFT: Final = RuleTerms(base_bps=(1_100, 500, 200), cap_bps=2_000, hold_days=7, cashback_bps=100, overrides=OVERRIDES)
VERSIONS: Final = (
    RuleSet(
        version=1,
        effective_from=BEGINS_AT - timedelta(days=30),
        base_bps=(1_000, 500, 200),
        cap_bps=2_000,
        hold_days=7,
        overrides=OVERRIDES[:2],
    ),
    RuleSet(
        version=2,
        effective_from=BEGINS_AT + timedelta(days=150),
        base_bps=(1_000, 500, 200),
        cap_bps=2_500,
        hold_days=7,
        cashback_bps=200,
        overrides=OVERRIDES[:4],
    ),
)


@cache
def orders() -> list[LakeOrder]:
    """Return the orders, in the sequence of their payments; the same ones each time."""
    choose = random.Random(2025)
    return [_order(number, choose) for number in range(ORDERS)]


def _order(number: int, choose: random.Random) -> LakeOrder:
    lines = tuple(
        SaleLine(product_id, category, choose.random() < 0.03, choose.randint(990, 99_900))
        for product_id, category in choose.choices(_PRODUCTS, k=choose.randint(1, 4))
    )
    sale = Sale(
        order_id=f"T{number:026d}",
        paid_at=BEGINS_AT + timedelta(seconds=number * _SECONDS // ORDERS),
        buyer=_place(choose.randrange(_BUYERS), choose),
        chain=tuple(_place(number, choose) for number in choose.sample(range(_PROMOTERS), 3)),
        lines=lines,
        first_order=choose.random() < 0.3,
        first_order_only=False,
        max_levels=3,
    )
    left = tuple(line.paid_fen // 2 if choose.random() < 0.05 else line.paid_fen for line in lines)
    return LakeOrder(sale=sale, left_fens=left, settled=True, denied=choose.random() < 0.001)


def _place(number: int, choose: random.Random) -> Place:
    standing = Standing.PROMOTER if choose.random() < 0.9 else Standing.SHOPPER
    (tier,) = choose.choices(_TIERS, _TIER_WEIGHTS)
    return Place(f"M{number:026d}", choose.random() < 0.97, standing, tier, BEGINS_AT - timedelta(days=90))
