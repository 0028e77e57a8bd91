"""The independent model: from what happened, with its own arithmetic, it says what every account must be in the end.

It knows nothing of journals, holds or retries, and shares no code with the product. The rules are M4, M5, M9 to M18,
M25 and M26 of the money rules.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from math import floor
from typing import Final

from tests.simulation.facts import Asked, Facts, Person, Rules, Sold, SoldLine

_WHOLE: Final = 10_000
_FREIGHT: Final = "freight"
_LEAST_NET_FEN: Final = 10
_SHANGHAI: Final = timedelta(hours=8)

type Account = tuple[str, str]
"""A wallet: member and tax class."""


@dataclass(frozen=True)
class PaidOrder:
    """An order that WeChat says was paid."""

    sold: Sold
    paid_at: datetime
    left_fens: tuple[int, ...]
    """What is left of each line after the refunds that WeChat paid out."""
    first: bool
    """Whether it took the buyer's claim of a first order."""
    denied: bool
    """Whether a person rejected its commissions."""


@dataclass(frozen=True)
class Payout:
    """A transfer that WeChat says was paid out, in the order in which the requests were drawn up."""

    asked: Asked
    drawn_up_at: datetime
    paid_at: datetime


@dataclass
class Expected:
    """What must be."""

    orders: dict[str, Counter[Account]] = field(default_factory=dict)
    """What each order gives each wallet."""
    net_fens: dict[str, int] = field(default_factory=dict)
    """What WeChat was to transfer for each withdrawal that was paid."""
    platform: Counter[str] = field(default_factory=Counter)
    """The merchant's accounts, credit positive."""
    paid_out: Counter[Account] = field(default_factory=Counter)
    """What left each wallet for good."""


def expected(facts: Facts, orders: Iterable[PaidOrder], payouts: Sequence[Payout]) -> Expected:
    """Return what must be once everything has arrived."""
    found = Expected()
    for order in orders:
        shares = order_shares(facts, order)
        found.orders[order.sold.order_id] = shares
        for (_, tax_class), fen in shares.items():
            found.platform["campaign_expense" if tax_class == "rebate" else "commission_expense"] -= fen
    for payout, tax_fen in _taxed(facts, payouts):
        asked = payout.asked
        fee_fen = asked.amount_fen * facts.terms.fee_bps // _WHOLE
        net_fen = asked.amount_fen - fee_fen - tax_fen
        found.net_fens[asked.withdrawal_id] = net_fen
        found.paid_out[asked.member_id, asked.tax_class] += asked.amount_fen
        found.platform.update({"paid_out": net_fen, "tax_payable": tax_fen, "fee_income": fee_fen})
    return found


def order_shares(facts: Facts, order: PaidOrder) -> Counter[Account]:
    """Return what an order gives each wallet, by the rules in force when it was paid."""
    rules = facts.rules_at(order.paid_at)
    shares: Counter[Account] = Counter()
    if rules is None or order.denied:
        return shares
    goods = zip(order.sold.lines, order.left_fens, strict=True)
    if sum(left for line, left in goods if line.category != _FREIGHT) < rules.min_order_fen:
        return shares
    levels = _levels(facts, order, rules)
    for line, left_fen in zip(order.sold.lines, order.left_fens, strict=True):
        if line.category != _FREIGHT and not line.is_virtual:
            shares += _line_shares(line, left_fen, levels, rules, order)
    return shares


def _line_shares(
    line: SoldLine, left_fen: int, levels: Sequence[Person | None], rules: Rules, order: PaidOrder
) -> Counter[Account]:
    exact: dict[Account, int] = {}
    for level, person in enumerate(levels):
        if person is not None:
            rates = _rates(line, person.tier_at(order.paid_at), rules)
            rate_bps = rates[level] if level < len(rates) else 0
            exact[person.member_id, "commission"] = floor(Fraction(left_fen * rate_bps, _WHOLE))
    if order.first:
        exact[order.sold.buyer, "rebate"] = floor(Fraction(left_fen * rules.cashback_bps, _WHOLE))
    cap_fen, total_fen = floor(Fraction(left_fen * rules.cap_bps, _WHOLE)), sum(exact.values())
    if total_fen > cap_fen:
        exact = {account: floor(Fraction(fen * cap_fen, total_fen)) for account, fen in exact.items()}
    return Counter({account: fen for account, fen in exact.items() if fen})


