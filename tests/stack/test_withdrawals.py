"""Withdrawals that are refused, that race, that end by time, and how the tax falls on them."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from infra.local.api_client import ApiError, idempotency_key
from tests.stack.support import DAY, HOUR, NO_MONEY, Json, Person, World, refusal


@pytest.mark.parametrize(
    ("body", "refused"),
    [
        ({"amount_fen": 3_001}, (409, "insufficient_balance")),
        ({"amount_fen": 99}, (422, "withdrawal_below_minimum")),
        ({"amount_fen": 2_000_001}, (422, "withdrawal_above_maximum")),
        ({"amount_fen": 250_000}, (422, "payee_name_required")),
        ({"amount_fen": 0}, (400, "invalid_body")),
        ({"amount_fen": -100}, (400, "invalid_body")),
        ({"amount_fen": 100.5}, (400, "invalid_body")),
        ({"amount_fen": "100"}, (400, "invalid_body")),
        ({"amount_fen": 100, "openid": "o"}, (400, "invalid_body")),
        ({}, (400, "invalid_body")),
    ],
)
def test_bad_withdrawal_is_refused_and_nothing_is_reserved(
    world: World, promoter: Person, body: Json, refused: tuple[int, str]
) -> None:
    assert refusal(lambda: promoter.post("/withdrawals", body, idempotency_key())) == refused
    assert promoter.wallet == {**NO_MONEY, "available_fen": 3_000}
    assert promoter.get("/withdrawals")["items"] == []


@pytest.fixture(scope="module")
def promoter(world: World) -> Person:
    """Somebody with 30 yuan, of which nothing may be taken."""
    return world.earner(3_000)


@pytest.mark.parametrize("key", [None, "", "short", "k" * 65])
def test_withdrawal_without_a_usable_key_is_refused(world: World, promoter: Person, key: str | None) -> None:
    refused = refusal(lambda: promoter.post("/withdrawals", {"amount_fen": 100}, key))
    assert refused == (400, "idempotency_key_required")
    assert promoter.wallet == {**NO_MONEY, "available_fen": 3_000}


def test_suspended_member_withdraws_nothing(world: World) -> None:
    promoter = world.earner(3_000)
    world.set_standing(promoter, "suspended")
    assert refusal(lambda: world.withdraw(promoter, 100)) == (403, "member_suspended")
    assert promoter.wallet == {**NO_MONEY, "available_fen": 3_000}
    world.set_standing(promoter, "promoter")
    world.paid_withdrawal(promoter, 100)


def test_withdrawal_twice_with_one_key_reserves_once(world: World) -> None:
    promoter, key = world.earner(3_000), idempotency_key()
    body = {"amount_fen": 1_000}
    with ThreadPoolExecutor(3) as pool:
        asked = pool.map(lambda _: promoter.post("/withdrawals", body, key), range(3))
        ids = {one["withdrawal_id"] for one in asked}
    assert len(ids) == 1
    assert len(promoter.get("/withdrawals")["items"]) == 1
    (withdrawal_id,) = ids
    assert promoter.wallet == {**NO_MONEY, "available_fen": 2_000, "reserved_fen": 1_000}
    assert refusal(lambda: promoter.post("/withdrawals", {"amount_fen": 1_001}, key)) == (422, "idempotency_key_reused")
    named = {"amount_fen": 1_000, "payee_name": "丁一"}
    assert refusal(lambda: promoter.post("/withdrawals", named, key)) == (422, "idempotency_key_reused")
    world.confirm(promoter, withdrawal_id)
    world.wait_for_withdrawal(promoter, withdrawal_id, "paid")
    assert promoter.post("/withdrawals", body, key)["status"] == "paid"
    world.wait_for_wallet(promoter, available_fen=2_000)
    assert len(world.transfers_at_wechat(withdrawal_id)) == 1


def test_double_click_for_the_whole_balance_succeeds_once(world: World) -> None:
    promoter = world.earner(6_000)

    def ask(_: int) -> str:
        try:
            return world.withdraw(promoter, 6_000)
        except ApiError as error:
            return error.code

    with ThreadPoolExecutor(2) as pool:
        answers = sorted(pool.map(ask, range(2)))
    assert "insufficient_balance" in answers
    assert promoter.wallet == {**NO_MONEY, "reserved_fen": 6_000}
    (withdrawal,) = promoter.get("/withdrawals")["items"]
    assert withdrawal["withdrawal_id"] in answers


def test_anothers_withdrawal_is_not_found(world: World) -> None:
    promoter, stranger = world.earner(6_000), world.person("stranger")
    withdrawal_id = world.withdraw(promoter, 6_000)
    assert refusal(lambda: stranger.get(f"/withdrawals/{withdrawal_id}")) == (404, "not_found")
    assert refusal(lambda: stranger.get("/withdrawals/W" + "0" * 26)) == (404, "not_found")
    assert stranger.get("/withdrawals")["items"] == []


def test_what_is_held_cannot_be_withdrawn(world: World) -> None:
    promoter = world.promoter()
    world.sale(promoter, 3_000)
    world.wait_for_wallet(promoter, held_fen=3_000)
    assert refusal(lambda: world.withdraw(promoter, 100)) == (409, "insufficient_balance")
    assert promoter.wallet == {**NO_MONEY, "held_fen": 3_000}


@pytest.mark.parametrize(("drop", "told"), [(0, "delivered"), (1, "lost")])
def test_transfer_that_nobody_confirms_for_a_day_returns_the_funds(world: World, drop: int, told: str) -> None:
    promoter = world.earner(3_000)
    withdrawal_id = world.withdraw(promoter, 2_000)
    world.wait_for_package(promoter, withdrawal_id)
    world.sandbox.put_knobs({"drop": drop})
    world.sandbox.advance(DAY + HOUR)
    withdrawal = world.wait_for_withdrawal(promoter, withdrawal_id, "returned")
    assert withdrawal["return_reason"] == "transfer_failed"
    assert "24 小时" in withdrawal["return_reason_text"]
    world.wait_for_wallet(promoter, available_fen=3_000)
    assert [one["state"] for one in world.notifications_about(withdrawal_id)] == [told]
    assert [one["fail_reason"] for one in world.transfers_at_wechat(withdrawal_id)] == ["OVERDUE_CLOSE"]
    world.paid_withdrawal(promoter, 3_000)


def test_withdrawals_of_one_person_are_transferred_one_after_the_other(world: World) -> None:
    """The in-flight slot of M26; who waits for it is looked after by the sweeper."""
    promoter = world.earner(3_000)
    first, second = world.withdraw(promoter, 1_000), world.withdraw(promoter, 1_500)
    waiting = {first, second}
    for _ in range(2):
        in_flight = world.first_transferring(promoter, waiting)
        assert [one for one in waiting - {in_flight} if world.transfers_at_wechat(one)] == []
        world.confirm(promoter, in_flight)
        world.wait_for_withdrawal(promoter, in_flight, "paid")
        waiting -= {in_flight}
        world.sandbox.advance(HOUR)
    world.wait_for_wallet(promoter, available_fen=500)


def test_tax_of_a_month_grows_with_the_months_payments(world: World) -> None:
    """Labour remuneration, by hand: 50 000 → 0; then (100 000 - 80 000) * 20 % = 4 000 on both together."""
    promoter = world.earner(100_000)
    world.start_of_month()
    for tax_fen in (0, 4_000):
        withdrawal_id = world.withdraw(promoter, 50_000)
        case = world.wait_for_case(withdrawal_id)
        world.decide(world.finance, case, "approve")
        world.confirm(promoter, withdrawal_id)
        withdrawal = world.wait_for_withdrawal(promoter, withdrawal_id, "paid")
        assert (withdrawal["tax_fen"], withdrawal["net_fen"]) == (tax_fen, 50_000 - tax_fen)
        assert withdrawal["figures_final"]
        assert [one["amount_fen"] for one in world.transfers_at_wechat(withdrawal_id)] == [50_000 - tax_fen]
    world.wait_for_wallet(promoter)


def test_wrong_name_fails_at_wechat_and_returns_the_funds(world: World) -> None:
    promoter = world.earner(3_000)
    world.sandbox.control("/_users", {"name": promoter.name, "real_name": "丁一"})
    withdrawal_id = world.withdraw(promoter, 2_000, payee_name="王二")
    world.confirm(promoter, withdrawal_id)
    assert world.wait_for_withdrawal(promoter, withdrawal_id, "returned")["return_reason"] == "transfer_failed"
    world.wait_for_wallet(promoter, available_fen=3_000)
    right = world.withdraw(promoter, 2_000, payee_name="丁一")
    world.confirm(promoter, right)
    world.wait_for_withdrawal(promoter, right, "paid")
