"""Simulating rules on real orders: what a draft would give, and what the versions in force gave. Pure.

Both sides run over the rulebook that posts and over the month's close, on what is left of the orders now. Orders are
counted into tallies, and tallies of any cut of the orders add up to the same sums, however the work was shared.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from msgspec import Struct, field

from fenxiao.clock import shanghai_month
from fenxiao.commission.lake import LakeOrder
from fenxiao.commission.month import MonthSales, count_sale, month_after, month_start
from fenxiao.commission.month import merge as merge_sales
from fenxiao.commission.rules import RuleSet, RuleTerms, in_force
from fenxiao.commission.sale import Sale
from fenxiao.commission.split import Level, Rulebook, rulebook
from fenxiao.config import MAX_LEVELS_LIMIT

type Sums = dict[str, int]


def _sums() -> Sums:
    return defaultdict(int)


class Side(Struct, array_like=True):
    """What the rules of one side give of a month's orders themselves."""

    level_fens: list[int] = field(default_factory=lambda: [0] * MAX_LEVELS_LIMIT)
    cashback_fen: int = 0
    category_fens: Sums = field(default_factory=_sums)
    """Commission and cashback by category."""
    capped_orders: int = 0
    capped_lines: int = 0
    cut_fen: int = 0
    """What the caps took off."""


class MonthTally(Struct, array_like=True):
    """The orders that were paid in a Shanghai month."""

    orders: int = 0
    gmv_fen: int = 0
    net_fen: int = 0
    category_nets: Sums = field(default_factory=_sums)
    """What is left of the lines by category."""
    draft: Side = field(default_factory=Side)
    in_force: Side = field(default_factory=Side)
    draft_sales: MonthSales = field(default_factory=dict)
    """Of what the draft's ladder and team bonus are taken; nothing if the month's rules have neither."""
    in_force_sales: MonthSales = field(default_factory=dict)
    """Likewise; nothing also if it would be the same (`has_same_sales`)."""


class Tally(Struct, array_like=True):
    """Orders, counted under a draft and under the versions in force."""

    months: dict[str, MonthTally] = field(default_factory=dict)
    """By `YYYY-MM`."""
    draft_fens: Sums = field(default_factory=_sums)
    """What each member gets of the orders themselves, cashback included."""
    in_force_fens: Sums = field(default_factory=_sums)


class _Span(Struct, frozen=True):
    """A stretch of time in which the month and the version in force stay the same."""

    begins_at: datetime
    ends_at: datetime
    month_begins_at: datetime
    month: MonthTally
    book: Rulebook | None
    """Of the version in force."""
    has_other_levels: bool
    """Whether that version puts others on the levels than the draft does."""
    bonuses: tuple[tuple[MonthSales, Rulebook], ...]
    """Where the net sales for ladders and team bonuses are counted, by whose rules."""


def simulate(orders: Iterable[LakeOrder], draft: RuleTerms, versions: Sequence[RuleSet]) -> Tally:
    """Count orders under a draft, and under the version that was in force when each was paid (M10).

    Nobody earns on an order whose commissions a case rejected, whatever the rules (M16).

    Args:
        orders: In any sequence; day by day is quickest.
        draft: What is simulated.
        versions: All published versions.
    """
    tally, draft_book = Tally(), rulebook(draft)
    span: _Span | None = None
    for order in orders:
        sale, left = order.sale, order.left_fens
        if span is None or not span.begins_at <= sale.paid_at < span.ends_at:
            span = _span(tally, sale.paid_at, draft_book, versions)
        month, book = span.month, span.book
        _count_order(month, sale, left)
        if order.denied:
            continue
        levels = draft_book.levels(sale)
        _count_shares(month.draft, tally.draft_fens, draft_book, sale, left, levels)
        if book is not None:
            then = book.levels(sale) if span.has_other_levels else levels
            _count_shares(month.in_force, tally.in_force_fens, book, sale, left, then)
        for sales, by in span.bonuses:
            if by.reaches_minimum(sale, left):
                count_sale(sales, sale, left, levels if by is draft_book else by.levels(sale), span.month_begins_at)
    return tally


def merge(tallies: Iterable[Tally]) -> Tally:
    """Return the tally of all their orders together; the parts are left as they are."""
    whole = Tally()
    for part in tallies:
        _add(whole.draft_fens, part.draft_fens)
        _add(whole.in_force_fens, part.in_force_fens)
        for name, month in part.months.items():
            _add_month(whole.months.setdefault(name, MonthTally()), month)
    return whole


