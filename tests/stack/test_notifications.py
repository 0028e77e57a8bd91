"""Notifications of WeChat Pay: forged, false, repeated, out of order, late and lost."""

import pytest

from tests.stack.support import (
    FORGERIES,
    HOLD,
    HOUR,
    MINUTE,
    Notice,
    World,
    assert_refused,
    deliver,
    payment_notice,
    refund_notice,
    transfer_notice,
)

REFUSED_BY_SANDBOX_KIND = {
    "bad_signature": "notification_bad_signature",
    "probe": "notification_bad_signature",
    "stale": "notification_stale",
    "foreign_merchant": "notification_foreign_merchant",
    "mangled_ciphertext": "notification_mangled",
    "unknown_serial": "notification_unknown_serial",
}


def refuse_all_forgeries(world: World, notice: Notice) -> None:
    for forgery, code in FORGERIES.items():
        assert_refused(deliver(world, notice, forgery), 401, code, forgery)


def test_forged_payment_notifications_are_refused_and_nothing_is_written(world: World) -> None:
    promoter, buyer = world.promoter(), world.person("buyer")
    world.bind(buyer, promoter)
    order_id = world.place(buyer, {world.sku(10_000): 1})
    buyer.post(f"/orders/{order_id}/prepay")
    before = world.order_items(order_id)
    for kind, code in REFUSED_BY_SANDBOX_KIND.items():
        attempt = world.sandbox.control("/_forge", {"kind": kind, "out_trade_no": order_id})
        assert attempt["status"] == 401, kind
        assert f'"code":"{code}"' in attempt["body"], kind
    notice = payment_notice(world, order_id)
    refuse_all_forgeries(world, notice)
    assert world.order_items(order_id) == before
    assert world.events(f"order#{order_id}") == []
    # The same notice without anything false is taken in, so each refusal was for its one false point.
    assert deliver(world, notice).status_code == 204
    world.wait_for_wallet(promoter, held_fen=1_000)


def test_forged_refund_notifications_are_refused_and_nothing_is_written(world: World) -> None:
    promoter = world.promoter()
    world.sandbox.put_knobs({"refund_mode": "hold"})
    _, order_id = world.sale(promoter, 1_000)
    world.wait_for_wallet(promoter, held_fen=1_000)
    refund_id = world.refund(order_id, all=True)["refund_id"]
    world.wait_for_refunds_at_wechat(order_id)
    before = world.order_items(order_id)
    notice = refund_notice(world, order_id)
    refuse_all_forgeries(world, notice)
    assert world.order_items(order_id) == before
    assert world.events(f"order#{order_id}") == ["earn"]
    assert deliver(world, notice).status_code == 204
    world.wait_for_refund(order_id, refund_id)
    world.wait_for_wallet(promoter)


def test_forged_transfer_notifications_are_refused_and_nothing_is_written(world: World) -> None:
    promoter = world.earner(3_000)
    withdrawal_id = world.withdraw(promoter, 3_000)
    world.wait_for_package(promoter, withdrawal_id)
    before = world.withdrawal_items(withdrawal_id)
    notice = transfer_notice(world, withdrawal_id)
    refuse_all_forgeries(world, notice)
    assert world.withdrawal_items(withdrawal_id) == before
    assert world.events(f"withdrawal#{withdrawal_id}") == ["reserve"]
    assert promoter.wallet["reserved_fen"] == 3_000
    assert deliver(world, notice).status_code == 204
    world.wait_for_withdrawal(promoter, withdrawal_id, "paid")
    world.confirm_at_wechat(withdrawal_id)  # so that it is true for WeChat too


def test_payment_of_another_amount_is_refused_and_opens_a_case(world: World) -> None:
    promoter, buyer = world.promoter(), world.person("buyer")
    world.bind(buyer, promoter)
    order_id = world.place(buyer, {world.sku(10_000): 1})
    buyer.post(f"/orders/{order_id}/prepay")
    attempt = world.sandbox.control("/_forge", {"kind": "wrong_amount", "out_trade_no": order_id, "amount": 1})
    assert attempt["status"] == 409
    assert "payment_mismatch" in attempt["body"]
    facts = world.wait_for_case(order_id, "payment_mismatch")["facts"]
    assert (facts["what"], facts["expected_fen"], facts["reported_fen"]) == ("amount", 10_000, 1)
    order = world.staff_order(order_id)
    assert (order["status"], order["paid_at"]) == ("placed", None)
    assert world.events(f"order#{order_id}") == []


def test_refund_of_another_amount_is_refused_and_opens_a_case(world: World) -> None:
    promoter = world.promoter()
    world.sandbox.put_knobs({"refund_mode": "hold"})
    _, order_id = world.sale(promoter, 1_000)
    world.refund(order_id, amount_fen=5_000)
    world.wait_for_refunds_at_wechat(order_id)
    notice = refund_notice(world, order_id)
    notice.resource["amount"]["refund"] = 6_000
    assert_refused(deliver(world, notice), 409, "refund_mismatch", "wrong amount")
    assert world.wait_for_case(order_id, "refund_mismatch")["facts"]["what"] == "refund_amount"
    order = world.staff_order(order_id)
    assert [one["status"] for one in order["refunds"]] == ["pending"]
    world.wait_for_wallet(promoter, held_fen=1_000)


