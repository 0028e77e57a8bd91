"""A day's trades against WeChat's bills, by the run that the schedule starts on the next morning."""

from datetime import date, datetime, time, timedelta

from tests.stack.support import HOUR, Json, World, all_pages, refusal

KIND = "reconcile_difference"


def start_of_a_day(world: World) -> date:
    """Move the clock past midnight in Shanghai and return the day that has begun."""
    return advance_to(world, world.now().date() + timedelta(days=1), time(0, 1)).date()


def advance_to(world: World, day: date, at: time) -> datetime:
    """Move the clock to a time in Shanghai; the scheduled functions run then."""
    now = world.now()
    then = datetime.combine(day, at, now.tzinfo)
    world.sandbox.advance(int((then - now).total_seconds()))
    return then


def reconciled(world: World, day: date) -> Json:
    """Let the next morning come and return how the day came out."""
    advance_to(world, day + timedelta(days=1), time(10, 41))
    found: Json = world.finance.get(f"/staff/reconciliations/{day}")
    return found


def cases_of(world: World, day: date, status: str = "open") -> list[Json]:
    """Return the cases on a day's differences."""
    cases = all_pages(world.finance.get, f"/staff/cases?kind={KIND}&status={status}", 100)
    return [case for case in cases if case["facts"]["day"] == str(day)]


def forget(world: World, day: date) -> None:
    """Take back that a day was reconciled, as if the run had died just before it noted that."""
    key = {"pk": {"S": "reconcile"}, "sk": {"S": str(day)}}
    world.dynamodb.delete_item(TableName=world.resources["StatementTable"], Key=key)


def test_day_with_a_payment_a_refund_and_a_payout_reconciles_clean(world: World) -> None:
    promoter, buyer, sku = world.earner(3_000), world.person("buyer"), world.sku(1_000)
    day = start_of_a_day(world)
    order_id = world.paid_order(buyer, {sku: 2})
    refund = world.refund(order_id, amount_fen=500)
    world.wait_for_refund(order_id, refund["refund_id"])
    world.paid_withdrawal(promoter, 1_000)
    assert refusal(world.finance.get, f"/staff/reconciliations/{day}") == (404, "reconciliation_not_found")

    found = reconciled(world, day)

    assert (found["day"], found["status"], found["differences"]) == (str(day), "balanced", 0)
    assert {name: found[name] for name in ("payments", "refunds", "transfers")} == {
        name: {side: {"count": 1, "sum_fen": fen} for side in ("wechat", "ours")}
        for name, fen in (("payments", 2_000), ("refunds", 500), ("transfers", 1_000))
    }
    assert cases_of(world, day) == []


def test_difference_becomes_one_case_and_a_run_again_opens_none(world: World) -> None:
    buyer, sku = world.person("buyer"), world.sku(1_000)
    day = start_of_a_day(world)
    shown, hidden = world.paid_order(buyer, {sku: 1}), world.paid_order(buyer, {sku: 2})
    foreign = {"bill_date": str(day), "kind": "transfer", "reference": "BYHAND1", "amount_fen": 777}
    world.sandbox.put_knobs({"bill_leave_out": [hidden], "bill_amounts": {shown: 999}, "bill_add": [foreign]})

    found = reconciled(world, day)

    assert (found["status"], found["differences"]) == ("differences", 3)
    assert found["payments"] == {"wechat": {"count": 1, "sum_fen": 999}, "ours": {"count": 2, "sum_fen": 3_000}}
    cases = cases_of(world, day)
    assert {
        case["facts"]["reference"]: (case["facts"]["difference"], case["facts"].get("wechat_fen")) for case in cases
    } == {shown: ("amount", 999), hidden: ("missing_at_wechat", None), "BYHAND1": ("unknown_to_us", 777)}
    assert len(cases) == 3

    forget(world, day)
    world.sandbox.advance(HOUR)
    assert world.finance.get(f"/staff/reconciliations/{day}")["differences"] == 3
    assert sorted(case["case_id"] for case in cases_of(world, day)) == sorted(case["case_id"] for case in cases)

    assert world.decide(world.finance, cases[0], "approve")["status"] == "approved"
    forget(world, day)
    world.sandbox.advance(HOUR)
    assert (len(cases_of(world, day)), len(cases_of(world, day, "approved"))) == (2, 1)


def test_reconciliation_is_for_finance(world: World) -> None:
    assert refusal(world.operations.get, "/staff/reconciliations/2026-03-01")[0] == 403
    assert refusal(world.person().get, "/staff/reconciliations/2026-03-01")[0] == 403
    assert refusal(world.finance_lead.get, "/staff/reconciliations/yesterday") == (400, "bad_day")
