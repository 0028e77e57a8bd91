"""Whose sales count for whose month: the own level, the team as of the 1st, and what an order must be (M19)."""

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from fenxiao.commission.month import (
    Turnover,
    bonuses,
    month_after,
    month_sales,
    month_start,
    possible_leaders,
)
from fenxiao.commission.rules import RuleSet, SelfPurchase, Step, TeamBonus
from fenxiao.commission.sale import Sale, sale_of
from fenxiao.relation.model import Standing, Tier
from tests.support.world import line, paid_order, rule_set

pytestmark = pytest.mark.rule("M19")

BEGINS_AT = month_start("2026-03")
RULES = rule_set()


def turnover(sale: Sale, *left_fens: int, rules: RuleSet = RULES) -> dict[str, Turnover]:
    return month_sales([(sale, left_fens)], rules, BEGINS_AT)


def with_since(sale: Sale, **since: datetime | None) -> Sale:
    return replace(sale, chain=tuple(replace(place, since=since[place.member_id]) for place in sale.chain))


def test_a_month_begins_at_midnight_in_shanghai() -> None:
    assert datetime(2026, 2, 28, 16, tzinfo=UTC) == BEGINS_AT


@pytest.mark.parametrize("text", ["2026-13", "2026-00", "2026", "2026-03-01", "march"])
def test_what_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        month_start(text)


@pytest.mark.parametrize(
    ("month", "count", "there"),
    [("2026-12", 1, "2027-01"), ("2026-01", -1, "2025-12"), ("2026-03", -14, "2025-01"), ("2026-03", 0, "2026-03")],
)
def test_months_follow_each_other(month: str, count: int, there: str) -> None:
    assert month_after(month, count) == there


def test_a_sale_counts_for_the_first_level_and_for_the_teams_of_all() -> None:
    assert turnover(sale_of(paid_order(10_000)), 7_000) == {
        "C": Turnover(own_fen=7_000, team_fen=7_000),
        "B": Turnover(team_fen=7_000),
        "A": Turnover(team_fen=7_000),
    }


def test_a_team_is_what_it_was_when_the_month_began() -> None:
    later = BEGINS_AT + timedelta(milliseconds=1)
    sale = with_since(sale_of(paid_order(10_000)), C=BEGINS_AT, B=later, A=later)
    assert turnover(sale, 10_000) == {"C": Turnover(own_fen=10_000, team_fen=10_000), "B": Turnover(), "A": Turnover()}


def test_who_came_within_the_month_still_sells_on_their_own_account() -> None:
    later = BEGINS_AT + timedelta(days=3)
    sale = with_since(sale_of(paid_order(10_000, chain=("C",))), C=later)
    assert turnover(sale, 10_000) == {"C": Turnover(own_fen=10_000)}


def test_a_chain_that_does_not_say_since_when_it_is_there_counts() -> None:
    sale = with_since(sale_of(paid_order(10_000, chain=("C",))), C=None)
    assert turnover(sale, 10_000)["C"].team_fen == 10_000


def test_nobody_moves_up_into_a_place_that_earns_nothing() -> None:
    order = paid_order(10_000, standings={"C": Standing.SUSPENDED})
    assert turnover(sale_of(order), 10_000) == {"B": Turnover(team_fen=10_000), "A": Turnover(team_fen=10_000)}


def test_a_purchase_of_ones_own_counts_as_ones_own_and_for_the_teams_above_but_not_for_ones_own_team() -> None:
    rules = rule_set(self_purchase=SelfPurchase.LEVEL_1)
    order = paid_order(10_000, buyer_standing=Standing.PROMOTER)
    assert turnover(sale_of(order), 10_000, rules=rules) == {
        "D": Turnover(own_fen=10_000),
        "C": Turnover(team_fen=10_000),
        "B": Turnover(team_fen=10_000),
    }


@pytest.mark.rule("M12")
def test_freight_and_virtual_goods_count_nothing() -> None:
    lines = [line(5_000), line(700, "freight"), line(900, is_virtual=True)]
    sale = sale_of(paid_order(lines=lines, chain=("C",)))
    assert turnover(sale, 5_000, 700, 900)["C"].own_fen == 5_000
    assert turnover(sale, 0, 700, 900) == {}


@pytest.mark.rule("M14")
@pytest.mark.parametrize(("left_fen", "counted"), [(4_999, 0), (5_000, 5_000)])
def test_an_order_below_the_minimum_counts_nothing(left_fen: int, counted: int) -> None:
    rules = rule_set(min_order_fen=5_000)
    found = turnover(sale_of(paid_order(8_000, chain=("C",))), left_fen, rules=rules)
    assert found.get("C", Turnover()).own_fen == counted


def test_a_chain_that_counts_only_on_the_first_order_does_so_here_too() -> None:
    assert turnover(sale_of(paid_order(10_000, first_order=False, first_order_only=True)), 10_000) == {}


def test_the_whole_month_earns_the_rate_of_the_highest_step() -> None:
    steps = (Step(from_fen=10_000, rate_bps=100), Step(from_fen=20_000, rate_bps=300))
    rules = rule_set(ladder=steps, team_bonus=TeamBonus(steps=(Step(from_fen=20_001, rate_bps=50),)))
    found = bonuses({"C": Turnover(own_fen=20_033, team_fen=20_001), "B": Turnover(own_fen=9_999)}, rules, {})
    assert set(found) == {"C"}
    assert (found["C"].ladder_fen, found["C"].team_bonus_fen, found["C"].total_fen) == (600, 100, 700)


def test_tiers_are_asked_for_only_where_they_decide() -> None:
    sales = {"C": Turnover(team_fen=10_000), "B": Turnover(team_fen=9_999)}
    team = TeamBonus(steps=(Step(from_fen=10_000, rate_bps=100),), leader_tiers=(Tier.GOLD,))
    assert possible_leaders(sales, rule_set(team_bonus=team)) == ["C"]
    assert possible_leaders(sales, rule_set(team_bonus=replace(team, leader_tiers=()))) == []
    assert possible_leaders(sales, rule_set()) == []
