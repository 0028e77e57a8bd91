"""Closing a month over the real stores and the lake: when, for whom, again and again (M19)."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import pytest

from fenxiao.aws.clients import client
from fenxiao.commission import close
from fenxiao.commission.close import MonthCloser, MonthFaultError
from fenxiao.commission.follow import follow, settle
from fenxiao.commission.lake_store import Lake
from fenxiao.commission.month_result import LineState, MonthResult, MonthState, View
from fenxiao.commission.month_store import MonthStore, MonthTakenError
from fenxiao.commission.plan import Settlement, collection_of
from fenxiao.commission.rules import Breaker, RuleSet, Step, TeamBonus
from fenxiao.commission.store import RuleStore
from fenxiao.ledger.model import Journal, Wallet, WalletKey
from fenxiao.ledger.projection import ProjectionStore
from fenxiao.ledger.statement_store import StatementStore
from fenxiao.ledger.store import LedgerStore
from fenxiao.order.contract import RequestRefund
from fenxiao.order.model import Denial, Order
from fenxiao.order.payment import record_payment
from fenxiao.order.refunding import create_refund, record_refund
from fenxiao.relation.model import Standing, StandingChange, Tier, TierChange
from fenxiao.review.decisions import decide
from fenxiao.review.docket import Docket
from fenxiao.review.model import CaseStatus, Reviewer, Verdict
from tests.support.world import NOW, released, rule_set
from tests.unit.order.shopfloor import REVIEW_TIME, ShopFloor

pytestmark = [pytest.mark.usefixtures("tables"), pytest.mark.rule("M19"), pytest.mark.moto]

BUCKET = "lake"
MONTH = "2026-03"
LADDER = (Step(from_fen=10_000, rate_bps=100), Step(from_fen=20_000, rate_bps=300))
TEAM = TeamBonus(steps=(Step(from_fen=15_000, rate_bps=50),))
RULES = rule_set(ladder=LADDER, team_bonus=TEAM)
NOON_OF_THE_2ND = datetime(2026, 4, 2, 4, tzinfo=UTC)
LAST_DAY = date(2026, 3, 31)


@dataclass
class Shop:
    """The shop with the ladder and the team bonus of these rules; D buys under C, B and A."""

    rules: RuleSet = RULES
    floor: ShopFloor = field(default_factory=ShopFloor)
    reconciled: date | None = LAST_DAY
    sold: list[Order] = field(default_factory=list)

    def __post_init__(self) -> None:
        client("s3").create_bucket(Bucket=BUCKET)
        self.versions, self.ledger, self.months = RuleStore(), LedgerStore(self.floor.clock), MonthStore()
        self.versions.publish(released(self.rules))
        self.floor.family()
        self.closer = MonthCloser(
            lake=Lake(BUCKET, self.floor.orders, StatementStore(), self.floor.clock),
            statements=StatementStore(),
            rules=self.versions,
            members=self.floor.members,
            ledger=self.ledger,
            months=self.months,
            docket=Docket(self.floor.cases, self.floor.clock, REVIEW_TIME),
            last_reconciled=lambda: self.reconciled,
            clock=self.floor.clock,
        )

    def sell(self, price_fen: int) -> Order:
        order = self.floor.paid([(self.floor.product(price_fen), 1)])
        self.sold.append(order)
        self.follow(order)
        return order

    def refund(self, order: Order, amount_fen: int) -> None:
        request = RequestRefund(reason="破损", amount_fen=amount_fen)
        refund = create_refund(self.floor.books, order.order_id, f"refund-{amount_fen}", request)
        record_refund(self.floor.books, self.floor.refund_result(refund))
        self.follow(order)

    def follow(self, order: Order) -> None:
        follow(order.order_id, self.floor.orders, self.ledger, self.versions)
        self.project()

    def settle_all(self) -> None:
        for order in self.sold:
            now = self.floor.clock.now()
            self.floor.received(order)
            settle(order.order_id, Settlement(now), self.floor.orders, self.ledger, self.versions)
            self.floor.orders.mark_settled(order.order_id, now)
        self.project()

    def project(self) -> None:
        """Let the read models see everything, as the stream's consumer does."""
        names = [collection_of(order.order_id) for order in self.sold]
        names += [f"bonus#{MONTH}#{member_id}" for member_id in ("MA", "MB", "MC")]
        ProjectionStore().project([journal for name in names for journal in self.ledger.collection(name)])

    def run(self, moment: datetime = NOON_OF_THE_2ND) -> MonthResult | None:
        """Run at a moment, or now if that is over; the read models see what was posted."""
        self.floor.clock.moment = max(moment, self.floor.clock.now())
        self.closer.run()
        self.project()
        return self.months.result(MONTH, View.CLOSE)

    def bonuses(self) -> dict[str, int]:
        """What the books have given each promoter for the month."""
        found = {}
        for member_id in ("MA", "MB", "MC"):
            postings = [posting for journal in self.journals(member_id) for posting in journal.postings]
            found[member_id] = sum(one.amount_fen for one in postings if one.member_id)
        return {member_id: fen for member_id, fen in found.items() if fen}

    def journals(self, member_id: str) -> list[Journal]:
        return self.ledger.collection(f"bonus#{MONTH}#{member_id}")

    def events(self, member_id: str = "MC") -> list[str]:
        return [journal.event for journal in self.journals(member_id)]

    def lines(self, view: View) -> dict[str, tuple[int, int, int, int]]:
        found = {}
        for line in self.months.lines(MONTH, view):
            bonus = line.award.bonus
            figures = (bonus.own_sales_fen, bonus.ladder_fen, bonus.team_sales_fen, bonus.team_bonus_fen)
            found[line.award.promoter_id] = figures
        return found

    def states(self) -> set[LineState]:
        return {line.state for line in self.months.lines(MONTH, View.CLOSE)}


