"""What a simulation says: cost, share of sales, caps, who gains and who loses, always against the rules in force.

Pure. A result is small whatever was simulated: of categories and members only the greatest are named.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Final

from msgspec import Struct

from fenxiao.commission.breaker import Share
from fenxiao.commission.month import Bonus, MonthSales, bonuses, possible_leaders
from fenxiao.commission.rules import RuleSet, RuleTerms
from fenxiao.commission.simulate import MonthTally, Side, Sums, Tally, has_same_sales, rules_of_month
from fenxiao.config import MAX_LEVELS_LIMIT
from fenxiao.relation.model import Tier

GOOD_BPS: Final = 2_000
"""Up to this share of net sales commissions are healthy."""
ALARM_BPS: Final = 3_000
"""Above this share they alarm, whatever the rules say."""

_MAX_CATEGORIES: Final = 100
_MAX_MEMBERS: Final = 20

type Tiers = Mapping[str, Mapping[str, Tier]]
"""By month: the tiers that those whom `leaders` names had when it began."""


class Compared(Struct, frozen=True, kw_only=True):
    """A cost under the draft and under the versions in force, in fen."""

    draft_fen: int
    in_force_fen: int
    difference_fen: int
    """What the draft costs more."""


class LevelCost(Struct, frozen=True, kw_only=True):
    """Commissions of a level of the chain."""

    level: int
    cost: Compared


class CategoryCost(Struct, frozen=True, kw_only=True):
    """Commissions and cashback of a category's lines; bonuses belong to none."""

    category: str
    net_fen: int
    cost: Compared


class Limit(StrEnum):
    """A limit on the share of net sales."""

    GOOD = "good"
    """20 %, up to which it is healthy."""
    ALARM = "alarm"
    """30 %, above which it alarms."""
    PARK = "park"
    """The draft's breaker: commissions wait for a person (M16)."""


class Period(Struct, frozen=True, kw_only=True):
    """The sales of a period, and all that they cost, bonuses included."""

    orders: int
    gmv_fen: int
    net_fen: int
    """Paid less refunded."""
    cost: Compared
    draft_share_bps: int
    """Of net sales, rounded up."""
    in_force_share_bps: int
    draft_breaches: tuple[Limit, ...]
    """The limits that the draft's share is above."""


class MonthCost(Struct, frozen=True, kw_only=True):
    """A Shanghai month, as far as the simulated days cover it."""

    month: str
    """`YYYY-MM`."""
    figures: Period


class Capped(Struct, frozen=True, kw_only=True):
    """What the cap on a line's commissions cut (M14)."""

    orders: int
    lines: int
    cut_fen: int


class MemberChange(Struct, frozen=True, kw_only=True):
    """What a member would get and got, cashback and bonuses included."""

    member_id: str
    cost: Compared


class SimulationResult(Struct, frozen=True, kw_only=True):
    """A draft simulated on the orders of a period, against the version in force at each payment."""

    total: Period
    months: tuple[MonthCost, ...]
    levels: tuple[LevelCost, ...]
    cashback: Compared
    ladder: Compared
    team_bonus: Compared
    """Ladder and team bonus are estimates: they take the simulated days of a month for all of it (M19)."""
    categories: tuple[CategoryCost, ...]
    """The hundred that cost most under either side."""
    other_categories: Compared
    """All others together."""
    draft_capped: Capped
    in_force_capped: Capped
    gaining_members: int
    losing_members: int
    gains: tuple[MemberChange, ...]
    """The twenty members who gain most."""
    losses: tuple[MemberChange, ...]
    """The twenty members who lose most."""


class _Given(Struct, frozen=True):
    """What the rules of one side give of everything."""

    sides: Mapping[str, Side]
    """By month: what they give of the orders themselves."""
    bonuses: Mapping[str, Mapping[str, Bonus]]
    """By month and member."""
    member_fens: Sums

    def level_fen(self, level: int) -> int:
        return sum(side.level_fens[level - 1] for side in self.sides.values())

    def cashback_fen(self) -> int:
        return sum(side.cashback_fen for side in self.sides.values())

    def ladder_fen(self) -> int:
        return sum(bonus.ladder_fen for month in self.bonuses.values() for bonus in month.values())

    def team_bonus_fen(self) -> int:
        return sum(bonus.team_bonus_fen for month in self.bonuses.values() for bonus in month.values())

    def month_fen(self, name: str) -> int:
        side = self.sides[name]
        return sum(side.level_fens) + side.cashback_fen + sum(bonus.total_fen for bonus in self.bonuses[name].values())

    def categories(self) -> Sums:
        return _added(side.category_fens for side in self.sides.values())

    def members(self) -> Sums:
        rewards = ({name: bonus.total_fen for name, bonus in month.items()} for month in self.bonuses.values())
        return _added([self.member_fens, *rewards])

    def capped(self) -> Capped:
        sides = self.sides.values()
        return Capped(
            orders=sum(side.capped_orders for side in sides),
            lines=sum(side.capped_lines for side in sides),
            cut_fen=sum(side.cut_fen for side in sides),
        )


def leaders(tally: Tally, draft: RuleTerms, versions: Sequence[RuleSet]) -> dict[str, set[str]]:
    """Return, by month, the members whose tier at its beginning decides whether they get a team bonus."""
    found = {}
    for name, month in tally.months.items():
        found[name] = {*possible_leaders(month.draft_sales, draft)}
        if then := rules_of_month(name, versions):
            found[name] |= {*possible_leaders(_in_force_sales(month, draft, then), then)}
    return found


