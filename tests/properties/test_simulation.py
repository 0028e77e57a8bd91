"""A simulation gives what posting gives, however its orders are shared out among tasks."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace

from fenxiao.clock import shanghai_month
from fenxiao.commission.lake import LakeOrder, cut, lake_order, orders_in
from fenxiao.commission.month import bonuses, month_sales, month_start
from fenxiao.commission.rules import RuleSet, RuleTerms, SelfPurchase, Step, TeamBonus, in_force, terms_of
from fenxiao.commission.simulate import Tally, merge, simulate
from fenxiao.commission.simulation_result import SimulationResult, leaders, result
from fenxiao.ledger.model import Platform
from fenxiao.order.course import refunded
from fenxiao.order.model import Denial, Order, OrderLine, Refund
from fenxiao.relation.model import Standing, Tier
from tests.support.world import NOW, Books, line, paid_order, refund, rule_set

MOMENTS = [
    datetime(2026, 2, 27, 3, tzinfo=UTC),
    datetime(2026, 2, 28, 16, tzinfo=UTC),
    datetime(2026, 3, 9, tzinfo=UTC),
]
"""Two Shanghai months; the middle one is the very instant at which the second begins."""
CHANGES = [datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 2, 28, 16, tzinfo=UTC), datetime(2026, 3, 5, tzinfo=UTC)]
EXPENSES = (Platform.COMMISSION_EXPENSE, Platform.CAMPAIGN_EXPENSE)
PEOPLE = ("A", "B", "C", "D", "E")

rates = st.lists(st.integers(0, 3_000), max_size=3).map(tuple)
steps = st.sampled_from(
    [(), (Step(from_fen=1, rate_bps=77),), (Step(from_fen=20_000, rate_bps=50), Step(from_fen=200_000, rate_bps=333))]
)


class Sold(Struct, frozen=True):
    """An order, its refunds, and what the order table has of it after them."""

    order: Order
    refunds: list[Refund]
    now: Order

    @property
    def kept(self) -> LakeOrder:
        found = lake_order(self.now)
        assert found
        return found


@st.composite
def rule_sets(draw: st.DrawFn, version: int = 1) -> RuleSet:
    team = draw(steps)
    return rule_set(
        version=version,
        base_bps=draw(rates),
        category_bps={"ware": draw(rates)},
        product_bps={"P2": draw(rates)},
        tier_bps={Tier.GOLD: draw(rates)},
        cap_bps=draw(st.integers(1, 5_000)),
        cashback_bps=draw(st.sampled_from([0, 150])),
        self_purchase=draw(st.sampled_from(SelfPurchase)),
        min_order_fen=draw(st.sampled_from([0, 0, 5_000])),
        ladder=draw(steps),
        team_bonus=TeamBonus(steps=team, leader_tiers=draw(st.sampled_from([(), (Tier.GOLD,)]))) if team else None,
    )


@st.composite
def histories(draw: st.DrawFn) -> tuple[RuleSet, ...]:
    """Versions that took effect one after another; the first payments may come before all of them."""
    begins = draw(st.lists(st.sampled_from(CHANGES), max_size=3, unique=True))
    return tuple(
        replace(draw(rule_sets(number)), effective_from=moment) for number, moment in enumerate(sorted(begins), 1)
    )


@st.composite
def lines(draw: st.DrawFn) -> list[OrderLine]:
    category = st.sampled_from(["tea", "ware", "freight"])
    product = st.sampled_from(["P1", "P2"])
    return [
        line(fen, draw(category), draw(product), is_virtual=draw(st.integers(0, 9)) == 0)
        for fen in draw(st.lists(st.integers(1, 90_000), min_size=1, max_size=4))
    ]


@st.composite
def sales(draw: st.DrawFn, number: int) -> Sold:
    people = draw(st.permutations(PEOPLE))
    chain = people[1 : 1 + draw(st.integers(0, 3))]
    order = paid_order(
        order_id=f"T{number}",
        buyer=people[0],
        chain=chain,
        lines=draw(lines()),
        buyer_standing=draw(st.sampled_from(Standing)),
        standings={name: draw(st.sampled_from([Standing.PROMOTER, *Standing])) for name in chain},
        tiers={name: draw(st.sampled_from(Tier)) for name in people},
        first_order=draw(st.booleans()),
        first_order_only=draw(st.booleans()),
    )
    assert order.payment
    order = replace(
        order,
        payment=replace(order.payment, paid_at=draw(st.sampled_from(MOMENTS))),
        denial=Denial(case_id="C1", at=NOW) if draw(st.integers(0, 9)) == 0 else None,
    )
    refunds, now = [], order
    for attempt in range(draw(st.integers(0, 2))):
        taken = [draw(st.integers(0, one.left_fen)) for one in now.lines]
        refunds.append(refund(order, *taken, refund_id=f"R{attempt}"))
        pending = tuple(replace(one, refund_pending_fen=fen) for one, fen in zip(now.lines, taken, strict=True))
        now = refunded(replace(now, lines=pending), refunds[-1])
    return Sold(order, refunds, now)


@st.composite
def shops(draw: st.DrawFn) -> list[Sold]:
    return [draw(sales(number)) for number in range(draw(st.integers(0, 4)))]


def simulated(sold: Sequence[Sold], draft: RuleTerms, versions: Sequence[RuleSet]) -> SimulationResult:
    return result(simulate((one.kept for one in sold), draft, versions), draft, versions, {})


@pytest.mark.rule("M10", "M12", "M13", "M14", "M16", "M18")
@given(sold=shops(), versions=histories(), draft=rule_sets())
def test_simulation_of_what_was_in_force_costs_what_the_journals_posted(
    sold: list[Sold], versions: tuple[RuleSet, ...], draft: RuleSet
) -> None:
    books, posted = Books(), defaultdict[str, int](int)
    for one in sold:
        assert one.order.payment
        books.follow(one.order, one.refunds, in_force(versions, one.order.payment.paid_at))
    for journals in books.journals.values():
        for posting in (posting for journal in journals for posting in journal.postings):
            posted[posting.member_id or posting.account] += posting.amount_fen
    tally = simulate((one.kept for one in sold), draft, versions)
    expense = -sum(posted.pop(account, 0) for account in EXPENSES)
    assert {name: fen for name, fen in tally.in_force_fens.items() if fen} == {
        name: fen for name, fen in posted.items() if fen
    }
    assert (
        sum(sum(month.in_force.level_fens) + month.in_force.cashback_fen for month in tally.months.values()) == expense
    )
    assert sum(sum(month.in_force.category_fens.values()) for month in tally.months.values()) == expense


@pytest.mark.rule("M19")
@given(
    sold=shops(),
    versions=histories(),
    draft=rule_sets(),
    tiers=st.fixed_dictionaries({name: st.sampled_from(Tier) for name in PEOPLE}),
)
def test_simulation_of_a_month_gives_the_bonuses_of_its_close(
    sold: list[Sold], versions: tuple[RuleSet, ...], draft: RuleSet, tiers: dict[str, Tier]
) -> None:
    tally = simulate((one.kept for one in sold), draft, versions)
    months = {month: {name: tiers[name] for name in names} for month, names in leaders(tally, draft, versions).items()}
    found = result(tally, draft, versions, months)
    ladder, team = [0, 0], [0, 0]
    for month in tally.months:
        orders = [
            (one.kept.sale, one.kept.left_fens)
            for one in sold
            if shanghai_month(one.kept.sale.paid_at) == month and not one.kept.denied
        ]
        for side, rules in enumerate((draft, in_force(versions, month_start(month)))):
            if rules is not None:
                given_by_close = bonuses(month_sales(orders, rules, month_start(month)), rules, tiers).values()
                ladder[side] += sum(bonus.ladder_fen for bonus in given_by_close)
                team[side] += sum(bonus.team_bonus_fen for bonus in given_by_close)
    assert (found.ladder.draft_fen, found.ladder.in_force_fen) == tuple(ladder)
    assert (found.team_bonus.draft_fen, found.team_bonus.in_force_fen) == tuple(team)


@given(data=st.data(), sold=shops(), versions=histories(), draft=rule_sets())
def test_result_is_the_same_bytes_however_the_orders_are_shared_out(
    data: st.DataObject, sold: list[Sold], versions: tuple[RuleSet, ...], draft: RuleSet
) -> None:
    batches: list[list[Sold]] = [[] for _ in range(data.draw(st.integers(1, 4)))]
    for one in data.draw(st.permutations(sold)):
        data.draw(st.sampled_from(batches)).append(one)
    tallies = []
    for batch in batches:
        orders = [order for part in cut(one.kept for one in batch) for order in orders_in(part)]
        tally = simulate(orders, draft, versions)
        tallies.append(msgspec.msgpack.decode(msgspec.msgpack.encode(tally), type=Tally))
    whole = msgspec.json.encode(simulated(sold, draft, versions))
    assert msgspec.json.encode(result(merge(tallies), draft, versions, {})) == whole
    at = data.draw(st.integers(0, len(tallies)))
    nested = merge([merge(tallies[:at]), merge(tallies[at:])])
    assert msgspec.json.encode(result(nested, draft, versions, {})) == whole


@given(sold=shops(), versions=histories(), draft=rule_sets())
def test_parts_of_a_result_add_up(sold: list[Sold], versions: tuple[RuleSet, ...], draft: RuleSet) -> None:
    found = simulated(sold, draft, versions)
    for side in ("draft_fen", "in_force_fen", "difference_fen"):
        total = getattr(found.total.cost, side)
        rewards = getattr(found.ladder, side) + getattr(found.team_bonus, side)
        levels = sum(getattr(one.cost, side) for one in found.levels) + getattr(found.cashback, side)
        assert levels + rewards == total
        categories = sum(getattr(one.cost, side) for one in found.categories) + getattr(found.other_categories, side)
        assert categories + rewards == total
        assert sum(getattr(one.figures.cost, side) for one in found.months) == total
    changes = found.gains + found.losses
    assert sum(one.cost.difference_fen for one in changes) == found.total.cost.difference_fen
    assert sum(one.net_fen for one in found.categories) == found.total.net_fen


@given(sold=shops(), rules=rule_sets())
def test_draft_that_says_what_is_in_force_makes_no_difference(sold: list[Sold], rules: RuleSet) -> None:
    found = simulated(sold, terms_of(rules), (replace(rules, effective_from=NOW - timedelta(days=60)),))
    assert found.total.cost.difference_fen == 0
    assert (found.gains, found.losses) == ((), ())
    assert found.draft_capped == found.in_force_capped
