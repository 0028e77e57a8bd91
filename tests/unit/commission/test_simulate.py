"""What a simulation says, with figures worked out by hand, and that it stays small."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from msgspec.structs import replace

from fenxiao.commission.lake import LakeOrder, lake_order
from fenxiao.commission.rules import Breaker, RuleSet, SelfPurchase, Step, TeamBonus
from fenxiao.commission.simulate import MonthTally, Side, Tally, simulate
from fenxiao.commission.simulation_result import Compared, Limit, SimulationResult, leaders, result
from fenxiao.order.model import Denial, OrderLine
from fenxiao.relation.model import Tier
from tests.support.world import NOW, line, paid_order, rule_set

IN_FORCE = rule_set(base_bps=(1_000, 500, 200))
MAX_ITEM_BYTES = 400 * 1024
"""DynamoDB's limit."""


def kept(
    *paid_fens: int,
    left_fens: tuple[int, ...] | None = None,
    paid_at: datetime = NOW,
    lines: list[OrderLine] | None = None,
    **facts: object,
) -> LakeOrder:
    order = paid_order(*paid_fens, lines=lines, **facts)  # type: ignore[arg-type]
    assert order.payment
    found = lake_order(replace(order, payment=replace(order.payment, paid_at=paid_at)))
    assert found
    return replace(found, left_fens=left_fens) if left_fens else found


def simulated(
    orders: list[LakeOrder],
    draft: RuleSet,
    versions: tuple[RuleSet, ...] = (IN_FORCE,),
    tiers: dict[str, dict[str, Tier]] | None = None,
) -> SimulationResult:
    return result(simulate(orders, draft, versions), draft, versions, tiers or {})


def fens(cost: Compared) -> tuple[int, int, int]:
    return cost.draft_fen, cost.in_force_fen, cost.difference_fen


@pytest.mark.rule("M14")
def test_cost_by_level_and_category_and_what_the_cap_cuts() -> None:
    orders = [
        kept(lines=[line(10_000), line(5_000, "ware")], left_fens=(10_000, 2_000)),
        kept(1_000, chain=("B",), order_id="T2"),
    ]
    found = simulated(orders, rule_set(base_bps=(1_200, 500, 200), cap_bps=1_500, category_bps={"ware": (300,)}))
    # Tea, 10 000: 1 200 + 500 + 200 = 1 900, cap 1 500, so 947 + 394 + 157. Ware, 2 000: 60. The second order: 120.
    assert [fens(one.cost) for one in found.levels] == [
        (947 + 60 + 120, 1_000 + 200 + 100, -173),
        (394, 500 + 100, -206),
        (157, 200 + 40, -83),
    ]
    assert [(one.category, one.net_fen, fens(one.cost)) for one in found.categories] == [
        ("tea", 11_000, (1_618, 1_800, -182)),
        ("ware", 2_000, (60, 340, -280)),
    ]
    assert (found.total.orders, found.total.gmv_fen, found.total.net_fen) == (2, 16_000, 13_000)
    assert fens(found.total.cost) == (1_678, 2_140, -462)
    assert (found.total.draft_share_bps, found.total.in_force_share_bps) == (1_291, 1_647)
    assert msgspec.structs.astuple(found.draft_capped) == (1, 1, 1_900 - 1_498)
    assert msgspec.structs.astuple(found.in_force_capped) == (0, 0, 0)
    assert [(one.member_id, one.cost.difference_fen) for one in found.losses] == [("C", -193), ("B", -186), ("A", -83)]
    assert (found.gaining_members, found.losing_members) == (0, 3)


@pytest.mark.rule("M10")
def test_each_order_is_compared_with_the_version_in_force_when_it_was_paid() -> None:
    later = replace(rule_set(base_bps=(2_000,), version=2), effective_from=NOW)
    orders = [kept(10_000, paid_at=NOW - timedelta(seconds=1)), kept(10_000, order_id="T2")]
    found = simulated(orders, rule_set(base_bps=(1_000,)), (IN_FORCE, later))
    assert fens(found.total.cost) == (2_000, 1_700 + 2_000, -1_700)
    before_all = kept(10_000, paid_at=IN_FORCE.effective_from - timedelta(days=1))
    assert fens(simulated([before_all], rule_set(base_bps=(1_000,))).total.cost) == (1_000, 0, 1_000)


def test_months_are_those_of_shanghai() -> None:
    eve = datetime(2026, 2, 28, 16, tzinfo=UTC)
    orders = [kept(10_000, paid_at=eve - timedelta(seconds=1)), kept(20_000, paid_at=eve)]
    found = simulated(orders, rule_set(base_bps=(1_000,)))
    assert [(one.month, one.figures.net_fen, one.figures.cost.draft_fen) for one in found.months] == [
        ("2026-02", 10_000, 1_000),
        ("2026-03", 20_000, 2_000),
    ]