def test_transfer_of_another_amount_is_refused_and_opens_a_case_for_two(world: World) -> None:
    promoter = world.earner(3_000)
    withdrawal_id = world.withdraw(promoter, 3_000)
    world.wait_for_package(promoter, withdrawal_id)
    notice = transfer_notice(world, withdrawal_id)
    notice.resource["transfer_amount"] = 2_999
    assert_refused(deliver(world, notice), 409, "transfer_amount_mismatch", "wrong amount")
    case = world.wait_for_case(withdrawal_id, "transfer_mismatch")
    assert (case["required_approvals"], case["facts"]["wechat_amount_fen"]) == (2, 2_999)
    assert promoter.get(f"/withdrawals/{withdrawal_id}")["status"] == "transferring"
    assert world.events(f"withdrawal#{withdrawal_id}") == ["reserve"]
    world.confirm(promoter, withdrawal_id)
    world.wait_for_withdrawal(promoter, withdrawal_id, "paid")


def test_another_end_of_a_paid_transfer_is_refused_and_the_payout_stands(world: World) -> None:
    promoter = world.earner(3_000)
    withdrawal_id = world.paid_withdrawal(promoter, 2_000)
    answer = deliver(world, transfer_notice(world, withdrawal_id, "FAIL"))
    assert_refused(answer, 409, "transfer_contradiction", "FAIL after SUCCESS")
    world.wait_for_case(withdrawal_id, "transfer_contradiction")
    world.wait_for_wallet(promoter, available_fen=1_000)
    assert world.events(f"withdrawal#{withdrawal_id}") == ["reserve", "paid"]


@pytest.mark.parametrize("channel", ["payments", "refunds", "transfers"])
def test_notification_about_something_unknown_fails_so_that_wechat_tells_again(world: World, channel: str) -> None:
    mchid = world.keyring.keys.mchid
    now = world.now().isoformat()
    unknown = "T" + "0" * 26
    notices = {
        "payments": Notice(
            "payments",
            "TRANSACTION.SUCCESS",
            "transaction",
            {
                "appid": world.keyring.keys.appid,
                "mchid": mchid,
                "out_trade_no": unknown,
                "transaction_id": "4200",
                "trade_state": "SUCCESS",
                "success_time": now,
                "payer": {"openid": "o"},
                "amount": {"total": 1, "currency": "CNY"},
            },
        ),
        "refunds": Notice(
            "refunds",
            "REFUND.SUCCESS",
            "refund",
            {
                "mchid": mchid,
                "out_trade_no": unknown,
                "out_refund_no": "R" + "0" * 26,
                "refund_status": "SUCCESS",
                "success_time": now,
                "amount": {"total": 1, "refund": 1},
            },
        ),
        "transfers": Notice(
            "transfers",
            "MCHTRANSFER.BILL.FINISHED",
            "mch_payment",
            {"mch_id": mchid, "out_bill_no": "W" + "0" * 26, "state": "SUCCESS", "transfer_amount": 10},
        ),
    }
    codes = {"payments": "order_not_found", "refunds": "refund_not_found", "transfers": "unknown_transfer"}
    assert_refused(deliver(world, notices[channel]), 404, codes[channel], channel)


def test_repeated_and_reversed_notifications_are_harmless(world: World) -> None:
    promoter = world.promoter()
    world.sandbox.put_knobs({"duplicates": 3, "shuffle": 4})
    _, order_id = world.sale(promoter, 2_000)
    world.wait_for_wallet(promoter, held_fen=2_000)
    world.sandbox.put_knobs({"shuffle": 8, "refund_mode": "hold"})
    refunds = [world.refund(order_id, amount_fen=fen)["refund_id"] for fen in (5_000, 7_000)]
    world.wait_for_refunds_at_wechat(order_id, 2)
    for refund_id in refunds:
        world.sandbox.control(f"/_refunds/{refund_id}/finish", {"status": "SUCCESS"})
    for refund_id in refunds:
        world.wait_for_refund(order_id, refund_id)
    world.wait_for_wallet(promoter, held_fen=800)
    for number in (order_id, *refunds):
        # So many at once may meet functions that are still starting: WeChat takes no answer in time as a reason to
        # tell again, never as a refusal.
        assert set(world.answers_to(number, 4)) - {None} == {204}
    assert sorted(world.events(f"order#{order_id}")) == sorted(["earn", *(f"refund#{one}" for one in refunds)])
    assert promoter.wallet["held_fen"] == 800


