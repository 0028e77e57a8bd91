"""The period breaker: when a month's commissions wait for a person, and what the person's word does (M16)."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from fenxiao.commission.breaker import Answer, Share, answer, share_of
from fenxiao.commission.parking import Gate
from fenxiao.commission.rules import Breaker
from fenxiao.ledger.model import TaxClass, Wallet
from fenxiao.ledger.statement_store import StatementStore
from fenxiao.order.items import refund_item
from fenxiao.order.model import OrderStatus
from fenxiao.relation.model import Standing
from fenxiao.review.decisions import look_after
from fenxiao.review.model import CaseStatus, Verdict
from tests.support.world import NOW, refund, rule_set
from tests.unit.commission.settling import Till
from tests.unit.order.shopfloor import REVIEW_TIME

pytestmark = pytest.mark.rule("M16")

MONTH = "2026-03"
LIMITS = Breaker(park_bps=1_000, alarm_bps=2_000)


# --- the question


@pytest.mark.parametrize(
    ("share", "exceeds"),
    [
        (Share(1_000, 10_000), False),
        (Share(1_001, 10_000), True),
        (Share(1, 9), True),
        (Share(10_001, 100_000), True),
        (Share(0, 0), False),
        (Share(1, 0), True),
        (Share(-5, 0), False),
    ],
)
def test_share_is_compared_to_the_fen(share: Share, exceeds: bool) -> None:  # noqa: FBT001 - a parameter of the case
    assert share.exceeds(1_000) is exceeds
    assert (share.bps > 1_000) is exceeds, "what the reviewer sees says the same"


def test_share_is_net_commission_cashback_and_bonuses_of_net_sales() -> None:
    first = {"sales_fen": 10_000, "refunds_fen": 2_000, "commission_fen": 900, "cashback_fen": 100, "orders": 1}
    second = {"sales_fen": 500, "refunds_fen": 0, "commission_fen": -100, "cashback_fen": 0, "orders": 1}
    assert share_of([first, second]) == Share(900, 8_500)
    assert share_of([]) == Share(0, 0)


@pytest.mark.parametrize("share", [Share(0, 10_000), Share(5_000, 10_000)])
@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (CaseStatus.OPEN, Answer.WAIT),
        (CaseStatus.APPROVED, Answer.SETTLE),
        (CaseStatus.REJECTED, Answer.DENY),
        (CaseStatus.EXPIRED, Answer.PARK),
    ],
)
def test_once_parked_only_a_person_decides_whatever_the_share(
    status: CaseStatus, share: Share, expected: Answer
) -> None:
    assert answer(status, share, LIMITS) is expected


def test_who_is_not_parked_is_asked_by_the_share_alone() -> None:
    assert answer(None, Share(1_000, 10_000), LIMITS) is Answer.SETTLE
    assert answer(None, Share(1_001, 10_000), LIMITS) is Answer.PARK


# --- at settlement: C, B and A get 17 % of each order


@pytest.fixture
def till(tables: None) -> Till:
    return Till(rule_set(breaker=LIMITS))


def test_commissions_above_the_limit_stay_held_under_the_months_case(till: Till) -> None:
    orders = [till.received(), till.received()]
    assert till.run(days=7) == 0
    (case,) = till.cases("commission_breaker")
    assert (case.subject_id, case.required_approvals) == (MONTH, 1)
    assert case.facts == {
        "month": MONTH,
        "share_bps": 1_700,
        "park_bps": 1_000,
        "commission_fen": 3_400,
        "sales_fen": 20_000,
    }
    for order in orders:
        assert till.events(order.order_id) == ["earn"], "no amount is changed"
        after = till.order(order.order_id)
        assert (after.parked_case, after.status) == (case.case_id, OrderStatus.RECEIVED)
    assert till.wallet("MC") == Wallet(held_fen=2_000)


def test_parked_orders_are_looked_at_every_hour_and_join_no_second_case(till: Till) -> None:
    till.received()
    till.run(days=7)
    version = till.order(till.due()[0].order_id).version
    till.run()
    till.run(minutes=59)
    (waiting,) = till.due()
    assert till.order(waiting.order_id).version == version
    till.run(hours=1)
    assert till.due()[0].at > waiting.at
    assert len(till.cases("commission_breaker")) == 1


def test_approval_settles_without_asking_again(till: Till) -> None:
    order = till.received()
    till.run(days=7)
    till.decide(till.order(order.order_id).parked_case, Verdict.APPROVE)
    assert till.run(hours=1) == 0
    assert till.events(order.order_id) == ["earn", "settle"]
    assert till.wallet("MC") == Wallet(available_fen=1_000)
    assert till.order(order.order_id).status is OrderStatus.SETTLED
    assert till.due() == []


def test_what_falls_due_after_a_decision_is_a_question_of_its_own(till: Till) -> None:
    first, second = till.received(), till.received()
    till.clock.advance(days=7)
    till.orders.set_due(next(due for due in till.due() if due.order_id == second.order_id), None, None)
    till.run()
    till.decide(till.order(first.order_id).parked_case, Verdict.APPROVE)
    third = till.received()
    till.run(days=7)
    assert till.order(first.order_id).status is OrderStatus.SETTLED
    parked = till.order(third.order_id).parked_case
    assert parked not in {"", till.order(first.order_id).parked_case}
    assert [case.case_id for case in till.cases("commission_breaker")] == [parked]


def test_rejection_makes_the_target_nothing(till: Till) -> None:
    order = till.received()
    till.run(days=7)
    case_id = till.order(order.order_id).parked_case
    till.decide(case_id, Verdict.REJECT)
    for _ in range(2):
        assert till.run(hours=1) == 0
    assert till.events(order.order_id) == ["earn", "deny", "settle"]
    denial = till.order(order.order_id).denial
    assert denial is not None
    assert denial.case_id == case_id
    for member_id in ("MA", "MB", "MC"):
        assert till.wallet(member_id) == Wallet()
    assert till.due() == []
    refund_item(refund(order, 5_000)).save()
    till.post(order.order_id)
    assert till.journals(order.order_id)[-1].postings == (), "a later refund takes nothing more"
    figures = StatementStore().paid_days(MONTH)
    assert [(day["sales_fen"], day["refunds_fen"], day["commission_fen"]) for day in figures.values()] == [
        (10_000, 5_000, 0)
    ]


def test_case_that_nobody_decides_is_followed_by_another(till: Till) -> None:
    order = till.received()
    till.run(days=7)
    first = till.order(order.order_id).parked_case
    for _ in range(2):
        till.clock.advance(hours=48)
        look_after(till.docket.cases, first, till.clock.now(), REVIEW_TIME, lambda *_: None)
    assert till.docket.cases.file(first).case.status is CaseStatus.EXPIRED
    till.run()
    second = till.order(order.order_id).parked_case
    assert [case.case_id for case in till.cases("commission_breaker")] == [second] != [first]
    assert till.wallet("MC") == Wallet(held_fen=1_000)
    till.decide(second, Verdict.APPROVE)
    till.run(hours=1)
    assert till.wallet("MC") == Wallet(available_fen=1_000)


def test_cashback_and_bonuses_count_and_cashback_waits_too(tables: None) -> None:
    till = Till(rule_set(base_bps=(900,), cashback_bps=200, breaker=LIMITS))
    order = till.received()
    till.run(days=7)
    assert till.order(order.order_id).parked_case
    assert till.cases("commission_breaker")[0].facts["commission_fen"] == 1_100
    assert till.wallet("MD", TaxClass.REBATE) == Wallet(held_fen=200)


def test_share_up_to_the_limit_settles(tables: None) -> None:
    till = Till(rule_set(breaker=Breaker(park_bps=1_700, alarm_bps=1_700)))
    order = till.received()
    till.run(days=7)
    assert till.order(order.order_id).status is OrderStatus.SETTLED
    assert till.cases("commission_breaker") == []


def test_order_that_has_nothing_to_settle_opens_no_case(till: Till) -> None:
    till.received()
    nothing = till.received()
    refund_item(refund(nothing, 10_000)).save()
    till.post(nothing.order_id)
    till.run(days=7)
    assert till.order(nothing.order_id).status is OrderStatus.SETTLED
    assert till.order(nothing.order_id).parked_case == ""


def test_earning_that_was_missed_does_not_slip_past_the_breaker(till: Till) -> None:
    till.received()
    missed = till.received(posted=False)
    till.run(days=7)
    assert till.events(missed.order_id) == ["earn"]
    assert till.order(missed.order_id).parked_case


def test_what_was_settled_is_released_without_asking(tables: None) -> None:
    """A month that is below the limit at settlement, and above it when a suspended promoter is reinstated."""
    limits = Breaker(park_bps=1_700, alarm_bps=1_700)
    generous = replace(rule_set(version=2, base_bps=(4_000,)), effective_from=NOW + timedelta(days=1))
    till = Till(rule_set(breaker=limits), generous)
    order = till.received()
    till.set_standing("MC", Standing.SUSPENDED)
    till.run(days=7)
    assert (till.wallet("MC"), till.wallet("MB")) == (Wallet(held_fen=1_000), Wallet(available_fen=500))
    till.set_standing("MC", Standing.PROMOTER)
    till.received()
    assert Gate(StatementStore(), till.docket).ask(MONTH, limits) is Answer.PARK
    till.run(days=1)
    assert till.wallet("MC").available_fen == 1_000
    assert till.order(order.order_id).parked_case == ""


def test_settlement_that_was_not_noted_is_not_parked(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process stops after the settlement, which passed a suspended promoter over; then the share is too high."""
    order = till.received(posted=False)
    till.set_standing("MC", Standing.SUSPENDED)

    def crash(*_: object) -> None:
        raise ConnectionError

    with monkeypatch.context() as patched:
        patched.setattr(type(till.orders), "mark_settled", crash)
        assert till.run(days=7) == 1
    till.project(order.order_id)
    till.run(minutes=15)
    assert till.events(order.order_id) == ["earn", "settle"]
    after = till.order(order.order_id)
    assert (after.parked_case, after.status) == ("", OrderStatus.SETTLED)


