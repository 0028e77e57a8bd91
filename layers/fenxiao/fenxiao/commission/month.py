"""The month's rewards: ladder and team bonuses on a Shanghai month's net sales (M19). A function of its arguments only.

Closes, previews, simulations and audits all run over this one implementation. A promoter's own sales are what is left,
on lines that earn, of the orders in which they are level 1; their team's sales are the same of the orders in which they
stand at any level of the buyer's chain, as far as that chain existed when the month began.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from msgspec import Struct

from fenxiao.clock import SHANGHAI
from fenxiao.commission.rules import RuleTerms, Step, step_rate_bps
from fenxiao.commission.sale import Place, Sale
from fenxiao.commission.split import Level, rulebook
from fenxiao.money import share_fen
from fenxiao.relation.model import Tier

_MONTHS_OF_YEAR: Final = 12


class Turnover(Struct):
    """A promoter's net sales of a month in fen: their own, as level 1, and their team's."""

    own_fen: int = 0
    team_fen: int = 0


type MonthSales = dict[str, Turnover]
"""The net sales of a month by promoter; those of several sets of orders add up (`merge`)."""


class Bonus(Struct, frozen=True, kw_only=True):
    """What a month gives a promoter, in fen, and the net sales from which it follows."""

    own_sales_fen: int = 0
    ladder_fen: int = 0
    team_sales_fen: int = 0
    team_bonus_fen: int = 0

    @property
    def total_fen(self) -> int:
        """Return both rewards together."""
        return self.ladder_fen + self.team_bonus_fen


NOTHING: Final = Bonus()


def month_start(month: str) -> datetime:
    """Return the first instant of a Shanghai month.

    Args:
        month: `YYYY-MM`.

    Raises:
        ValueError: it is no month.
    """
    return datetime.strptime(month, "%Y-%m").replace(tzinfo=SHANGHAI).astimezone(UTC)


def month_after(month: str, count: int = 1) -> str:
    """Return the month that comes so many months later; before, if `count` is negative."""
    year, number = map(int, month.split("-"))
    year, index = divmod(year * _MONTHS_OF_YEAR + number - 1 + count, _MONTHS_OF_YEAR)
    return f"{year:04d}-{index + 1:02d}"


def month_sales(orders: Iterable[tuple[Sale, Sequence[int]]], terms: RuleTerms, begins_at: datetime) -> MonthSales:
    """Return what orders of one month add to each promoter's net sales.

    Args:
        orders: Orders paid in the month whose commissions no case rejected, each with what is left of its lines in fen.
        terms: The rules in force when the month began.
        begins_at: The month's first instant.
    """
    book = rulebook(terms)
    sales: MonthSales = {}
    for sale, left_fens in orders:
        if book.reaches_minimum(sale, left_fens):
            count_sale(sales, sale, left_fens, book.levels(sale), begins_at)
    return sales


def count_sale(
    sales: MonthSales, sale: Sale, left_fens: Sequence[int], levels: Sequence[Level], begins_at: datetime
) -> None:
    """Add an order that reaches the minimum to the net sales of those who stand at its levels.

    Args:
        sales: What it is added to.
        sale: The order.
        left_fens: What is left of each line.
        levels: Its levels, as `Rulebook.levels` gives them for the month's rules.
        begins_at: The month's first instant.
    """
    base_fen = 0
    for line, left in zip(sale.lines, left_fens, strict=True):
        if left and line.earns:
            base_fen += left
    if not base_fen:
        return
    # A buyer who is level 1 of their own purchase moves the chain down by one.
    moved = bool(levels) and levels[0].member_id == sale.buyer.member_id
    for index, level in enumerate(levels):
        if level.barrier:
            continue
        turnover = sales.get(level.member_id)
        if turnover is None:
            turnover = sales[level.member_id] = Turnover()
        if not index:
            turnover.own_fen += base_fen
        if index >= moved and _existed(sale.chain[index - moved], begins_at):
            turnover.team_fen += base_fen


def merge(parts: Iterable[Mapping[str, Turnover]]) -> MonthSales:
    """Return the net sales of several sets of orders together; the parts are left as they are."""
    sums: MonthSales = {}
    for part in parts:
        for member_id, turnover in part.items():
            total = sums.setdefault(member_id, Turnover())
            total.own_fen += turnover.own_fen
            total.team_fen += turnover.team_fen
    return sums


def possible_leaders(sales: Mapping[str, Turnover], terms: RuleTerms) -> list[str]:
    """Return the promoters whose tier decides whether they get a team bonus."""
    team = terms.team_bonus
    if team is None or not team.leader_tiers:
        return []
    return [member_id for member_id, turnover in sales.items() if step_rate_bps(team.steps, turnover.team_fen)]


def bonuses(sales: Mapping[str, Turnover], terms: RuleTerms, tiers: Mapping[str, Tier]) -> dict[str, Bonus]:
    """Return what the month gives each promoter who gets anything.

    Args:
        sales: Everybody's net sales of the whole month.
        terms: The rules in force when the month began.
        tiers: The tiers that `possible_leaders` had when the month began; who is missing is a standard promoter.
    """
    team = terms.team_bonus
    steps = team.steps if team else ()
    leading: Collection[Tier] = team.leader_tiers if team and team.leader_tiers else tuple(Tier)
    found = {}
    for member_id, turnover in sales.items():
        ladder_fen = _reward(terms.ladder, turnover.own_fen)
        team_fen = _reward(steps, turnover.team_fen)
        if team_fen and tiers.get(member_id, Tier.STANDARD) not in leading:
            team_fen = 0
        if ladder_fen or team_fen:
            found[member_id] = Bonus(
                own_sales_fen=turnover.own_fen,
                ladder_fen=ladder_fen,
                team_sales_fen=turnover.team_fen,
                team_bonus_fen=team_fen,
            )
    return found


def _reward(steps: Sequence[Step], sales_fen: int) -> int:
    """Return the rate of the highest step reached, on the whole month's net sales (M13, M19)."""
    return share_fen(sales_fen, step_rate_bps(steps, sales_fen)) if steps else 0


def _existed(place: Place, begins_at: datetime) -> bool:
    """Tell whether the chain up to a place was there when the month began; old orders do not say and count."""
    return place.since is None or place.since <= begins_at
