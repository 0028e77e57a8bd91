"""Why somebody earned what they earned on an order, or nothing: every step with its numbers, pure.

Nothing of it is stored: it is computed again from the order's frozen facts and the rule version, by the same rulebook
that posted it (M8).
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from fenxiao.commission.plan import DENY, SETTLE
from fenxiao.commission.rules import RuleSet
from fenxiao.commission.sale import Sale, SaleLine, left_of, sale_of
from fenxiao.commission.split import LineShares, Rulebook, rulebook
from fenxiao.ledger.model import Bucket, Journal, TaxClass
from fenxiao.money import BPS, share_fen
from fenxiao.order.model import FREIGHT_CATEGORY, Order, OrderLine, Refund
from fenxiao.relation.model import Tier


class Nothing(StrEnum):
    """Why a beneficiary gets nothing of an order, or a line gives nothing; the first four are the chain's barriers."""

    BINDING_EXPIRED = "binding_expired"
    NOT_FIRST_ORDER = "not_first_order"
    SUSPENDED = "suspended"
    NOT_PROMOTER = "not_promoter"
    PAID_AFTER_CLOSE = "paid_after_close"
    NO_RULES = "no_rules"
    DENIED = "denied"
    BELOW_MINIMUM = "below_minimum"
    BEYOND_LEVELS = "beyond_levels"
    NO_CASHBACK = "no_cashback"
    NOT_FIRST_PURCHASE = "not_first_purchase"
    FREIGHT = "freight"
    VIRTUAL = "virtual"
    REFUNDED = "refunded"
    NO_RATE = "no_rate"
    BELOW_ONE_FEN = "below_one_fen"


class RateSource(StrEnum):
    """Where a rate comes from, the most particular first."""

    PRODUCT_AND_TIER = "product_and_tier"
    PRODUCT = "product"
    CATEGORY_AND_TIER = "category_and_tier"
    CATEGORY = "category"
    TIER = "tier"
    BASE = "base"
    CASHBACK = "cashback"


class LineSteps(Struct, frozen=True, kw_only=True):
    """The steps from a line to its fen.

    `list_fen` less `discount_fen` is what was paid; less `refunded_fen` it is the base. The base times the rate,
    floored, is `share_fen`; `floored` is what the floor cut off, in ten-thousandths of a fen (M13). When all shares of
    the line, `all_shares_fen`, are above `cap_fen`, each shrinks in proportion to `amount_fen` (M14).
    """

    line: int
    title: str
    list_fen: int
    discount_fen: int
    refunded_fen: int
    base_fen: int
    rate_bps: int
    rate_source: RateSource
    share_fen: int
    floored: int
    all_shares_fen: int
    cap_bps: int
    cap_fen: int
    amount_fen: int
    nothing: Nothing | None = None


class Part(Struct, frozen=True, kw_only=True):
    """What one place in the chain, or the buyer as a first customer, gets of an order."""

    member_id: str
    tax_class: TaxClass
    level: int | None
    """Counted from 1; `None` for cashback."""
    tier: Tier
    reason: Nothing | None
    """Why it is nothing; `None` when it is something."""
    lines: tuple[LineSteps, ...]
    amount_fen: int
    """What it is by the rules, on what is left of the order."""
    posted_fen: int
    """What the books gave: differs only while an event is on its way into them."""
    held_fen: int
    """What of it is still held."""


class Explained(Struct, frozen=True, kw_only=True):
    """An order's commissions, explained."""

    order_id: str
    paid_at: datetime
    rule_version: int | None
    effective_from: datetime | None
    max_levels: int
    min_order_fen: int
    goods_left_fen: int
    settled: bool
    parts: tuple[Part, ...]


def explain(order: Order, refunds: Sequence[Refund], journals: Sequence[Journal], rules: RuleSet | None) -> Explained:
    """Explain what everybody in the chain of a paid order earned and why somebody earned nothing.

    Args:
        order: A paid order.
        refunds: All its refunds.
        journals: Its collection.
        rules: The version in force when it was paid.

    Raises:
        ValueError: it was never paid.
    """
    sale, left = sale_of(order), left_of(order, refunds)
    goods = [fen for line, fen in zip(sale.lines, left, strict=True) if line.category != FREIGHT_CATEGORY]
    case = _Case(order, sale, left, journals, rules)
    return Explained(
        order_id=order.order_id,
        paid_at=sale.paid_at,
        rule_version=rules.version if rules else None,
        effective_from=rules.effective_from if rules else None,
        max_levels=min(sale.max_levels, rules.max_levels) if rules else sale.max_levels,
        min_order_fen=rules.min_order_fen if rules else 0,
        goods_left_fen=sum(goods),
        settled=any(journal.event == SETTLE for journal in journals),
        parts=tuple(case.parts()),
    )


