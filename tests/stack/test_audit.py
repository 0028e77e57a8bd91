"""The audit on the deployed stack: books that went through a lot agree, and one fen that was moved by hand is found."""

import json
from typing import Any

import pytest

from tests.stack.support import HOLD, Person, World, refusal


def audit(world: World, **scope: str) -> Any:
    """Let the deployed audit run, as `make audit` does."""
    answer = world.stack.client("lambda").invoke(
        FunctionName=world.stack.outputs["AuditFunctionName"], Payload=json.dumps({"scope": scope}).encode()
    )
    assert "FunctionError" not in answer
    return json.loads(answer["Payload"].read())


@pytest.fixture(scope="module")
def promoter(world: World) -> Person:
    """Somebody who earned, lost some of it to refunds, settled, and was paid."""
    promoter = world.promoter()
    buyer, order_id = world.sale(promoter, 8_000)
    world.wait_for_line(promoter, "earn", order_id)
    refund = world.refund(order_id, amount_fen=10_000)
    world.wait_for_refund(order_id, refund["refund_id"])
    world.wait_for_line(promoter, "refund", order_id)
    world.deliver(buyer, order_id)
    world.sandbox.advance(HOLD)
    world.wait_for_line(promoter, "settle", order_id)
    world.paid_withdrawal(promoter, 2_000)
    refund = world.refund(order_id, all=True)
    world.wait_for_refund(order_id, refund["refund_id"])
    world.wait_for_wallet(promoter, debt_fen=2_000)
    return promoter


def test_books_that_went_through_a_lot_agree(world: World, promoter: Person) -> None:
    report = audit(world)
    own = [one for one in report["differences"] if promoter.member_id in one["subject"]]
    assert own == []
    assert report["counts"]["journals"] >= 6
    assert report["figures"]["debt_fen"] >= 2_000
    assert world.finance.get("/staff/audits/latest")["counts"]["journals"] >= report["counts"]["journals"]


def test_a_wallet_that_was_changed_by_hand_is_found_and_becomes_one_case(world: World, promoter: Person) -> None:
    key = {"pk": {"S": f"wallet#{promoter.member_id}"}, "sk": {"S": "commission"}}
    table = world.resources["LedgerTable"]

    def move(fen: int) -> None:
        world.dynamodb.update_item(
            TableName=table,
            Key=key,
            UpdateExpression="ADD debt_fen :fen",
            ExpressionAttributeValues={":fen": {"N": str(fen)}},
        )

    move(-1)
    try:
        for _ in range(2):
            found = [one for one in audit(world)["differences"] if promoter.member_id in one["subject"]]
            assert [(one["what"], one["expected"], one["actual"]) for one in found] == [("debt_fen", "2000", "1999")]
    finally:
        move(1)
    cases = world.finance.get("/staff/cases?kind=audit_difference&limit=100")["items"]
    assert len([one for one in cases if promoter.member_id in one["subject_id"]]) == 1


def test_a_month_is_replayed(world: World, promoter: Person) -> None:
    month = world.now().strftime("%Y-%m")
    report = audit(world, month=month)
    assert [one for one in report["differences"] if promoter.member_id in one["subject"]] == []
    assert report["counts"]["wallets"] >= 1
    assert audit(world, month="2020-01")["counts"]["orders"] == 0


def test_only_finance_reads_audits(world: World) -> None:
    assert refusal(world.operations.get, "/staff/audits/latest") == (403, "forbidden")