@pytest.fixture
def shop() -> Shop:
    return Shop()


def test_a_month_closes_with_the_bonuses_of_its_net_sales_held(shop: Shop) -> None:
    shop.sell(12_000)
    shop.sell(9_000)
    result = shop.run()
    assert shop.lines(View.CLOSE) == {
        "MC": (21_000, 630, 21_000, 105),
        "MB": (0, 0, 21_000, 105),
        "MA": (0, 0, 21_000, 105),
    }
    assert shop.bonuses() == {"MC": 735, "MB": 105, "MA": 105}
    assert shop.ledger.wallet(WalletKey("MC")).held_fen == 735 + 2_100
    assert result is not None
    assert (result.state, result.on_hold, result.rule_version) == (MonthState.HELD, True, 1)
    assert (result.promoters, result.ladder_fen, result.team_bonus_fen) == (3, 630, 315)


@pytest.mark.parametrize(
    ("moment", "reconciled"),
    [
        (NOON_OF_THE_2ND - timedelta(milliseconds=1), LAST_DAY),
        (NOON_OF_THE_2ND, LAST_DAY - timedelta(days=1)),
        (NOON_OF_THE_2ND, None),
    ],
)
def test_a_month_does_not_close_before_noon_of_the_2nd_nor_before_its_last_day_is_reconciled(
    shop: Shop, moment: datetime, reconciled: date | None
) -> None:
    shop.sell(12_000)
    shop.reconciled = reconciled
    assert shop.run(moment) is None
    shop.reconciled = LAST_DAY
    assert shop.run(NOON_OF_THE_2ND) is not None


def test_closing_again_changes_nothing(shop: Shop) -> None:
    shop.sell(21_000)
    first = shop.run()
    assert first is not None
    for days in (1, 2, 3):
        again = shop.run(NOON_OF_THE_2ND + timedelta(days=days))
        assert again is not None
        assert (again.ladder_fen, again.state) == (first.ladder_fen, first.state)
    assert shop.events() == ["close"]


