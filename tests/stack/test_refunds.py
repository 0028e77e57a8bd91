"""Refunds that are refused, refunds after the commission was settled or withdrawn, and what suspension holds back."""

import pytest

from infra.local.api_client import idempotency_key
from tests.stack.support import DAY, HOLD, Json, World, refusal


@pytest.mark.parametrize(
    ("what", "refused"),
    [
        ({"amount_fen": 30_001}, (409, "refund_too_large")),
        ({"lines": [{"line": 0, "amount_fen": 10_001}]}, (409, "refund_too_large")),
        ({"lines": [{"line": 2, "amount_fen": 1}]}, (400, "bad_refund")),
        ({"lines": [{"line": 0, "amount_fen": 1}, {"line": 0, "amount_fen": 2}]}, (400, "bad_refund")),
        ({"lines": [{"line": -1, "amount_fen": 1}]}, (400, "invalid_body")),
        ({"amount_fen": 0}, (400, "invalid_body")),
        ({"amount_fen": -1}, (400, "invalid_body")),
        ({"amount_fen": 1, "all": True}, (400, "bad_refund")),
        ({}, (400, "bad_refund")),
    ],
)
def test_bad_refund_is_refused_and_nothing_changes(world: World, what: Json, refused: tuple[int, str]) -> None:
    buyer = world.person("buyer")
    order_id = world.paid_order(buyer, {world.sku(10_000): 1, world.sku(20_000): 1})
    before = world.order_items(order_id)
    assert refusal(lambda: world.refund(order_id, **what)) == refused
    assert world.order_items(order_id) == before
    assert world.refunds_at_wechat(order_id) == []


def test_refund_of_more_than_is_left_is_refused(world: World) -> None:
    promoter = world.promoter()
    _, order_id = world.sale(promoter, 1_000)
    first = world.refund(order_id, amount_fen=6_000)
    assert refusal(lambda: world.refund(order_id, amount_fen=4_001)) == (409, "refund_too_large")
    world.wait_for_refund(order_id, first["refund_id"])
    assert refusal(lambda: world.refund(order_id, amount_fen=4_001)) == (409, "refund_too_large")
    last = world.refund(order_id, all=True)
    assert last["amount_fen"] == 4_000
    world.wait_for_refund(order_id, last["refund_id"])
    assert refusal(lambda: world.refund(order_id, all=True)) == (409, "refund_too_large")
    world.wait_for_wallet(promoter)


def test_refund_twice_with_one_key_is_one_refund(world: World) -> None:
    promoter, key = world.promoter(), idempotency_key()
    _, order_id = world.sale(promoter, 1_000)
    ids = {world.refund(order_id, key, amount_fen=2_000)["refund_id"] for _ in range(2)}
    assert len(ids) == 1
    assert refusal(lambda: world.refund(order_id, key, amount_fen=2_001)) == (422, "idempotency_key_reused")
    world.wait_for_refund(order_id, ids.pop())
    assert world.refund(order_id, key, amount_fen=2_000)["status"] == "succeeded"
    assert len(world.refunds_at_wechat(order_id)) == 1
    world.wait_for_wallet(promoter, held_fen=800)


def test_refund_without_a_key_is_refused(world: World) -> None:
    _, order_id = world.sale(world.promoter(), 1_000)
    body = {"reason": "退货", "all": True}
    path = f"/staff/orders/{order_id}/refunds"
    assert refusal(lambda: world.operations.post(path, body)) == (400, "idempotency_key_required")
    assert world.staff_order(order_id)["refunds"] == []


def test_refund_after_settlement_takes_from_what_is_available(world: World) -> None:
    promoter = world.promoter()
    _, order_id = world.settled_sale(promoter, 1_000)
    world.refund(order_id, amount_fen=3_000)
    world.wait_for_wallet(promoter, available_fen=700)


def test_refund_after_everything_was_withdrawn_becomes_debt_which_the_next_settlement_repays(world: World) -> None:
    promoter = world.promoter()
    _, order_id = world.settled_sale(promoter, 4_000)
    withdrawal_id = world.paid_withdrawal(promoter, 4_000)
    world.refund(order_id, all=True)
    world.wait_for_wallet(promoter, debt_fen=4_000)
    refused = refusal(lambda: world.withdraw(promoter, 100))
    assert refused == (409, "insufficient_balance")
    world.settled_sale(promoter, 2_500)
    world.wait_for_wallet(promoter, debt_fen=1_500)
    world.settled_sale(promoter, 2_000)
    world.wait_for_wallet(promoter, available_fen=500)
    assert world.events(f"withdrawal#{withdrawal_id}") == ["reserve", "paid"]