def test_transfer_notifications_repeated_at_the_same_moment_pay_once(world: World) -> None:
    promoter = world.earner(4_000)
    world.sandbox.put_knobs({"duplicates": 9, "shuffle": 10})
    for _ in range(3):  # the first round pays for the processes' start, so the others come closer together
        withdrawal_id = world.paid_withdrawal(promoter, 1_000)
        assert world.answers_to(withdrawal_id, 10) == [204] * 10
        assert world.events(f"withdrawal#{withdrawal_id}") == ["reserve", "paid"]
    world.wait_for_wallet(promoter, available_fen=1_000)


def test_lost_payment_notification_is_found_by_the_sweeper_and_harmless_when_it_comes(world: World) -> None:
    promoter, buyer = world.promoter(), world.person("buyer")
    world.bind(buyer, promoter)
    order_id = world.place(buyer, {world.sku(10_000): 1})
    world.sandbox.put_knobs({"drop": 1})
    world.pay(buyer, order_id)
    assert buyer.get(f"/orders/{order_id}")["status"] == "placed"
    world.sandbox.advance(31 * MINUTE)
    world.wait_for_status(buyer, order_id, "paid")
    world.wait_for_wallet(promoter, held_fen=1_000)
    (lost,) = world.notifications_about(order_id)
    assert lost["state"] == "lost"
    assert world.sandbox.control(f"/_notifications/{lost['id']}/redeliver")["status"] == 204
    assert world.events(f"order#{order_id}") == ["earn"]
    assert promoter.wallet["held_fen"] == 1_000


def test_lost_refund_notification_is_found_by_the_sweeper_and_harmless_when_it_comes(world: World) -> None:
    promoter = world.promoter()
    _, order_id = world.sale(promoter, 1_000)
    world.wait_for_wallet(promoter, held_fen=1_000)
    world.sandbox.put_knobs({"drop": 1})
    refund_id = world.refund(order_id, all=True)["refund_id"]
    world.wait_for_knob("drop", 0)
    world.sandbox.advance(16 * MINUTE)
    world.wait_for_refund(order_id, refund_id)
    world.wait_for_wallet(promoter)
    (lost,) = world.notifications_about(refund_id)
    assert lost["state"] == "lost"
    assert world.sandbox.control(f"/_notifications/{lost['id']}/redeliver")["status"] == 204
    assert world.events(f"order#{order_id}") == ["earn", f"refund#{refund_id}"]


def test_lost_transfer_notification_is_found_by_the_sweeper_and_harmless_when_it_comes(world: World) -> None:
    promoter = world.earner(3_000)
    withdrawal_id = world.withdraw(promoter, 2_000)
    world.wait_for_package(promoter, withdrawal_id)
    world.sandbox.put_knobs({"drop": 1})
    world.confirm(promoter, withdrawal_id)
    world.sandbox.advance(HOUR + MINUTE)
    world.wait_for_withdrawal(promoter, withdrawal_id, "paid")
    (lost,) = world.notifications_about(withdrawal_id)
    assert lost["state"] == "lost"
    assert world.sandbox.control(f"/_notifications/{lost['id']}/redeliver")["status"] == 204
    assert world.events(f"withdrawal#{withdrawal_id}") == ["reserve", "paid"]
    world.wait_for_wallet(promoter, available_fen=1_000)


def test_lost_settlement_message_is_asked_for(world: World) -> None:
    promoter = world.promoter()
    buyer, order_id = world.sale(promoter, 1_000)
    world.wait_for_wallet(promoter, held_fen=1_000)
    world.operations.post(f"/staff/orders/{order_id}/shipment", {"carrier": "YTO", "tracking_number": "YT1"})
    world.answers_to(order_id, 2)  # to the payment, and to the estimate when WeChat learns of the parcel
    world.sandbox.put_knobs({"drop": 1})
    world.sandbox.control(f"/_orders/{order_id}/settle")
    assert world.knobs()["drop"] == 0
    buyer.post(f"/orders/{order_id}/receipt")
    world.sandbox.advance(HOLD)  # WeChat is asked, and says that it has released the money
    world.sandbox.advance(5 * MINUTE)
    world.wait_for_wallet(promoter, available_fen=1_000)


def test_delayed_payment_notification_is_taken_in_with_the_rates_of_the_payment(world: World) -> None:
    """The instant that counts is WeChat's `success_time`, however late the notification (M10)."""
    promoter, buyer = world.promoter(), world.person("buyer")
    world.bind(buyer, promoter)
    order_id = world.place(buyer, {world.sku(10_000): 1})
    world.sandbox.put_knobs({"drop": 1})
    world.pay(buyer, order_id)
    world.sandbox.advance(2)  # WeChat tells its instants in whole seconds
    world.set_standing(promoter, "suspended")
    (lost,) = world.notifications_about(order_id)
    assert world.sandbox.control(f"/_notifications/{lost['id']}/redeliver")["status"] == 204
    world.wait_for_wallet(promoter, held_fen=1_000)
