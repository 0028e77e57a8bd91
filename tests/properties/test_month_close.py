"""Bonuses of a month: right at the edges of the steps, the same fen in whatever order events and closes come (M19)."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace

from fenxiao.commission.month import NOTHING, Bonus, Turnover, bonuses, merge, month_sales, month_start
from fenxiao.commission.month_plan import Award, plan_award
from fenxiao.commission.plan import Settlement
from fenxiao.commission.rules import RuleSet, SelfPurchase, Step, TeamBonus, step_rate_bps
from fenxiao.commission.sale import Sale, sale_of
from fenxiao.ledger.apply import apply
from fenxiao.ledger.model import Bucket, Journal, Wallet, WalletKey
from fenxiao.relation.model import Standing, Tier
from tests.support.world import NOW, line, paid_order, rule_set

pytestmark = pytest.mark.rule("M19")

MONTH = "2026-03"
BEGINS_AT = month_start(MONTH)
PEOPLE = ("A", "B", "C")

tier_tables = st.fixed_dictionaries({name: st.sampled_from(Tier) for name in PEOPLE})


class Paid(Struct):
    """An order and what is left of its lines."""

    sale: Sale
    left: list[int]


@st.composite
def step_lists(draw: st.DrawFn) -> tuple[Step, ...]:
    edges = sorted(draw(st.sets(st.integers(1, 3_000), min_size=1, max_size=4)))
    rates = sorted(draw(st.sets(st.integers(1, 2_000), min_size=len(edges), max_size=len(edges))))
    return tuple(Step(from_fen=edge, rate_bps=rate) for edge, rate in zip(edges, rates, strict=True))


@st.composite
def month_rules(draw: st.DrawFn) -> RuleSet:
    return rule_set(
        ladder=draw(step_lists() | st.just(())),
        team_bonus=TeamBonus(steps=draw(step_lists())),
        self_purchase=draw(st.sampled_from(SelfPurchase)),
        min_order_fen=draw(st.sampled_from([0, 0, 400])),
    )


@st.composite
def sales(draw: st.DrawFn) -> list[Paid]:
    """Orders with chains of every length, in which places expire, are suspended, or came to be within the month."""
    found = []
    for number in range(draw(st.integers(1, 5))):
        paid = draw(st.lists(st.integers(1, 1_000), min_size=1, max_size=3))
        lines = [line(fen, draw(st.sampled_from(["tea", "freight"]))) for fen in paid]
        people = draw(st.permutations(PEOPLE))[: draw(st.integers(0, 3))]
        order = paid_order(
            chain=people,
            lines=lines,
            order_id=f"T{number}",
            buyer="D",
            buyer_standing=draw(st.sampled_from(Standing)),
            standings={name: draw(st.sampled_from(Standing)) for name in people},
        )
        sale = sale_of(order)
        since = [draw(st.sampled_from([None, BEGINS_AT, BEGINS_AT + timedelta(seconds=1)])) for _ in people]
        counts = [draw(st.booleans()) for _ in people]
        chain = tuple(
            replace(place, since=when, counts=valid)
            for place, when, valid in zip(sale.chain, since, counts, strict=True)
        )
        found.append(Paid(replace(sale, chain=chain), list(paid)))
    return found


def figures(orders: Sequence[Paid], rules: RuleSet) -> dict[str, Bonus]:
    return bonuses(month_sales(((one.sale, one.left) for one in orders), rules, BEGINS_AT), rules, {})


class Month:
    """The books of a month's bonuses, in memory, over the real planning and applying."""

    def __init__(self, rules: RuleSet) -> None:
        self.rules = rules
        self.journals: dict[str, list[Journal]] = {}
        self.wallets: dict[WalletKey, Wallet] = {}

    def close(self, orders: Sequence[Paid], *, settled: bool = False, withheld: frozenset[str] = frozenset()) -> int:
        """Bring the books to what the orders give to all who ever had any; return how many entries that took."""
        found = figures(orders, self.rules)
        settlement = Settlement(NOW, withheld) if settled else None
        posted = 0
        for promoter_id in sorted({*found, *self.journals}):
            award = Award(
                month=MONTH,
                promoter_id=promoter_id,
                bonus=found.get(promoter_id, NOTHING),
                rule_version=self.rules.version,
            )
            collection = self.journals.setdefault(promoter_id, [])
            entries = plan_award(award, collection, NOW, settlement)
            keys = {move.wallet for entry in entries for move in entry.movements}
            journals, changes = apply(entries, {key: self.wallets.get(key, Wallet()) for key in keys}, NOW)
            collection += journals
            self.wallets |= {key: change.after for key, change in changes.items()}
            posted += len(entries)
        return posted

    def given(self, promoter_id: str, account: str | None = None) -> int:
        return sum(
            posting.amount_fen
            for journal in self.journals.get(promoter_id, [])
            for posting in journal.postings
            if posting.member_id == promoter_id and account in (None, posting.account)
        )