def test_debt_stops_a_payout_that_is_approved_and_is_repaid_from_it(world: World) -> None:
    """The gate of M24: between request and transfer the order behind the money is refunded."""
    promoter = world.promoter()
    _, order_id = world.settled_sale(promoter, 9_000)
    withdrawal_id = world.withdraw(promoter, 8_000)
    case = world.wait_for_case(withdrawal_id)
    world.refund(order_id, all=True)
    world.wait_for_wallet(promoter, reserved_fen=8_000, debt_fen=8_000)
    world.decide(world.finance, case, "approve")
    withdrawal = world.wait_for_withdrawal(promoter, withdrawal_id, "returned")
    assert withdrawal["return_reason"] == "debt"
    world.wait_for_wallet(promoter)
    assert world.transfers_at_wechat(withdrawal_id) == []


def test_refund_never_touches_what_is_reserved_or_held_for_another_order(world: World) -> None:
    promoter = world.promoter()
    _, order_id = world.settled_sale(promoter, 3_000)
    world.sale(promoter, 5_000)
    withdrawal_id = world.withdraw(promoter, 2_000)
    world.wait_for_package(promoter, withdrawal_id)
    world.refund(order_id, all=True)
    world.wait_for_wallet(promoter, held_fen=5_000, reserved_fen=2_000, debt_fen=2_000)
    world.confirm(promoter, withdrawal_id)
    world.wait_for_wallet(promoter, held_fen=5_000, debt_fen=2_000)


def test_partial_refunds_end_at_the_fen_of_an_order_bought_without_them(world: World) -> None:
    top, below, buyer = world.chain("A", "B", "D")
    order_id = world.paid_order(buyer, {world.sku(3_333): 3, world.sku(1_999): 1})
    for what in ({"amount_fen": 1_111}, {"lines": [{"line": 0, "amount_fen": 777}]}, {"amount_fen": 2}):
        world.wait_for_refund(order_id, world.refund(order_id, **what)["refund_id"])
    left = [line["paid_fen"] - line["refunded_fen"] for line in buyer.get(f"/orders/{order_id}")["lines"]]
    assert sum(left) == 3 * 3_333 + 1_999 - 1_890
    world.wait_for_wallet(below, held_fen=sum(fen * 1_000 // 10_000 for fen in left))
    world.wait_for_wallet(top, held_fen=sum(fen * 500 // 10_000 for fen in left))


def test_suspended_promoter_is_passed_over_at_settlement_and_paid_a_day_after_reinstatement(world: World) -> None:
    top, suspended, buyer = world.chain("A", "B", "D")
    order_id = world.paid_order(buyer, {world.sku(10_000): 1})
    world.wait_for_wallet(suspended, held_fen=1_000)
    world.set_standing(suspended, "suspended")
    world.deliver(buyer, order_id)
    world.sandbox.advance(HOLD)
    world.wait_for_wallet(top, available_fen=500)
    world.wait_for_wallet(suspended, held_fen=1_000)
    world.sandbox.advance(DAY)
    world.wait_for_wallet(suspended, held_fen=1_000)
    world.set_standing(suspended, "promoter")
    world.sandbox.advance(DAY)
    world.wait_for_wallet(suspended, available_fen=1_000)
    world.wait_for_wallet(top, available_fen=500)


def test_who_is_suspended_when_the_order_is_paid_earns_nothing_and_nobody_moves_up(world: World) -> None:
    top, suspended, buyer = world.chain("A", "B", "D")
    world.set_standing(suspended, "suspended")
    world.sandbox.advance(1)
    world.paid_order(buyer, {world.sku(10_000): 1})
    world.wait_for_wallet(top, held_fen=500)
    world.wait_for_wallet(suspended)


def test_order_refunded_in_full_before_shipping_is_not_shipped(world: World) -> None:
    promoter = world.promoter()
    _, order_id = world.sale(promoter, 1_000)
    world.wait_for_refund(order_id, world.refund(order_id, all=True)["refund_id"])
    parcel = {"carrier": "YTO", "tracking_number": "YT1"}
    refused = refusal(lambda: world.operations.post(f"/staff/orders/{order_id}/shipment", parcel))
    assert refused == (409, "order_not_shippable")
    world.wait_for_wallet(promoter)