def result(tally: Tally, draft: RuleTerms, versions: Sequence[RuleSet], tiers: Tiers) -> SimulationResult:
    """Return what all orders together say; equal orders and rules give equal results.

    Args:
        tally: All orders.
        draft: What was simulated.
        versions: All published versions.
        tiers: See `leaders`; who is missing is a standard promoter.
    """
    new, old = _given_by_draft(tally, draft, tiers), _given_in_force(tally, draft, versions, tiers)
    months = {
        name: (month, _compared(new.month_fen(name), old.month_fen(name)))
        for name, month in sorted(tally.months.items())
    }
    categories = _categories(tally, new.categories(), old.categories())
    changes = _changes(new.members(), old.members())
    gains = [one for one in changes if one.cost.difference_fen > 0]
    losses = [one for one in reversed(changes) if one.cost.difference_fen < 0]
    return SimulationResult(
        total=_period(months.values(), draft),
        months=tuple(MonthCost(month=name, figures=_period([one], draft)) for name, one in months.items()),
        levels=tuple(
            LevelCost(level=level, cost=_compared(new.level_fen(level), old.level_fen(level)))
            for level in range(1, MAX_LEVELS_LIMIT + 1)
        ),
        cashback=_compared(new.cashback_fen(), old.cashback_fen()),
        ladder=_compared(new.ladder_fen(), old.ladder_fen()),
        team_bonus=_compared(new.team_bonus_fen(), old.team_bonus_fen()),
        categories=tuple(categories[:_MAX_CATEGORIES]),
        other_categories=_sum(one.cost for one in categories[_MAX_CATEGORIES:]),
        draft_capped=new.capped(),
        in_force_capped=old.capped(),
        gaining_members=len(gains),
        losing_members=len(losses),
        gains=tuple(gains[:_MAX_MEMBERS]),
        losses=tuple(losses[:_MAX_MEMBERS]),
    )


def _given_by_draft(tally: Tally, draft: RuleTerms, tiers: Tiers) -> _Given:
    return _Given(
        {name: month.draft for name, month in tally.months.items()},
        {name: bonuses(month.draft_sales, draft, tiers.get(name, {})) for name, month in tally.months.items()},
        tally.draft_fens,
    )


def _given_in_force(tally: Tally, draft: RuleTerms, versions: Sequence[RuleSet], tiers: Tiers) -> _Given:
    rewards: dict[str, dict[str, Bonus]] = {}
    for name, month in tally.months.items():
        then = rules_of_month(name, versions)
        rewards[name] = bonuses(_in_force_sales(month, draft, then), then, tiers.get(name, {})) if then else {}
    return _Given({name: month.in_force for name, month in tally.months.items()}, rewards, tally.in_force_fens)


def _in_force_sales(month: MonthTally, draft: RuleTerms, then: RuleSet) -> MonthSales:
    return month.draft_sales if has_same_sales(draft, then) else month.in_force_sales


def _period(months: Iterable[tuple[MonthTally, Compared]], draft: RuleTerms) -> Period:
    months = list(months)
    net_fen = sum(month.net_fen for month, _ in months)
    cost = _sum(cost for _, cost in months)
    share = Share(cost.draft_fen, net_fen)
    limits = {Limit.GOOD: GOOD_BPS, Limit.ALARM: ALARM_BPS, Limit.PARK: draft.breaker.park_bps}
    return Period(
        orders=sum(month.orders for month, _ in months),
        gmv_fen=sum(month.gmv_fen for month, _ in months),
        net_fen=net_fen,
        cost=cost,
        draft_share_bps=share.bps,
        in_force_share_bps=Share(cost.in_force_fen, net_fen).bps,
        draft_breaches=tuple(limit for limit, bps in limits.items() if share.exceeds(bps)),
    )


def _categories(tally: Tally, new: Sums, old: Sums) -> list[CategoryCost]:
    """Return all categories, those first that cost most under either side."""
    nets = _added(month.category_nets for month in tally.months.values())
    found = [
        CategoryCost(category=name, net_fen=net_fen, cost=_compared(new.get(name, 0), old.get(name, 0)))
        for name, net_fen in nets.items()
    ]
    return sorted(found, key=lambda one: (-max(one.cost.draft_fen, one.cost.in_force_fen), one.category))


def _changes(new: Sums, old: Sums) -> list[MemberChange]:
    """Return the members whom the draft gives more or less, who gains most first."""
    found = [
        MemberChange(member_id=name, cost=_compared(new.get(name, 0), old.get(name, 0)))
        for name in new.keys() | old.keys()
        if new.get(name, 0) != old.get(name, 0)
    ]
    return sorted(found, key=lambda one: (-one.cost.difference_fen, one.member_id))


def _compared(draft_fen: int, in_force_fen: int) -> Compared:
    return Compared(draft_fen=draft_fen, in_force_fen=in_force_fen, difference_fen=draft_fen - in_force_fen)


def _sum(costs: Iterable[Compared]) -> Compared:
    costs = list(costs)
    return _compared(sum(one.draft_fen for one in costs), sum(one.in_force_fen for one in costs))


def _added(parts: Iterable[Mapping[str, int]]) -> Sums:
    sums: Sums = defaultdict(int)
    for part in parts:
        for name, value in part.items():
            sums[name] += value
    return sums