@given(data=st.data(), orders=sales(), rules=month_rules())
def test_closes_among_events_in_any_order_end_at_the_one_close_at_the_end(
    data: st.DataObject, orders: list[Paid], rules: RuleSet
) -> None:
    month, known, settled, suspended = Month(rules), list[Paid](), False, frozenset[str]()
    late = data.draw(st.permutations(orders))
    for _ in range(data.draw(st.integers(1, 12))):
        match data.draw(st.sampled_from(["learn", "refund", "close", "suspend", "settle"])):
            case "learn" if late:
                known.append(late.pop())
            case "refund" if known:
                one = data.draw(st.sampled_from(known))
                index = data.draw(st.integers(0, len(one.left) - 1))
                one.left[index] -= data.draw(st.integers(0, one.left[index]))
            case "suspend":
                suspended = frozenset(data.draw(st.sets(st.sampled_from(PEOPLE))))
            case "settle":
                settled = True
                month.close(known, settled=True, withheld=suspended)
            case _:
                month.close(known, settled=settled, withheld=suspended)
    known += late
    month.close(known, settled=True)
    assert month.close(known, settled=True) == 0, "closing again changes nothing"
    right = figures(known, rules)
    for promoter_id in (*PEOPLE, "D"):
        assert month.given(promoter_id) == right.get(promoter_id, NOTHING).total_fen
        assert month.given(promoter_id, Bucket.HELD) == 0
        wallet = month.wallets.get(WalletKey(promoter_id), Wallet())
        assert min(wallet.held_fen, wallet.available_fen, wallet.debt_fen) >= 0
    assert all(
        sum(one.amount_fen for one in journal.postings) == 0 for some in month.journals.values() for journal in some
    )


@given(orders=sales(), rules=month_rules(), cut=st.integers(0, 5))
def test_sales_of_parts_of_a_month_add_up_to_those_of_the_whole(orders: list[Paid], rules: RuleSet, cut: int) -> None:
    parts = [
        month_sales(((one.sale, one.left) for one in part), rules, BEGINS_AT) for part in (orders[:cut], orders[cut:])
    ]
    whole = month_sales(((one.sale, one.left) for one in orders), rules, BEGINS_AT)
    assert merge(parts) == whole


@given(steps=step_lists(), data=st.data())
def test_ladder_at_its_edges(steps: tuple[Step, ...], data: st.DataObject) -> None:
    """Just below an edge the step before pays, from the edge on the step itself, for the whole month's sales."""
    index = data.draw(st.integers(0, len(steps) - 1))
    edge = steps[index].from_fen
    below_bps = steps[index - 1].rate_bps if index else 0
    for sales_fen, rate_bps in ((edge - 1, below_bps), (edge, steps[index].rate_bps)):
        assert step_rate_bps(steps, sales_fen) == rate_bps
        found = bonuses({"C": Turnover(own_fen=sales_fen)}, rule_set(ladder=steps), {})
        assert found.get("C", NOTHING).ladder_fen == sales_fen * rate_bps // 10_000


@given(steps=step_lists(), data=st.data())
def test_refunds_that_cross_an_edge_and_sales_that_cross_it_back_move_exactly_the_difference(
    steps: tuple[Step, ...], data: st.DataObject
) -> None:
    edge = data.draw(st.sampled_from(steps)).from_fen
    rules = rule_set(ladder=steps)
    month = Month(rules)
    sale, other = sale_of(paid_order(edge, chain=("C",))), sale_of(paid_order(1, chain=("C",), order_id="T2"))
    at_the_edge, one_less, back_again = [Paid(sale, [edge])], [Paid(sale, [edge - 1])], [Paid(other, [1])]
    for orders in (at_the_edge, one_less, one_less + back_again):
        month.close(orders)
        assert month.given("C") == figures(orders, rules).get("C", NOTHING).total_fen
    assert month.given("C") == edge * step_rate_bps(steps, edge) // 10_000, "back over the edge, back at its bonus"


@given(orders=sales(), rules=month_rules())
def test_team_sales_are_those_of_the_levels_that_count_and_were_there_when_the_month_began(
    orders: list[Paid], rules: RuleSet
) -> None:
    """Said in other words: a place earns for its team if it is valid, a promoter's, within reach, and old enough."""
    sums = dict.fromkeys(PEOPLE, 0)
    for one in orders:
        goods = [fen for place, fen in zip(one.sale.lines, one.left, strict=True) if place.category == "tea"]
        moved = rules.self_purchase is SelfPurchase.LEVEL_1 and one.sale.buyer.standing is Standing.PROMOTER
        for place in one.sale.chain[: 2 if moved else 3]:
            old = place.since is None or place.since <= BEGINS_AT
            if sum(goods) >= rules.min_order_fen and place.counts and place.standing is Standing.PROMOTER and old:
                sums[place.member_id] += sum(goods)
    found = month_sales(((one.sale, one.left) for one in orders), rules, BEGINS_AT)
    assert {name: found.get(name, Turnover()).team_fen for name in PEOPLE} == sums


@given(
    orders=sales(), rules=month_rules(), tiers=st.fixed_dictionaries({name: st.sampled_from(Tier) for name in PEOPLE})
)
def test_only_leaders_of_the_named_tiers_get_the_team_bonus(
    orders: list[Paid], rules: RuleSet, tiers: dict[str, Tier]
) -> None:
    assert rules.team_bonus
    gold = replace(rules, team_bonus=replace(rules.team_bonus, leader_tiers=(Tier.GOLD, Tier.DIAMOND)))
    turnover = month_sales(((one.sale, one.left) for one in orders), rules, BEGINS_AT)
    everybody, leaders = bonuses(turnover, rules, tiers), bonuses(turnover, gold, tiers)
    for name in PEOPLE:
        one, other = everybody.get(name, NOTHING), leaders.get(name, NOTHING)
        assert other.ladder_fen == one.ladder_fen
        assert other.team_bonus_fen == (one.team_bonus_fen if tiers[name] in (Tier.GOLD, Tier.DIAMOND) else 0)
