"""The split: who earns how much of what is left of an order. A function of its arguments only.

Postings, simulations, explanations, audits and the month's close all run over this one implementation.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from msgspec import Struct

from fenxiao.commission.rules import Override, Rates, RuleTerms, SelfPurchase
from fenxiao.commission.sale import Place, Sale, SaleLine
from fenxiao.ledger.model import TaxClass, WalletKey
from fenxiao.money import BPS
from fenxiao.order.model import FREIGHT_CATEGORY
from fenxiao.relation.model import Standing, Tier

_MAX_ROWS: Final = 20_000
"""Rows that a rulebook remembers: the kinds of lines times the combinations of tiers that occur."""
_MAX_RULEBOOKS: Final = 64

type Kind = str | tuple[str, str]
"""Lines of one kind have the same rates: a category's, or a product's of which the rules say something of its own."""


class Barrier(StrEnum):
    """Why a place in the chain earns nothing; nobody moves up into it (M11)."""

    BINDING_EXPIRED = "binding_expired"
    NOT_FIRST_ORDER = "not_first_order"
    SUSPENDED = "suspended"
    NOT_PROMOTER = "not_promoter"


class Level(Struct, frozen=True, gc=False):
    """A level of the split: who holds it, and what keeps them from earning on this order, if anything."""

    member_id: str
    tier: Tier
    barrier: Barrier | None


class Row(Struct, frozen=True):
    """The rates of one kind of line for one combination of tiers."""

    rates_bps: tuple[int, ...]
    """By level; 0 for a level that may not earn."""
    cashback_bps: int
    capped: bool
    """Whether all together can be more than the cap."""


class LineShares(Struct, gc=False):
    """What one line gives: to each level, and back to the buyer, in fen."""

    number: int
    line: SaleLine
    left_fen: int
    level_fens: list[int]
    cashback_fen: int
    cut_fen: int = 0
    """What the cap took off all of them together (M14)."""


class Rulebook:
    """One set of rules, made ready for many orders."""

    def __init__(self, terms: RuleTerms) -> None:
        """Take the rules."""
        self.terms = terms
        self._overrides = {one.selector: one for one in terms.overrides}
        self._products = {one.product_id for one in terms.overrides}
        self._rows: dict[tuple[tuple[Tier | None, ...], bool], dict[Kind, Row]] = {}
        self._row_count = 0

    def levels(self, sale: Sale) -> list[Level]:
        """Return the levels that the split runs over, level 1 first.

        An ineligible one stays in its place and earns nothing (M11). With self-purchase, a buyer who was a promoter
        when paying is level 1 and the others move down; there are never more levels than the order or the rules admit.
        """
        counts = sale.first_order or not sale.first_order_only
        levels = [
            # Nearly everybody may earn, and a simulation splits millions of orders: only the others are looked into.
            Level(
                place.member_id,
                place.tier,
                None if counts and place.counts and place.standing is Standing.PROMOTER else _barrier(place, counts),
            )
            for place in sale.chain
        ]
        buyer = sale.buyer
        if self.terms.self_purchase is SelfPurchase.LEVEL_1 and buyer.standing is Standing.PROMOTER:
            levels.insert(0, Level(buyer.member_id, buyer.tier, None))
        return levels[: min(sale.max_levels, self.terms.max_levels)]

    def reaches_minimum(self, sale: Sale, left_fens: Sequence[int]) -> bool:
        """Tell whether what is left of the order's goods, freight apart, is still the minimum order (M14)."""
        if not self.terms.min_order_fen:
            return True
        goods = zip(sale.lines, left_fens, strict=True)
        return sum(left for line, left in goods if line.category != FREIGHT_CATEGORY) >= self.terms.min_order_fen

    def line_shares(self, sale: Sale, left_fens: Sequence[int], levels: Sequence[Level]) -> list[LineShares]:
        """Return what each line that earns gives, floored to the fen (M13) and brought under its cap (M14)."""
        if not self.reaches_minimum(sale, left_fens):
            return []
        tiers = tuple([None if level.barrier else level.tier for level in levels])
        rows = self._rows.get((tiers, sale.first_order)) or self._rows_of(tiers, first=sale.first_order)
        products, cap_bps = self._products, self.terms.cap_bps
        shares: list[LineShares] = []
        for number, (line, left) in enumerate(zip(sale.lines, left_fens, strict=True)):
            if not left or not line.earns:
                continue
            kind = (line.product_id, line.category) if line.product_id in products else line.category
            row = rows.get(kind) or self._row(kind, line, tiers, first=sale.first_order)
            fens = [left * rate // BPS for rate in row.rates_bps]
            cashback, cut = left * row.cashback_bps // BPS, 0
            if row.capped:
                cap_fen, total = left * cap_bps // BPS, sum(fens) + cashback
                if total > cap_fen:
                    fens = [fen * cap_fen // total for fen in fens]
                    cashback = cashback * cap_fen // total
                    cut = total - sum(fens) - cashback
            shares.append(LineShares(number, line, left, fens, cashback, cut))
        return shares

    def shares(self, sale: Sale, left_fens: Sequence[int]) -> dict[WalletKey, int]:
        """Return what goes to each wallet in fen; who earns nothing is left out.

        Args:
            sale: The order.
            left_fens: What is left of each line: paid less refunded.
        """
        levels = self.levels(sale)
        lines = self.line_shares(sale, left_fens, levels)
        totals = map(sum, zip(*[one.level_fens for one in lines], strict=True))
        shares = {WalletKey(level.member_id): fen for level, fen in zip(levels, totals, strict=False) if fen}
        back = sum([one.cashback_fen for one in lines])
        if back:
            shares[WalletKey(sale.buyer.member_id, TaxClass.REBATE)] = back
        return shares

    def override(self, line: SaleLine, tier: Tier) -> Override | None:
        """Return the exception that gives a beneficiary of this tier their rate on a line; `None`: the base rates."""
        for selector in (
            (line.product_id, None, tier),
            (line.product_id, None, None),
            (None, line.category, tier),
            (None, line.category, None),
            (None, None, tier),
        ):
            if found := self._overrides.get(selector):
                return found
        return None

    def rates(self, line: SaleLine, tier: Tier) -> Rates:
        """Return the rates by level of a beneficiary of this tier on a line."""
        override = self.override(line, tier)
        return override.rates_bps if override else self.terms.base_bps

    def _rows_of(self, tiers: tuple[Tier | None, ...], *, first: bool) -> dict[Kind, Row]:
        """Return where the rows of these tiers are remembered, by kind of line."""
        if self._row_count >= _MAX_ROWS:
            self._rows.clear()
            self._row_count = 0
        return self._rows.setdefault((tiers, first), {})

    def _row(self, kind: Kind, line: SaleLine, tiers: tuple[Tier | None, ...], *, first: bool) -> Row:
        rates = []
        for level, tier in enumerate(tiers):
            of_tier = self.rates(line, tier) if tier else ()
            rates.append(of_tier[level] if level < len(of_tier) else 0)
        cashback = self.terms.cashback_bps if first else 0
        row = Row(tuple(rates), cashback, sum(rates) + cashback > self.terms.cap_bps)
        self._rows_of(tiers, first=first)[kind] = row
        self._row_count += 1
        return row


_rulebooks: dict[int, Rulebook] = {}


def rulebook(terms: RuleTerms) -> Rulebook:
    """Return the rulebook of these rules, made once for each document in memory."""
    found = _rulebooks.get(id(terms))
    if found is None or found.terms is not terms:
        if len(_rulebooks) >= _MAX_RULEBOOKS:
            _rulebooks.clear()
        found = _rulebooks[id(terms)] = Rulebook(terms)
    return found


def split(sale: Sale, left_fens: Sequence[int], terms: RuleTerms | None) -> dict[WalletKey, int]:
    """Return what goes to each wallet; before the first version of the rules nobody earns."""
    return rulebook(terms).shares(sale, left_fens) if terms else {}


def _barrier(place: Place, chain_counts: bool) -> Barrier | None:  # noqa: FBT001 - private, called in one place
    if not place.counts:
        return Barrier.BINDING_EXPIRED
    if not chain_counts:
        return Barrier.NOT_FIRST_ORDER
    if place.standing is Standing.PROMOTER:
        return None
    return Barrier.SUSPENDED if place.standing is Standing.SUSPENDED else Barrier.NOT_PROMOTER
