"""WeChat that fails, or whose answers are lost: everything happens, and happens once."""

import pytest

from tests.stack.support import HOUR, MINUTE, Json, World

PREPAY = {"path_prefix": "/v3/pay/transactions/jsapi", "method": "POST"}
REFUND = {"path_prefix": "/v3/refund/domestic/refunds", "method": "POST"}
TRANSFER = {"path_prefix": "/v3/fund-app/mch-transfer/transfer-bills", "method": "POST"}
SYSTEM_ERROR = {"status": 500, "code": "SYSTEM_ERROR"}


def lose(call: Json, times: int = 1) -> Json:
    return {"lose_answer": [call] * times}


def fail(call: Json, times: int = 1) -> Json:
    return {"fail_next": [call | SYSTEM_ERROR] * times}


def faults(knobs: Json) -> int:
    """Return how many calls are still to go wrong."""
    return len(knobs.get("lose_answer", [])) + len(knobs.get("fail_next", []))


@pytest.mark.parametrize("knobs", [lose(PREPAY), fail(PREPAY)], ids=["answer lost", "5xx"])
def test_troubled_prepay_still_leads_to_one_payment(world: World, knobs: Json) -> None:
    promoter, buyer = world.promoter(), world.person("buyer")
    world.bind(buyer, promoter)
    order_id = world.place(buyer, {world.sku(10_000): 1})
    world.sandbox.put_knobs(knobs)
    world.pay(buyer, order_id)
    world.wait_for_status(buyer, order_id, "paid")
    assert [one["state"] for one in world.payments_at_wechat(order_id)] == ["SUCCESS"]
    world.wait_for_wallet(promoter, held_fen=1_000)
    assert faults(world.knobs()) < faults(knobs)  # it was in trouble indeed


@pytest.mark.parametrize("knobs", [lose(REFUND), lose(REFUND, 4), fail(REFUND), fail(REFUND, 4)])
def test_troubled_refund_request_refunds_once(world: World, knobs: Json) -> None:
    promoter = world.promoter()
    _, order_id = world.sale(promoter, 1_000)
    world.wait_for_wallet(promoter, held_fen=1_000)
    world.sandbox.put_knobs(knobs)
    refund_id = world.refund(order_id, amount_fen=4_000)["refund_id"]
    world.wait_for_refund(order_id, refund_id)
    (refund,) = world.refunds_at_wechat(order_id)
    assert (refund["out_refund_no"], refund["amount_fen"]) == (refund_id, 4_000)
    world.wait_for_wallet(promoter, held_fen=600)
    assert faults(world.knobs()) < faults(knobs)  # it was in trouble indeed


@pytest.mark.parametrize("knobs", [lose(TRANSFER), lose(TRANSFER, 2), fail(TRANSFER), fail(TRANSFER, 2)])
def test_troubled_transfer_request_pays_once(world: World, knobs: Json) -> None:
    promoter = world.earner(3_000)
    world.sandbox.put_knobs(knobs)
    withdrawal_id = world.withdraw(promoter, 2_000)
    world.confirm(promoter, withdrawal_id)
    world.wait_for_withdrawal(promoter, withdrawal_id, "paid")
    (transfer,) = world.transfers_at_wechat(withdrawal_id)
    assert (transfer["amount_fen"], transfer["state"]) == (2_000, "SUCCESS")
    assert faults(world.knobs()) < faults(knobs)  # it was in trouble indeed
    world.wait_for_wallet(promoter, available_fen=1_000)


@pytest.mark.parametrize("state", ["ACCEPTED", "PROCESSING"])
def test_transfer_that_is_not_ready_at_once_can_be_confirmed_when_it_is(world: World, state: str) -> None:
    """Queries never show the `package_info`; WeChat gives it when the same request is sent again."""
    promoter = world.earner(3_000)
    world.sandbox.put_knobs({"transfer_first_state": state})
    withdrawal_id = world.withdraw(promoter, 2_000)
    world.wait_for_withdrawal(promoter, withdrawal_id, "transferring")
    for _ in range(4):
        world.sandbox.advance(11 * MINUTE)
    world.confirm(promoter, withdrawal_id)
    world.wait_for_withdrawal(promoter, withdrawal_id, "paid")
    assert len(world.transfers_at_wechat(withdrawal_id)) == 1


def test_withdrawal_waits_for_the_merchants_balance_with_the_funds_reserved(world: World) -> None:
    promoter = world.earner(3_000)
    world.sandbox.put_knobs({"merchant_balance_fen": 0})
    withdrawal_id = world.withdraw(promoter, 2_000)
    world.wait_for_withdrawal(promoter, withdrawal_id, "transferring")
    world.sandbox.advance(HOUR)
    assert world.transfers_at_wechat(withdrawal_id) == []
    assert promoter.get(f"/withdrawals/{withdrawal_id}")["status"] == "transferring"
    assert promoter.wallet["reserved_fen"] == 2_000
    world.sandbox.put_knobs({"merchant_balance_fen": 1_000_000})
    world.sandbox.advance(HOUR)
    world.confirm(promoter, withdrawal_id)
    world.wait_for_withdrawal(promoter, withdrawal_id, "paid")
    assert len(world.transfers_at_wechat(withdrawal_id)) == 1


def test_failed_transfer_returns_the_funds(world: World) -> None:
    promoter = world.earner(3_000)
    world.sandbox.put_knobs({"transfer_mode": "fail"})
    withdrawal_id = world.withdraw(promoter, 2_000)
    world.confirm(promoter, withdrawal_id)
    withdrawal = world.wait_for_withdrawal(promoter, withdrawal_id, "returned")
    assert withdrawal["return_reason"] == "transfer_failed"
    world.wait_for_wallet(promoter, available_fen=3_000)


def test_refund_that_wechat_closes_gives_the_line_back(world: World) -> None:
    promoter = world.promoter()
    world.sandbox.put_knobs({"refund_mode": "hold"})
    buyer, order_id = world.sale(promoter, 1_000)
    refund_id = world.refund(order_id, all=True)["refund_id"]
    world.wait_for_refunds_at_wechat(order_id)
    world.sandbox.control(f"/_refunds/{refund_id}/finish", {"status": "CLOSED"})
    world.wait_for_refund(order_id, refund_id, "failed")
    (line,) = buyer.get(f"/orders/{order_id}")["lines"]
    assert (line["refunded_fen"], line["refund_pending_fen"]) == (0, 0)
    world.wait_for_wallet(promoter, held_fen=1_000)
    world.sandbox.advance(20 * MINUTE)
    assert world.events(f"order#{order_id}") == ["earn"]
