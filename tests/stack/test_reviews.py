"""Withdrawals that people decide on."""

import json
from typing import Any

from infra.local.api_client import Caller, staff, wait_for
from tests.stack.support import HOUR, NO_MONEY, Person, World, refusal

REVIEW_TIME = 49 * HOUR


def new_staff(world: World, *roles: str, member_id: str | None = None) -> Caller:
    """Create a staff member as the administration does."""
    client: Any = world.stack.client("lambda")
    order = {"action": "create", "name": "新同事", "roles": roles, "member_id": member_id}
    function = world.stack.outputs["StaffAdminFunctionName"]
    answer = client.invoke(FunctionName=function, Payload=json.dumps(order))
    created = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, created
    return staff(world.stack.api_url, created["staff_id"], created["sign_in_key"])


def in_review(world: World, amount_fen: int) -> tuple[Person, str]:
    promoter = world.earner(amount_fen)
    withdrawal_id = world.withdraw(promoter, amount_fen)
    world.wait_for_withdrawal(promoter, withdrawal_id, "in_review")
    return promoter, withdrawal_id


def test_rejection_returns_everything(world: World) -> None:
    promoter, withdrawal_id = in_review(world, 6_000)
    assert promoter.wallet == {**NO_MONEY, "reserved_fen": 6_000}
    decided = world.decide(world.finance, world.wait_for_case(withdrawal_id), "reject")
    assert decided["status"] == "rejected"
    withdrawal = world.wait_for_withdrawal(promoter, withdrawal_id, "returned")
    assert withdrawal["return_reason"] == "rejected"
    world.wait_for_wallet(promoter, available_fen=6_000)
    assert world.transfers_at_wechat(withdrawal_id) == []
    assert world.events(f"withdrawal#{withdrawal_id}") == ["reserve", "returned"]


def test_case_is_decided_once(world: World) -> None:
    promoter, withdrawal_id = in_review(world, 6_000)
    case = world.wait_for_case(withdrawal_id)
    world.decide(world.finance, case, "approve")
    assert refusal(lambda: world.decide(world.finance_lead, case, "reject")) == (409, "decision_stale")
    world.confirm(promoter, withdrawal_id)
    world.wait_for_withdrawal(promoter, withdrawal_id, "paid")
    assert [one["verdict"] for one in world.case(case["case_id"])["decisions"]] == ["approve"]


def test_two_people_have_to_approve_above_the_second_threshold(world: World) -> None:
    promoter, withdrawal_id = in_review(world, 120_000)
    case = world.wait_for_case(withdrawal_id)
    assert case["required_approvals"] == 2
    assert world.decide(world.finance, case, "approve")["status"] == "open"
    assert refusal(lambda: world.decide(world.finance, case, "approve")) == (409, "already_decided")
    world.sandbox.advance(HOUR)
    assert promoter.get(f"/withdrawals/{withdrawal_id}")["status"] == "in_review"
    assert world.transfers_at_wechat(withdrawal_id) == []
    assert world.decide(world.finance_lead, case, "approve")["status"] == "approved"
    world.confirm(promoter, withdrawal_id)
    withdrawal = world.wait_for_withdrawal(promoter, withdrawal_id, "paid")
    assert (withdrawal["tax_fen"], withdrawal["net_fen"]) == (8_000, 112_000)
    world.wait_for_wallet(promoter)


def test_any_rejection_wins_over_an_approval(world: World) -> None:
    promoter, withdrawal_id = in_review(world, 120_000)
    case = world.wait_for_case(withdrawal_id)
    world.decide(world.finance, case, "approve")
    world.decide(world.finance_lead, case, "reject")
    world.wait_for_withdrawal(promoter, withdrawal_id, "returned")
    world.wait_for_wallet(promoter, available_fen=120_000)


def test_many_small_withdrawals_in_a_day_need_a_reviewer_too(world: World) -> None:
    promoter = world.earner(9_000)
    world.paid_withdrawal(promoter, 4_000)
    second = world.withdraw(promoter, 4_000)
    case = world.wait_for_case(second)
    assert (case["facts"]["day_fen"], case["required_approvals"]) == (8_000, 1)
    world.decide(world.finance, case, "approve")
    world.confirm(promoter, second)
    world.wait_for_withdrawal(promoter, second, "paid")