class _Case:
    """An order under explanation."""

    def __init__(
        self, order: Order, sale: Sale, left: Sequence[int], journals: Sequence[Journal], rules: RuleSet | None
    ) -> None:
        self._order, self._sale, self._left, self._journals = order, sale, left, journals
        self._book: Rulebook | None = rulebook(rules) if rules else None
        self._levels = self._book.levels(sale) if self._book else []
        lines = self._book.line_shares(sale, left, self._levels) if self._book else ()
        self._given = {one.number: one for one in lines}
        self._whole = self._reason_of_the_whole(rules)

    def parts(self) -> Iterator[Part]:
        """Yield the levels in order, then who stands beyond them, then the buyer's cashback."""
        for number, level in enumerate(self._levels, 1):
            barrier = Nothing(level.barrier) if level.barrier else None
            yield self._part(level.member_id, TaxClass.COMMISSION, number, level.tier, barrier)
        on_levels = {level.member_id for level in self._levels}
        for number, place in enumerate(self._sale.chain, 1):
            if place.member_id not in on_levels:
                beyond = self._whole or Nothing.BEYOND_LEVELS
                yield self._part(place.member_id, TaxClass.COMMISSION, number, place.tier, beyond)
        buyer = self._sale.buyer
        yield self._part(buyer.member_id, TaxClass.REBATE, None, buyer.tier, self._no_cashback())

    def _reason_of_the_whole(self, rules: RuleSet | None) -> Nothing | None:
        payment = self._order.payment
        if payment is not None and not payment.earns:
            return Nothing.PAID_AFTER_CLOSE
        if rules is None or self._book is None:
            return Nothing.NO_RULES
        if any(journal.event == DENY for journal in self._journals):
            return Nothing.DENIED
        return None if self._book.reaches_minimum(self._sale, self._left) else Nothing.BELOW_MINIMUM

    def _no_cashback(self) -> Nothing | None:
        if self._book is None or not self._book.terms.cashback_bps:
            return Nothing.NO_CASHBACK
        return None if self._sale.first_order else Nothing.NOT_FIRST_PURCHASE

    def _part(
        self, member_id: str, tax_class: TaxClass, level: int | None, tier: Tier, barrier: Nothing | None
    ) -> Part:
        reason = self._whole or barrier
        steps = () if reason else tuple(self._steps(tier, level))
        amount_fen = sum(one.amount_fen for one in steps)
        if reason is None and not amount_fen:
            reason = next((one.nothing for one in steps if one.nothing), Nothing.BELOW_ONE_FEN)
        postings = [
            posting
            for journal in self._journals
            for posting in journal.postings
            if (posting.member_id, posting.tax_class) == (member_id, tax_class)
        ]
        return Part(
            member_id=member_id,
            tax_class=tax_class,
            level=level,
            tier=tier,
            reason=reason,
            lines=steps,
            amount_fen=amount_fen,
            posted_fen=sum(posting.amount_fen for posting in postings),
            held_fen=sum(posting.amount_fen for posting in postings if posting.account == Bucket.HELD),
        )

    def _steps(self, tier: Tier, level: int | None) -> Iterator[LineSteps]:
        for number, (line, ordered, left) in enumerate(
            zip(self._sale.lines, self._order.lines, self._left, strict=True)
        ):
            yield self._line_steps(number, line, ordered, left, tier, level)

    def _line_steps(
        self, number: int, line: SaleLine, ordered: OrderLine, left_fen: int, tier: Tier, level: int | None
    ) -> LineSteps:
        assert self._book is not None  # noqa: S101 - without rules there are no steps
        rate_bps, source = self._rate(line, tier, level)
        given = self._given.get(number)
        amount = 0
        if given:
            amount = given.cashback_fen if level is None else given.level_fens[level - 1]
        list_fen, cap_bps = ordered.unit_price_fen * ordered.quantity, self._book.terms.cap_bps
        return LineSteps(
            line=number + 1,
            title=ordered.title,
            list_fen=list_fen,
            discount_fen=list_fen - line.paid_fen,
            refunded_fen=line.paid_fen - left_fen,
            base_fen=left_fen,
            rate_bps=rate_bps,
            rate_source=source,
            share_fen=share_fen(left_fen, rate_bps),
            floored=left_fen * rate_bps % BPS,
            all_shares_fen=self._uncapped(given),
            cap_bps=cap_bps,
            cap_fen=share_fen(left_fen, cap_bps),
            amount_fen=amount,
            nothing=_why_nothing(line, left_fen, rate_bps, amount),
        )

    def _uncapped(self, given: LineShares | None) -> int:
        """Return what all shares of a line are before its cap."""
        if given is None or self._book is None:
            return 0
        cashback_bps = self._book.terms.cashback_bps if self._sale.first_order else 0
        total = share_fen(given.left_fen, cashback_bps)
        for number, level in enumerate(self._levels, 1):
            if level.barrier is None:
                total += share_fen(given.left_fen, self._rate(given.line, level.tier, number)[0])
        return total

    def _rate(self, line: SaleLine, tier: Tier, level: int | None) -> tuple[int, RateSource]:
        assert self._book is not None  # noqa: S101 - as above
        if level is None:
            return (self._book.terms.cashback_bps if line.earns else 0), RateSource.CASHBACK
        override = self._book.override(line, tier)
        rates = override.rates_bps if override else self._book.terms.base_bps
        rate_bps = rates[level - 1] if line.earns and level <= len(rates) else 0
        if override is None:
            return rate_bps, RateSource.BASE
        if override.product_id is not None:
            return rate_bps, RateSource.PRODUCT_AND_TIER if override.tier else RateSource.PRODUCT
        if override.category is not None:
            return rate_bps, RateSource.CATEGORY_AND_TIER if override.tier else RateSource.CATEGORY
        return rate_bps, RateSource.TIER


def _why_nothing(line: SaleLine, left_fen: int, rate_bps: int, amount_fen: int) -> Nothing | None:
    if amount_fen:
        return None
    if line.category == FREIGHT_CATEGORY:
        return Nothing.FREIGHT
    if line.is_virtual:
        return Nothing.VIRTUAL
    if not left_fen:
        return Nothing.REFUNDED
    return Nothing.BELOW_ONE_FEN if rate_bps else Nothing.NO_RATE
