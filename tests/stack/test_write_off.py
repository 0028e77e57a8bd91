"""A debt is written off by two people and one journal."""

import pytest

from infra.local.api_client import idempotency_key
from tests.stack.support import Json, Person, World, refusal

pytestmark = pytest.mark.rule("M4")


def ask(world: World, debtor: Person, amount_fen: int, key: str | None = None) -> Json:
    """Ask, as finance, for a write-off, and return its case."""
    path = f"/staff/members/{debtor.member_id}/write-offs"
    case: Json = world.finance.post(path, {"amount_fen": amount_fen, "reason": "无法追回"}, key or idempotency_key())
    return case


@pytest.fixture
def debtor(world: World) -> Person:
    """A promoter who has withdrawn 4 000 fen that a refund took back."""
    promoter = world.promoter()
    _, order_id = world.settled_sale(promoter, 4_000)
    world.paid_withdrawal(promoter, 4_000)
    world.refund(order_id, all=True)
    world.wait_for_wallet(promoter, debt_fen=4_000)
    return promoter


def test_approved_write_off_forgives_once(world: World, debtor: Person) -> None:
    key = idempotency_key()
    case = ask(world, debtor, 3_000, key)
    assert (case["kind"], case["subject_id"], case["facts"]["debt_fen"]) == ("write_off", debtor.member_id, 4_000)
    assert ask(world, debtor, 3_000, key)["case_id"] == case["case_id"]
    assert refusal(lambda: ask(world, debtor, 2_000, key)) == (422, "idempotency_key_reused")
    assert refusal(lambda: world.decide(world.finance, case, "approve")) == (403, "own_request")
    assert world.decide(world.finance_lead, case, "approve")["status"] == "approved"
    world.wait_for_wallet(debtor, debt_fen=1_000)
    world.wait_for_line(debtor, "write_off", case["case_id"])
    assert world.events(f"writeoff#{case['case_id']}") == ["write_off"]


def test_rejected_write_off_forgives_nothing(world: World, debtor: Person) -> None:
    case = ask(world, debtor, 4_000)
    assert world.decide(world.finance_lead, case, "reject")["status"] == "rejected"
    world.sandbox.advance(60)
    world.wait_for_wallet(debtor, debt_fen=4_000)
    assert world.events(f"writeoff#{case['case_id']}") == []


def test_more_than_is_owed_is_refused(world: World, debtor: Person) -> None:
    assert refusal(lambda: ask(world, debtor, 4_001)) == (409, "debt_smaller")
    path = f"/staff/members/{debtor.member_id}/write-offs"
    body = {"amount_fen": 1, "reason": "x"}
    assert refusal(lambda: world.finance.post(path, body)) == (400, "idempotency_key_required")
    assert refusal(lambda: world.operations.post(path, body, idempotency_key())) == (403, "forbidden")
    assert refusal(lambda: debtor.post(path, body, idempotency_key()))[0] == 403