def test_order_that_one_run_settled_while_another_parked_it_stays_settled(till: Till) -> None:
    order = till.received(posted=False)
    till.set_standing("MC", Standing.SUSPENDED)
    till.run(days=7)
    till.project(order.order_id)
    case_id = Gate(StatementStore(), till.docket).park(MONTH, LIMITS)
    till.orders.park(order.order_id, case_id)
    till.decide(case_id, Verdict.REJECT)
    till.run(days=1)
    assert till.order(order.order_id).denial is None
    assert till.wallet("MB") == Wallet(available_fen=500)


@pytest.mark.parametrize(("alarm_bps", "alarms"), [(1_700, 0), (1_699, 1)])
def test_share_above_the_alarm_line_alarms_once_a_run(
    tables: None, capsys: pytest.CaptureFixture[str], alarm_bps: int, alarms: int
) -> None:
    till = Till(rule_set(breaker=Breaker(park_bps=1_000, alarm_bps=alarm_bps)))
    for _ in range(3):
        till.received()
    till.run(days=7)
    assert len({till.order(due.order_id).parked_case for due in till.due()}) == 1
    assert capsys.readouterr().out.count('"CommissionShareAlarm":[1.0]') == alarms


def test_limits_are_those_of_the_version_paid_under(tables: None) -> None:
    tomorrow = NOW + timedelta(days=1)
    till = Till(rule_set(breaker=LIMITS), replace(rule_set(version=2), effective_from=tomorrow))
    before = till.received()
    till.clock.advance(days=2)
    after = till.received()
    till.run(days=7)
    assert till.order(before.order_id).parked_case
    assert till.order(after.order_id).status is OrderStatus.SETTLED


def test_bonus_of_the_month_is_asked_the_same_question_under_the_same_case(till: Till) -> None:
    order = till.received()
    till.run(days=7)
    gate = Gate(StatementStore(), till.docket)
    assert gate.ask(MONTH, LIMITS) is Answer.PARK
    case_id = gate.park(MONTH, LIMITS)
    assert case_id == till.order(order.order_id).parked_case
    assert gate.ask(MONTH, LIMITS, case_id) is Answer.WAIT
    till.decide(case_id, Verdict.REJECT)
    assert gate.ask(MONTH, LIMITS, case_id) is Answer.DENY
    assert gate.ask("2026-04", LIMITS) is Answer.SETTLE


def test_crash_between_case_and_note_opens_no_second_case(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    order = till.received()

    def crash(*_: object) -> None:
        raise ConnectionError

    with monkeypatch.context() as patched:
        patched.setattr(type(till.orders), "park", crash)
        assert till.run(days=7) == 1
    assert till.order(order.order_id).parked_case == ""
    till.run(minutes=15)
    assert [case.case_id for case in till.cases("commission_breaker")] == [till.order(order.order_id).parked_case]