@pytest.mark.rule("M16")
@pytest.mark.parametrize(
    ("rate_bps", "breaches"),
    [(2_000, ()), (2_001, (Limit.GOOD,)), (2_500, (Limit.GOOD,)), (2_501, (Limit.GOOD, Limit.PARK))],
)
def test_limits_that_the_share_of_net_sales_is_above(rate_bps: int, breaches: tuple[Limit, ...]) -> None:
    draft = rule_set(base_bps=(rate_bps,), breaker=Breaker(park_bps=2_500, alarm_bps=3_000))
    found = simulated([kept(1_000_000, left_fens=(100_000,))], draft)
    assert found.total.draft_breaches == breaches
    assert found.months[0].figures.draft_breaches == breaches
    assert found.total.draft_share_bps == rate_bps


def test_cost_on_no_sales_is_above_every_limit() -> None:
    found = result(Tally({"2026-03": MonthTally(orders=1, draft=Side(level_fens=[1, 0, 0]))}), IN_FORCE, (), {})
    assert found.total.draft_breaches == (Limit.GOOD, Limit.ALARM, Limit.PARK)


@pytest.mark.rule("M16")
def test_nobody_earns_on_an_order_whose_commissions_were_rejected() -> None:
    denied = lake_order(replace(paid_order(10_000), denial=Denial(case_id="C1", at=NOW)))
    assert denied
    found = simulated([denied], rule_set(base_bps=(2_000,)))
    assert (found.total.net_fen, fens(found.total.cost)) == (10_000, (0, 0, 0))


@pytest.mark.rule("M18")
def test_cashback_counts_for_the_buyer_and_its_category() -> None:
    found = simulated([kept(10_000)], rule_set(base_bps=(1_000, 500, 200), cashback_bps=300))
    assert fens(found.cashback) == (300, 0, 300)
    assert found.categories[0].cost.difference_fen == 300
    assert [(one.member_id, fens(one.cost)) for one in found.gains] == [("D", (300, 0, 300))]


@pytest.mark.rule("M19")
@pytest.mark.parametrize("purchase", list(SelfPurchase))
def test_ladder_and_team_bonus_of_both_sides(purchase: SelfPurchase) -> None:
    """Whether both sides take their bonuses of the same net sales or not, the figures are the same here."""
    team = TeamBonus(steps=(Step(from_fen=10_000, rate_bps=100),), leader_tiers=(Tier.GOLD,))
    draft = rule_set(base_bps=(1_000, 500, 200), ladder=(Step(from_fen=1, rate_bps=200),), self_purchase=purchase)
    old = replace(IN_FORCE, ladder=(Step(from_fen=20_000, rate_bps=300),), team_bonus=team)
    orders = [kept(10_000), kept(10_000, chain=("C",), order_id="T2")]
    tally = simulate(orders, draft, (old,))
    assert leaders(tally, draft, (old,)) == {"2026-03": {"A", "B", "C"}}
    found = result(tally, draft, (old,), {"2026-03": {"A": Tier.GOLD, "B": Tier.SILVER}})
    assert fens(found.ladder) == (400, 600, -200), "C is level 1 of both"
    assert fens(found.team_bonus) == (0, 100, -100), "A led 10 000 fen of sales as a gold promoter"
    assert [(one.member_id, one.cost.difference_fen) for one in found.losses] == [("C", -200), ("A", -100)]


def test_no_orders_say_nothing() -> None:
    found = simulated([], rule_set())
    assert (found.total.orders, found.total.draft_share_bps, found.months, found.categories) == (0, 0, (), ())


def test_result_names_the_greatest_and_stays_far_below_the_limit_of_an_item() -> None:
    orders = [
        kept(
            lines=[line(100 * number + 100, f"类目{number:04d}" + "长" * 56)],
            chain=(f"M{number:026d}",),
            order_id=f"T{number}",
            paid_at=NOW - timedelta(days=number % 400),
        )
        for number in range(500)
    ]
    versions = (replace(rule_set(base_bps=(1_000,)), effective_from=NOW - timedelta(days=900)),)
    found = simulated(orders, rule_set(base_bps=(2_000,)), versions)
    assert len(found.categories) == 100
    assert found.categories[0].category.startswith("类目0499")
    assert fens(found.other_categories) == (20 * 80_200, 10 * 80_200, 10 * 80_200), "100 + 200 + … + 40 000 fen"
    assert [one.member_id[-3:] for one in found.gains] == [f"{number}" for number in range(499, 479, -1)]
    assert (found.gaining_members, found.losing_members, found.losses) == (500, 0, ())
    assert len(msgspec.json.encode(found)) < MAX_ITEM_BYTES // 4