def test_a_refund_afterwards_adjusts_and_what_falls_to_nothing_is_taken_back_in_full(shop: Shop) -> None:
    order, other = shop.sell(12_000), shop.sell(9_000)
    shop.run()
    shop.refund(other, 2_000)
    shop.run()
    assert shop.bonuses() == {"MC": 190 + 95, "MB": 95, "MA": 95}
    shop.refund(order, 12_000)
    shop.run()
    assert shop.bonuses() == {}
    assert shop.events() == ["close", "adjust#1", "adjust#2"]
    assert shop.lines(View.CLOSE)["MC"] == (0, 0, 0, 0)


def test_a_payment_that_is_heard_of_late_is_part_of_its_month(shop: Shop) -> None:
    shop.sell(12_000)
    shop.run()
    at_the_last_second = datetime(2026, 3, 31, 15, 59, 59, tzinfo=UTC)
    order = shop.floor.place([(shop.floor.product(8_000), 1)])
    now = shop.floor.clock.now()
    shop.floor.clock.moment = at_the_last_second
    late = shop.floor.pays(order)
    shop.floor.clock.moment = now
    shop.sold.append(record_payment(shop.floor.books, late))
    shop.follow(shop.sold[-1])
    shop.run()
    assert shop.bonuses()["MC"] == 600 + 100


def test_a_preview_posts_nothing_and_equals_the_close_that_follows(shop: Shop) -> None:
    shop.sell(12_000)
    shop.sell(9_000)
    shop.run(datetime(2026, 3, 20, 5, tzinfo=UTC))
    preview, previewed = shop.months.result(MONTH, View.PREVIEW), shop.lines(View.PREVIEW)
    assert preview is not None
    assert preview.state is MonthState.PREVIEWED
    assert (shop.bonuses(), shop.lines(View.CLOSE)) == ({}, {})
    closed = shop.run()
    assert closed is not None
    assert shop.lines(View.CLOSE) == previewed
    same = ("promoters", "ladder_fen", "team_bonus_fen", "rule_version", "on_hold")
    assert [getattr(closed, name) for name in same] == [getattr(preview, name) for name in same]


def test_a_preview_follows_what_moves_and_forgets_who_gets_nothing_any_more(shop: Shop) -> None:
    order = shop.sell(15_000)
    shop.closer.preview(MONTH)
    assert set(shop.lines(View.PREVIEW)) == {"MA", "MB", "MC"}
    shop.refund(order, 1_000)
    shop.closer.preview(MONTH)
    assert shop.lines(View.PREVIEW) == {"MC": (14_000, 140, 14_000, 0)}
    assert shop.bonuses() == {}


def test_a_month_settles_when_its_last_hold_has_ended_and_later_figures_move_what_is_free(shop: Shop) -> None:
    order = shop.sell(21_000)
    shop.run()
    shop.settle_all()
    for _ in range(2):
        result = shop.run()
    assert result is not None
    assert (result.state, shop.states()) == (MonthState.SETTLED, {LineState.SETTLED})
    assert shop.events() == ["close", "settle"]
    assert shop.ledger.wallet(WalletKey("MB")) == Wallet(available_fen=105 + 1_050)
    shop.refund(order, 7_000)
    shop.run()
    assert shop.events("MB") == ["close", "settle", "adjust#2"]
    assert shop.ledger.wallet(WalletKey("MB")) == Wallet(available_fen=700)
    assert shop.run() == shop.months.result(MONTH, View.CLOSE)


def test_an_order_with_nothing_left_holds_nothing_up(shop: Shop) -> None:
    shop.sell(21_000)
    shop.settle_all()
    gone = shop.sell(1_000)
    shop.refund(gone, 1_000)
    for _ in range(2):
        result = shop.run()
    assert result is not None
    assert result.state is MonthState.SETTLED