def test_nobody_decides_on_their_own_withdrawal(world: World) -> None:
    promoter, withdrawal_id = in_review(world, 6_000)
    own = new_staff(world, "finance", "finance_lead", member_id=promoter.member_id)
    case = world.wait_for_case(withdrawal_id)
    assert refusal(lambda: world.decide(own, case, "approve")) == (403, "own_request")
    assert world.case(case["case_id"])["decisions"] == []
    assert promoter.get(f"/withdrawals/{withdrawal_id}")["status"] == "in_review"


def test_undecided_review_escalates_to_the_leads_who_may_approve(world: World) -> None:
    promoter, withdrawal_id = in_review(world, 6_000)
    first = world.wait_for_case(withdrawal_id)
    assert first["round"] == 1
    world.sandbox.advance(REVIEW_TIME)
    case = world.wait_for_round(withdrawal_id, 2)
    assert refusal(lambda: world.decide(world.finance, case, "approve")) == (403, "finance_lead_required")
    assert refusal(lambda: world.decide(world.finance_lead, first, "approve")) == (409, "decision_stale")
    world.decide(world.finance_lead, case, "approve")
    world.confirm(promoter, withdrawal_id)
    world.wait_for_withdrawal(promoter, withdrawal_id, "paid")


def test_review_that_the_leads_leave_undecided_expires_and_returns_the_funds(world: World) -> None:
    promoter, withdrawal_id = in_review(world, 6_000)
    world.wait_for_case(withdrawal_id)
    world.sandbox.advance(REVIEW_TIME)
    case = world.wait_for_round(withdrawal_id, 2)
    world.sandbox.advance(REVIEW_TIME)
    withdrawal = world.wait_for_withdrawal(promoter, withdrawal_id, "returned")
    assert withdrawal["return_reason"] == "review_expired"
    assert world.case(case["case_id"])["case"]["status"] == "expired"
    assert refusal(lambda: world.decide(world.finance_lead, case, "approve")) == (409, "decision_stale")
    world.wait_for_wallet(promoter, available_fen=6_000)


def test_approval_of_an_earlier_round_stands_after_the_escalation(world: World) -> None:
    promoter, withdrawal_id = in_review(world, 120_000)
    world.decide(world.finance, world.wait_for_case(withdrawal_id), "approve")
    world.sandbox.advance(REVIEW_TIME)
    decided = world.decide(world.finance_lead, world.wait_for_round(withdrawal_id, 2), "approve")
    assert decided["status"] == "approved"
    world.confirm(promoter, withdrawal_id)
    world.wait_for_withdrawal(promoter, withdrawal_id, "paid")


def test_member_who_is_suspended_after_the_request_is_not_paid(world: World) -> None:
    promoter, withdrawal_id = in_review(world, 6_000)
    case = world.wait_for_case(withdrawal_id)
    world.set_standing(promoter, "suspended")
    world.sandbox.advance(1)
    world.decide(world.finance, case, "approve")
    withdrawal = world.wait_for_withdrawal(promoter, withdrawal_id, "returned")
    assert withdrawal["return_reason"] == "suspended"
    world.wait_for_wallet(promoter, available_fen=6_000)
    assert world.transfers_at_wechat(withdrawal_id) == []


def test_case_shows_what_it_takes_to_decide(world: World) -> None:
    promoter = world.earner(9_000)
    earlier = world.paid_withdrawal(promoter, 1_000)
    withdrawal_id = world.withdraw(promoter, 6_000)
    detail = world.case(world.wait_for_case(withdrawal_id)["case_id"])
    assert detail["case"]["facts"]["amount_fen"] == 6_000
    assert [one["withdrawal_id"] for one in detail["earlier_withdrawals"]] == [earlier]
    assert refusal(lambda: world.finance.get("/staff/cases/C" + "0" * 26)) == (404, "not_found")
    assert refusal(lambda: world.finance.get("/staff/cases?status=nonsense")) == (400, "bad_filter")
    open_cases = wait_for("the queue", lambda: world.finance.get("/staff/cases?limit=1")["items"] or None)
    assert len(open_cases) == 1
