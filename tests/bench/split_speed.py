"""`split_per_s`: orders per second of the commission rule on one core; `split_vs_decimal`: ÷ a plain Decimal version.

Both run over the same orders in turn, in this process's CPU time, and must give every wallet the same fen.
"""

import time
from collections.abc import Callable, Mapping
from decimal import ROUND_FLOOR, Decimal
from typing import Final

from fenxiao.commission.lake import LakeOrder
from fenxiao.commission.rules import Rates, RuleTerms
from fenxiao.commission.sale import Place, Sale, SaleLine
from fenxiao.commission.split import rulebook
from fenxiao.ledger.model import TaxClass, WalletKey
from fenxiao.order.model import FREIGHT_CATEGORY
from fenxiao.relation.model import Standing, Tier
from tests.bench import year

_ROUNDS: Final = 9
_SAMPLE: Final = 5_000
_FEN: Final = Decimal(1)
_BPS: Final = Decimal(10_000)

type Overrides = Mapping[tuple[str | None, str | None, Tier | None], Rates]


def measure() -> dict[str, float]:
    """Return the rate and the ratio, each the best of several interleaved rounds."""
    orders, terms = year.orders()[:_SAMPLE], year.DRAFT
    book, overrides = rulebook(terms), {one.selector: one.rates_bps for one in terms.overrides}
    for order in orders:
        assert book.shares(order.sale, order.left_fens) == decimal_shares(order, terms, overrides), order

    def ours() -> None:
        for order in orders:
            book.shares(order.sale, order.left_fens)

    def plain() -> None:
        for order in orders:
            decimal_shares(order, terms, overrides)

    seconds = [(cpu_seconds(ours), cpu_seconds(plain)) for _ in range(_ROUNDS)]
    best, best_plain = (min(times) for times in zip(*seconds, strict=True))
    return {"split_per_s": _SAMPLE / best, "split_vs_decimal": best_plain / best}


def cpu_seconds(work: Callable[[], object]) -> float:
    """Return what some work costs, whatever else the machine is doing."""
    began = time.process_time()
    work()
    return time.process_time() - began


def decimal_shares(order: LakeOrder, terms: RuleTerms, overrides: Overrides) -> dict[WalletKey, int]:
    """Return what an order gives by the same rule, written down in Decimal without further thought."""
    sale, shares = order.sale, dict[WalletKey, int]()
    for line, left in zip(sale.lines, order.left_fens, strict=True):
        if line.is_virtual or line.category == FREIGHT_CATEGORY:
            continue
        given = {
            WalletKey(place.member_id): _floor(Decimal(left) * _rate(line, place, level, terms, overrides) / _BPS)
            for level, place in enumerate(sale.chain[: terms.max_levels])
            if _earns(sale, place)
        }
        if sale.first_order:
            cashback = _floor(Decimal(left) * terms.cashback_bps / _BPS)
            given[WalletKey(sale.buyer.member_id, TaxClass.REBATE)] = cashback
        cap, total = _floor(Decimal(left) * terms.cap_bps / _BPS), sum(given.values(), Decimal(0))
        if total > cap:
            given = {key: _floor(amount * cap / total) for key, amount in given.items()}
        for key, amount in given.items():
            shares[key] = shares.get(key, 0) + int(amount)
    return {key: fen for key, fen in shares.items() if fen}


def _floor(amount: Decimal) -> Decimal:
    return amount.quantize(_FEN, ROUND_FLOOR)


def _earns(sale: Sale, place: Place) -> bool:
    return place.counts and place.standing is Standing.PROMOTER and (sale.first_order or not sale.first_order_only)


def _rate(line: SaleLine, place: Place, level: int, terms: RuleTerms, overrides: Overrides) -> Decimal:
    """Return the rate of the most particular exception, else the base rate."""
    selectors = [
        (line.product_id, None, place.tier),
        (line.product_id, None, None),
        (None, line.category, place.tier),
        (None, line.category, None),
        (None, None, place.tier),
    ]
    rates = next((overrides[one] for one in selectors if one in overrides), terms.base_bps)
    return Decimal(rates[level]) if level < len(rates) else Decimal(0)