def rules_of_month(name: str, versions: Sequence[RuleSet]) -> RuleSet | None:
    """Return the version whose ladder and team bonus hold in a month: the one in force when it began (M19)."""
    return in_force(versions, month_start(name))


def has_same_sales(one: RuleTerms, other: RuleTerms) -> bool:
    """Tell whether two sets of rules take ladder and team bonus of the same net sales."""
    return _has_same_levels(one, other) and one.min_order_fen == other.min_order_fen


def _has_same_levels(one: RuleTerms, other: RuleTerms) -> bool:
    return (one.self_purchase, one.max_levels) == (other.self_purchase, other.max_levels)


def _span(tally: Tally, moment: datetime, draft: Rulebook, versions: Sequence[RuleSet]) -> _Span:
    """Return the span around a moment."""
    name = shanghai_month(moment)
    month_begins_at = month_start(name)
    month = tally.months.setdefault(name, MonthTally())
    rules, month_rules = in_force(versions, moment), rules_of_month(name, versions)
    changes = [one.effective_from.astimezone(UTC) for one in versions]
    bonuses = []
    shared = month_rules is not None and has_same_sales(month_rules, draft.terms)
    if _has_bonus(draft.terms) or (shared and _has_bonus(month_rules)):
        bonuses.append((month.draft_sales, draft))
    if month_rules is not None and not shared and _has_bonus(month_rules):
        bonuses.append((month.in_force_sales, rulebook(month_rules)))
    return _Span(
        begins_at=max([month_begins_at, *(change for change in changes if change <= moment)]),
        ends_at=min([month_start(month_after(name)), *(change for change in changes if change > moment)]),
        month_begins_at=month_begins_at,
        month=month,
        book=rulebook(rules) if rules else None,
        has_other_levels=rules is not None and not _has_same_levels(rules, draft.terms),
        bonuses=tuple(bonuses),
    )


def _has_bonus(terms: RuleTerms | None) -> bool:
    return terms is not None and bool(terms.ladder or terms.team_bonus)


def _count_order(month: MonthTally, sale: Sale, left_fens: Sequence[int]) -> None:
    nets, gmv_fen = month.category_nets, 0
    for line, left in zip(sale.lines, left_fens, strict=True):
        gmv_fen += line.paid_fen
        nets[line.category] += left
    month.orders += 1
    month.gmv_fen += gmv_fen
    month.net_fen += sum(left_fens)


def _count_shares(
    side: Side, members: Sums, book: Rulebook, sale: Sale, left_fens: Sequence[int], levels: Sequence[Level]
) -> None:
    lines = book.line_shares(sale, left_fens, levels)
    categories, cashback, cut = side.category_fens, 0, 0
    for one in lines:
        categories[one.line.category] += sum(one.level_fens) + one.cashback_fen
        cashback += one.cashback_fen
        if one.cut_fen:
            side.capped_lines += 1
            cut += one.cut_fen
    level_fens = side.level_fens
    for number, fen in enumerate(map(sum, zip(*[one.level_fens for one in lines], strict=True))):
        if fen:
            level_fens[number] += fen
            members[levels[number].member_id] += fen
    if cashback:
        side.cashback_fen += cashback
        members[sale.buyer.member_id] += cashback
    if cut:
        side.capped_orders += 1
        side.cut_fen += cut


def _add(sums: Sums, more: Mapping[str, int]) -> None:
    for name, value in more.items():
        sums[name] += value


def _add_month(sums: MonthTally, more: MonthTally) -> None:
    sums.orders += more.orders
    sums.gmv_fen += more.gmv_fen
    sums.net_fen += more.net_fen
    _add(sums.category_nets, more.category_nets)
    _add_side(sums.draft, more.draft)
    _add_side(sums.in_force, more.in_force)
    sums.draft_sales = merge_sales((sums.draft_sales, more.draft_sales))
    sums.in_force_sales = merge_sales((sums.in_force_sales, more.in_force_sales))


def _add_side(sums: Side, more: Side) -> None:
    sums.level_fens = [one + other for one, other in zip(sums.level_fens, more.level_fens, strict=True)]
    sums.cashback_fen += more.cashback_fen
    _add(sums.category_fens, more.category_fens)
    sums.capped_orders += more.capped_orders
    sums.capped_lines += more.capped_lines
    sums.cut_fen += more.cut_fen