def _levels(facts: Facts, order: PaidOrder, rules: Rules) -> list[Person | None]:
    """Return who earns at each level; nobody moves up into the place of one who may not."""
    sold, levels = order.sold, list[Person | None]()
    chain_counts = facts.terms.binding != "first_order" or order.first
    for person, holds in facts.chain(sold.buyer, sold.placed_at):
        may = holds and chain_counts and person.standing_at(order.paid_at) == "promoter"
        levels.append(person if may else None)
    buyer = facts.people[sold.buyer]
    if rules.self_purchase and buyer.standing_at(order.paid_at) == "promoter":
        levels.insert(0, buyer)
    return levels[: min(facts.terms.max_levels, rules.max_levels)]


def _rates(line: SoldLine, tier: str, rules: Rules) -> tuple[int, ...]:
    """Return the rates of the most particular exception: product before category before tier."""
    best: tuple[int, tuple[int, ...]] = (0, rules.base_bps)
    for one in rules.exceptions:
        fits = (
            one.product_id in {None, line.product_id}
            and one.category in {None, line.category}
            and one.tier in {None, tier}
        )
        weight = 4 * (one.product_id is not None) + 2 * (one.category is not None) + (one.tier is not None)
        if fits and weight > best[0]:
            best = (weight, one.rates_bps)
    return best[1]


def _taxed(facts: Facts, payouts: Sequence[Payout]) -> Iterable[tuple[Payout, int]]:
    """Yield each payout with the tax withheld: what is due on all of the person's payments, less what was withheld."""
    method = facts.terms.tax_method
    gross: dict[str, Counter[str]] = {}
    withheld: dict[str, Counter[str]] = {}
    for payout in payouts:
        asked = payout.asked
        if asked.tax_class == "rebate":
            yield payout, 0
            continue
        months = gross.setdefault(asked.member_id, Counter())
        taxes = withheld.setdefault(asked.member_id, Counter())
        month = _month(payout.drawn_up_at)
        if method == "labour":
            due_fen = labour_tax_fen(months[month] + asked.amount_fen) - taxes[month]
        else:
            row = 1
            while months[f"{month[:4]}-{int(month[5:]) - row:02d}"]:
                row += 1
            whole_year = sum(fen for name, fen in months.items() if name[:4] == month[:4])
            due_fen = cumulative_tax_fen(whole_year + asked.amount_fen, row)
            due_fen -= sum(fen for name, fen in taxes.items() if name[:4] == month[:4])
        fee_fen = asked.amount_fen * facts.terms.fee_bps // _WHOLE
        tax_fen = min(max(0, due_fen), max(0, asked.amount_fen - fee_fen - _LEAST_NET_FEN))
        paid_month = _month(payout.paid_at)
        months[paid_month] += asked.amount_fen
        taxes[paid_month] += tax_fen
        yield payout, tax_fen


def labour_tax_fen(gross_fen: int) -> int:
    """Return the tax on a month's labour remuneration."""
    if gross_fen <= 80_000:
        return 0
    taxable = Fraction(gross_fen - 80_000) if gross_fen <= 400_000 else Fraction(gross_fen) * 4 / 5
    return _by_table(taxable, ((2_000_000, 20, 0), (5_000_000, 30, 200_000), (None, 40, 700_000)))


def cumulative_tax_fen(gross_fen: int, months: int) -> int:
    """Return the tax on a year's income of a worker of a platform."""
    taxable = max(Fraction(0), Fraction(gross_fen) * 4 / 5 - 500_000 * months)
    table = (
        (3_600_000, 3, 0),
        (14_400_000, 10, 252_000),
        (30_000_000, 20, 1_692_000),
        (42_000_000, 25, 3_192_000),
        (66_000_000, 30, 5_292_000),
        (96_000_000, 35, 8_592_000),
        (None, 45, 18_192_000),
    )
    return _by_table(taxable, table)


def _by_table(taxable: Fraction, table: Sequence[tuple[int | None, int, int]]) -> int:
    for up_to_fen, percent, deduction_fen in table:
        if up_to_fen is None or taxable <= up_to_fen:
            return floor(taxable * percent / 100 - deduction_fen + Fraction(1, 2))
    raise AssertionError("the last row of a table has no end")


def _month(moment: datetime) -> str:
    return f"{moment + _SHANGHAI:%Y-%m}"


def total(orders: Mapping[str, Counter[Account]]) -> Counter[Account]:
    """Return what all orders together give each wallet."""
    sums: Counter[Account] = Counter()
    for shares in orders.values():
        sums.update(shares)
    return sums