def test_an_order_that_is_marked_settled_after_its_journal_was_seen_holds_nothing_up(shop: Shop) -> None:
    order = shop.sell(21_000)
    shop.floor.received(order)
    settle(order.order_id, Settlement(NOW), shop.floor.orders, shop.ledger, shop.versions)
    shop.project()
    for _ in range(3):
        result = shop.run()
    assert result is not None
    assert result.on_hold
    shop.floor.orders.mark_settled(order.order_id, NOW)
    shop.floor.clock.advance(seconds=1)
    result = shop.run()
    assert result is not None
    assert result.state is MonthState.SETTLED


@pytest.mark.rule("M17")
def test_a_suspended_promoter_is_passed_over_and_paid_after_reinstatement(shop: Shop) -> None:
    shop.sell(21_000)
    shop.settle_all()
    suspend(shop, "MB", Standing.SUSPENDED)
    for _ in range(3):
        result = shop.run()
    assert result is not None
    assert result.state is MonthState.WITHHELD
    assert shop.ledger.wallet(WalletKey("MB")) == Wallet(held_fen=105, available_fen=1_050)
    suspend(shop, "MB", Standing.PROMOTER)
    result = shop.run()
    assert result is not None
    assert (result.state, shop.events("MB")) == (MonthState.SETTLED, ["close", "settle", "release#MB"])


def suspend(shop: Shop, member_id: str, standing: Standing) -> None:
    member = shop.floor.members.get(member_id)
    assert member is not None
    change = StandingChange(since=shop.floor.clock.now(), standing=standing)
    assert shop.floor.members.change_standings(member, (*member.standings, change))


@pytest.mark.rule("M16")
class TestBreaker:
    """17 % of commission and 3 % + 3 × 0.5 % of bonuses are more than 20 % of the sales."""

    @pytest.fixture
    def shop(self) -> Shop:
        shop = Shop(rule_set(ladder=LADDER, team_bonus=TEAM, breaker=Breaker(park_bps=2_000, alarm_bps=3_000)))
        shop.sell(21_000)
        shop.settle_all()
        return shop

    def parked(self, shop: Shop) -> MonthResult:
        for _ in range(3):
            result = shop.run()
        assert result is not None
        assert (result.state, shop.states()) == (MonthState.PARKED, {LineState.HELD})
        return result

    def decide(self, shop: Shop, result: MonthResult, verdict: Verdict) -> None:
        case = shop.floor.cases.file(result.parked_case).case
        assert (case.subject_id, case.status) == (MONTH, CaseStatus.OPEN)
        reviewer = Reviewer(staff_id="S1", person="P1", is_lead=True)
        decide(shop.floor.cases, reviewer, case.case_id, case.round, verdict, "看过了", shop.floor.clock)

    def test_bonuses_beyond_the_limit_wait_for_a_person_who_may_let_them_go(self, shop: Shop) -> None:
        result = self.parked(shop)
        self.decide(shop, result, Verdict.APPROVE)
        after = shop.run()
        assert after is not None
        assert (after.state, after.parked_case) == (MonthState.SETTLED, result.parked_case)
        assert shop.ledger.wallet(WalletKey("MB")) == Wallet(available_fen=105 + 1_050)

    def test_a_rejection_makes_them_nothing_for_good(self, shop: Shop) -> None:
        result = self.parked(shop)
        self.decide(shop, result, Verdict.REJECT)
        for _ in range(4):
            after = shop.run()
        assert after is not None
        assert (after.state, shop.bonuses()) == (MonthState.DENIED, {})
        assert shop.ledger.wallet(WalletKey("MB")) == Wallet(available_fen=1_050)
        shop.closer.preview(MONTH)
        assert shop.lines(View.PREVIEW) == {}
        shop.refund(shop.sold[0], 1)
        assert (shop.run(), shop.bonuses()) == (shop.months.result(MONTH, View.CLOSE), {})

    def test_under_the_limit_nobody_is_asked(self) -> None:
        shop = Shop(rule_set(ladder=LADDER, team_bonus=TEAM, breaker=Breaker(park_bps=2_150, alarm_bps=3_000)))
        shop.sell(21_000)
        shop.settle_all()
        for _ in range(2):
            result = shop.run()
        assert result is not None
        assert (result.state, result.parked_case) == (MonthState.SETTLED, "")


