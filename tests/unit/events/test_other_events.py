"""What streams, schedules, tasks and direct invocations do with their sample events."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from fenxiao import wiring
from fenxiao.aws.clients import client
from fenxiao.commission.follow import follow
from fenxiao.commission.lake import cut, lake_order
from fenxiao.commission.month_result import View
from fenxiao.commission.simulation_store import SimulationStatus, SimulationStore
from fenxiao.identity.model import PrincipalKind, Session
from fenxiao.identity.store import StaffStore
from fenxiao.identity.tokens import claims, sign
from fenxiao.ledger.model import Wallet
from fenxiao.ledger.projection import ProjectionStore
from fenxiao.ledger.statement_store import StatementStore
from fenxiao.order.delivery import receive
from fenxiao.order.model import OrderStatus
from fenxiao.relation.store import TeamStore
from fenxiao.review.decisions import decide
from fenxiao.review.model import CaseStatus, Reviewer, Verdict
from fenxiao.withdrawal.model import ReturnReason, Status
from tests.support.world import NOW, paid_order
from tests.unit.events.conftest import Invoke
from tests.unit.events.day import (
    CASE,
    DOUBTFUL,
    KEYS,
    PAID,
    PLACED,
    SHIPPED,
    SMALL,
    WITHDRAWAL,
    A,
    B,
    C,
    D,
    Day,
    event,
)
from tests.unit.reconcile.fakes import payment_row

pytestmark = pytest.mark.moto


def put_images(table: str, sample: dict[str, Any]) -> None:
    """Let a table hold what its stream tells of."""
    for record in sample["Records"]:
        client("dynamodb").put_item(TableName=table, Item=record["dynamodb"]["NewImage"])


def parked(resources: dict[str, str]) -> int:
    """How many records all consumers have parked."""
    sqs = client("sqs")
    counts = [
        sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"])
        for name, url in resources.items()
        if name.endswith("ParkedQueue")
    ]
    return sum(int(count["Attributes"]["ApproximateNumberOfMessages"]) for count in counts)


def started(resources: dict[str, str], machine: str) -> list[str]:
    executions = client("stepfunctions").list_executions(stateMachineArn=resources[machine])["executions"]
    return [execution["name"] for execution in executions]


# --- streams


def test_paid_order_earns_for_its_chain_once(invoke: Invoke, day: Day, resources: dict[str, str]) -> None:
    before = day.wallet(C)
    for _ in range(2):
        invoke("commission", event("commission"))
    held = [day.wallet(member).held_fen for member in (C, B, A)]
    assert [held[0] - before.held_fen, *held[1:]] == [1_000, 500, 200]
    assert parked(resources) == 0


def test_shipment_and_refund_are_carried_to_wechat(invoke: Invoke, day: Day, resources: dict[str, str]) -> None:
    sample = event("fulfilment")
    put_images("ORDER_TABLE", sample)
    invoke("fulfilment", sample)
    assert [parcel.out_trade_no for parcel in day.floor.shipping.uploaded] == [SHIPPED]
    assert [(asked[2], asked[3]) for asked in day.floor.refund_side.asked] == [(PAID, 1_000)]
    assert parked(resources) == 0


def test_journal_becomes_a_statement_line_once(invoke: Invoke, day: Day, resources: dict[str, str]) -> None:
    before = len(list(StatementStore().lines(C, None, 99)))
    for _ in range(2):
        invoke("ledger_projection", event("ledger_projection"))
    lines = list(StatementStore().lines(C, None, 99))
    assert len(lines) == before + 1
    assert (lines[0].event, lines[0].available_fen, lines[0].reserved_fen) == ("reserve", -1_000, 1_000)
    assert parked(resources) == 0


def test_new_line_puts_a_member_into_teams(invoke: Invoke, day: Day, resources: dict[str, str]) -> None:
    sample = event("team")
    put_images("MEMBER_TABLE", sample)
    invoke("team", sample)
    teams = TeamStore()
    assert (teams.counts(C), teams.counts(B), teams.counts(A)) == ((1, 0, 0), (0, 1, 0), (0, 0, 1))
    assert parked(resources) == 0


def test_new_withdrawal_case_and_simulation_start_their_machines(
    invoke: Invoke, day: Day, resources: dict[str, str]
) -> None:
    for _ in range(2):
        invoke("workflow_dispatch", event("workflow_dispatch-withdrawals"))
        invoke("workflow_dispatch", event("workflow_dispatch-cases"))
        invoke("workflow_dispatch", event("workflow_dispatch-simulations"))
    assert started(resources, "SimulationMachine") == [event("simulation-prepare")["simulation_id"]]
    assert started(resources, "WithdrawalMachine") == [SMALL]
    assert started(resources, "ManualReviewMachine") == [CASE]
    assert parked(resources) == 0


# --- schedules


def test_overdue_order_is_closed_and_its_stock_put_back(invoke: Invoke, day: Day) -> None:
    day.floor.clock.advance(days=11)
    assert invoke("order_sweeper", event("order_sweeper")) == {"faults": 0}
    assert day.order(PLACED).status is OrderStatus.CLOSED
    assert day.order(SHIPPED).status is OrderStatus.RECEIVED


def test_received_order_settles_after_its_hold(invoke: Invoke, day: Day) -> None:
    now = day.floor.clock.now()
    receive(day.floor.orders, SHIPPED, now)
    day.floor.orders.record_wechat_settlement(SHIPPED, now)
    day.floor.clock.advance(days=7, minutes=1)
    assert invoke("settlement", event("settlement")) == {"faults": 0}
    assert day.order(SHIPPED).status is OrderStatus.SETTLED
    assert day.wallet(B) == Wallet(held_fen=500, available_fen=500), "the other paid order is earned and held"


def test_months_are_previewed_until_they_close(invoke: Invoke, day: Day) -> None:
    ProjectionStore().project(follow(SHIPPED, day.floor.orders, day.ledger, wiring.rules()))
    day.floor.clock.moment = datetime(2026, 3, 2, 4, 30, tzinfo=UTC)
    invoke("month_close", event("month_close"))
    invoke("month_close", {"preview": "2026-02"})
    previews = wiring.months().results(View.PREVIEW)
    assert {month: result.rule_version for month, result in previews.items()} == {"2026-02": 1, "2026-03": 1}


def test_stuck_withdrawal_is_started(invoke: Invoke, day: Day, resources: dict[str, str]) -> None:
    day.floor.clock.advance(hours=1)
    assert invoke("withdrawal_sweeper", event("withdrawal_sweeper")) == {"faults": 0}
    assert {SMALL, DOUBTFUL} <= set(started(resources, "WithdrawalMachine"))


def test_reports_of_ended_days_are_produced(invoke: Invoke, day: Day) -> None:
    day.floor.clock.moment = day.order(PAID).placed_at + timedelta(days=2)
    assert invoke("scheduled_report", event("scheduled_report")) == {"produced": ["2026-03-01", "2026-03-02"]}
    assert wiring.reports().last_day() is not None
    assert invoke("scheduled_report", event("scheduled_report")) == {"produced": []}


def test_bills_of_wechat_are_compared_with_the_books(invoke: Invoke, day: Day) -> None:
    paid, shipped = (payment_row(day.order(order_id)) for order_id in (PAID, SHIPPED))
    day.bills.put(date(2026, 3, 1), [paid, replace(shipped, amount_fen=9_999)])
    day.floor.clock.moment = day.order(PAID).placed_at + timedelta(days=1)
    assert invoke("reconciliation", event("reconciliation")) == {"differences": {"2026-03-01": 1}}
    assert invoke("reconciliation", event("reconciliation")) == {"differences": {}}
    (case,), _ = wiring.cases().queue("reconcile_difference", CaseStatus.OPEN, 10, None)
    assert (case.facts["reference"], case.facts["wechat_fen"], case.facts["our_fen"]) == (SHIPPED, 9_999, 10_000)


def test_log_is_sealed_once_a_day(invoke: Invoke, day: Day) -> None:
    assert invoke("evidence_seal", event("evidence_seal")) == {"sealed": wiring.projection().log_size()}
    assert invoke("evidence_seal", event("evidence_seal")) == {"sealed": None}
    day.floor.clock.advance(days=1)
    assert invoke("evidence_seal", event("evidence_seal")) == {"sealed": wiring.projection().log_size()}


def test_log_that_was_tampered_with_is_not_sealed_and_opens_a_case(invoke: Invoke, day: Day) -> None:
    invoke("evidence_seal", event("evidence_seal"))
    client("s3").put_object(Bucket="evidence", Key="tile/0/0.p/1", Body=b"x" * 32)
    for _ in range(2):
        day.floor.clock.advance(days=1)
        assert invoke("evidence_seal", event("evidence_seal")) == {"sealed": None}
    (case,), _ = wiring.cases().queue("evidence_mismatch", CaseStatus.OPEN, 10, None)
    assert case.facts["what"] == "the tiles do not have the root that was signed last"
    assert case.subject_id == case.facts["after"] == "2026-03-01"


# --- tasks of the machines, in the order of their stories


def test_tasks_carry_a_small_withdrawal_to_the_payee(invoke: Invoke, day: Day) -> None:
    assert invoke("payout", event("payout-assess-risk")) == {"next": "prepare"}
    assert invoke("payout", event("payout-prepare")) == {"next": "create"}
    assert invoke("payout", event("payout-create")) == {"next": "await_end"}
    assert invoke("payout", event("payout-await-end")) is None
    withdrawal = day.desk.books.withdrawals.get(SMALL)
    assert (withdrawal.status, withdrawal.end_token) == (Status.TRANSFERRING, "token-of-the-end")
    assert len(day.transfers.sent) == 1


def test_tasks_carry_a_withdrawal_through_its_review(invoke: Invoke, day: Day) -> None:
    cases = day.desk.books.cases
    assert invoke("payout", event("payout-await-review")) is None
    assert invoke("payout", event("payout-await-round")) is None
    case = cases.file(CASE).case
    assert case.parent_token == "token-of-the-withdrawal-machine"
    assert case.round_token is not None
    assert invoke("payout", event("payout-apply-review")) == {"next": "review"}
    reviewer = Reviewer(staff_id="S2", person="person-S2", is_lead=False)
    decide(cases, reviewer, CASE, case.round, Verdict.APPROVE, "核对无误", day.floor.clock)
    assert invoke("payout", event("payout-close-case")) is None
    assert (cases.file(CASE).case.status, cases.file(CASE).case.closed_at) == (
        CaseStatus.APPROVED,
        day.floor.clock.now(),
    )
    assert invoke("payout", event("payout-apply-review")) == {"next": "prepare"}


def test_task_returns_the_funds(invoke: Invoke, day: Day) -> None:
    before = day.wallet(C)
    assert invoke("payout", event("payout-return-funds")) == {"next": "done"}
    assert day.wallet(C) == Wallet(
        available_fen=before.available_fen + 30_000, reserved_fen=before.reserved_fen - 30_000
    )
    assert day.desk.books.withdrawals.get(DOUBTFUL).return_reason is ReturnReason.SUSPENDED


def test_tasks_simulate_a_draft_on_the_orders_of_the_lake(invoke: Invoke, day: Day, resources: dict[str, str]) -> None:
    sample = event("simulation-count")
    paid_at = NOW - timedelta(days=19)
    order = paid_order(10_000, 2_000)
    assert order.payment
    kept = lake_order(replace(order, payment=replace(order.payment, paid_at=paid_at)))
    assert kept
    key, _, _ = sample["batch"]["lake_days"][0]["parts"][0]
    client("s3").put_object(Bucket=resources["LakeBucket"], Key=key, Body=b"".join(cut([kept])))
    assert invoke("simulation", event("simulation-prepare")) == {"next": "finish"}, "nothing was paid in that month"
    for name in ("simulation-count", "simulation-finish"):
        assert invoke("simulation", event(name)) is None
    done = SimulationStore().simulation(sample["batch"]["simulation_id"])
    assert done.status is SimulationStatus.DONE
    assert done.result is not None
    assert (done.result.total.orders, done.result.total.cost.draft_fen) == (1, 1_200 + 600 + 240)


def test_task_notes_why_a_simulation_failed(invoke: Invoke, day: Day) -> None:
    assert invoke("simulation", event("simulation-fail")) is None
    failed = SimulationStore().simulation(event("simulation-fail")["simulation_id"])
    assert (failed.status, failed.failure) == (SimulationStatus.FAILED, "模拟期间订单数据有更新，请重新模拟")


def test_every_way_of_a_withdrawal_is_told_of_one_that_is_there(day: Day) -> None:
    ids = {event(f"payout-{step}")["withdrawal_id"] for step in ("prepare", "apply-review", "return-funds")}
    assert ids == {SMALL, WITHDRAWAL, DOUBTFUL}


# --- the authorizer, and the administration of staff


def test_authorizer_denies_a_token_that_is_none(invoke: Invoke, day: Day) -> None:
    decision = invoke("authorizer", event("authorizer"))
    assert decision["policyDocument"]["Statement"][0]["Effect"] == "Deny"
    assert decision["context"] == {}


@pytest.mark.parametrize("ended", [False, True])
def test_authorizer_admits_the_bearer_of_a_live_session(invoke: Invoke, day: Day, *, ended: bool) -> None:
    now = wiring.wall_clock().now()
    sessions = wiring.sessions()[PrincipalKind.MEMBER]
    alive = Session(
        subject=D, session_id="phone", refresh_hash="h", created_at=now, expires_at=now + timedelta(days=30)
    )
    sessions.create(alive)
    if ended:
        sessions.end_all(D)
    token = sign(claims(D, PrincipalKind.MEMBER, (), "phone", now), KEYS.signing_key)
    sample = event("authorizer")
    sample["headers"]["Authorization"] = f"Bearer {token}"

    decision = invoke("authorizer", sample)

    assert decision["policyDocument"]["Statement"][0]["Effect"] == ("Deny" if ended else "Allow")
    assert decision["principalId"] == ("nobody" if ended else D)


def test_staff_member_is_created_and_given_a_key(invoke: Invoke, day: Day) -> None:
    created = invoke("staff_admin", event("staff_admin"))
    staff = StaffStore().get(created["staff_id"])
    assert staff is not None
    assert (staff.name, staff.roles) == ("财务甲", ("finance",))
    assert staff.person is not None
    assert created["sign_in_key"] not in repr(staff)