@pytest.mark.rule("M16")
def test_an_order_that_a_case_rejected_counts_nothing_and_holds_nothing_up(shop: Shop) -> None:
    order = shop.sell(9_000)
    shop.floor.orders.deny(order.order_id, Denial(case_id="C1", at=NOW))
    shop.follow(order)
    shop.sold.remove(order)
    shop.sell(12_000)
    shop.settle_all()
    shop.run()
    assert shop.lines(View.CLOSE) == {"MC": (12_000, 120, 12_000, 0)}
    result = shop.run()
    assert result is not None
    assert result.state is MonthState.SETTLED


@pytest.mark.rule("M10")
def test_rules_are_those_in_force_when_the_month_began_and_before_the_first_there_is_nothing() -> None:
    shop = Shop(rule_set(version=1))
    shop.sell(21_000)
    result = shop.run()
    assert result is not None
    assert (result.state, result.rule_version, shop.bonuses()) == (MonthState.SETTLED, 1, {})


def test_only_who_led_when_the_month_began_leads() -> None:
    shop = Shop(rule_set(team_bonus=TeamBonus(steps=TEAM.steps, leader_tiers=(Tier.GOLD,))))
    begins_at = datetime(2026, 2, 28, 16, tzinfo=UTC)
    for member_id, since in (("MC", begins_at + timedelta(seconds=1)), ("MB", begins_at)):
        member = shop.floor.members.get(member_id)
        assert member is not None
        gold = TierChange(since=since, tier=Tier.GOLD, by="S1", reason="业绩")
        shop.floor.members.change_tiers(member, (gold,))
    shop.sell(21_000)
    shop.run()
    assert shop.bonuses() == {"MB": 105}


def test_a_month_that_another_run_is_at_is_left_to_it(shop: Shop) -> None:
    shop.sell(12_000)
    shop.floor.clock.moment = NOON_OF_THE_2ND
    with shop.months.alone(MONTH, View.CLOSE, shop.floor.clock):
        assert shop.run() is None
    with shop.months.alone(MONTH, View.PREVIEW, shop.floor.clock), pytest.raises(MonthTakenError):
        shop.closer.preview(MONTH)
    assert shop.run() is not None


def test_a_fault_of_one_month_does_not_hold_up_the_others(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.sell(12_000)
    shop.floor.clock.moment = NOON_OF_THE_2ND
    real = MonthCloser._revision

    def sick(self: MonthCloser, month: str) -> int:
        if month == "2026-01":
            raise RuntimeError("nobody knows why")
        return real(self, month)

    monkeypatch.setattr(MonthCloser, "_revision", sick)
    with pytest.raises(MonthFaultError, match="2026-01"):
        shop.closer.run()
    assert shop.bonuses()


def test_many_promoters_take_several_transactions_and_pages(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(close, "_LINES_AT_ONCE", 2)
    uplines = [f"MU{number}" for number in range(5)]
    for upline in uplines:
        shop.floor.member(upline)
        buyer = shop.floor.member(f"MV{upline}", upline, standing=Standing.SHOPPER)
        shop.sold.append(shop.floor.paid([(shop.floor.product(10_000), 1)], buyer))
        follow(shop.sold[-1].order_id, shop.floor.orders, shop.ledger, shop.versions)
    shop.project()
    result = shop.run()
    assert result is not None
    assert (result.promoters, result.ladder_fen) == (5, 500)
    assert [len(shop.ledger.collection(f"bonus#{MONTH}#{upline}")) for upline in uplines] == [1] * 5
    first = shop.months.page(MONTH, View.CLOSE, None, 3)
    rest = shop.months.page(MONTH, View.CLOSE, first[-1].award.promoter_id, 3)
    assert [line.award.promoter_id for line in (*first, *rest)] == uplines
