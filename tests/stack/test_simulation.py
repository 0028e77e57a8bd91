"""A draft simulated on real orders by the deployed machine: figures worked out by hand, by one task and by many."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any, Final

import pytest

from infra.local.api_client import wait_for
from tests.stack.support import DAY, TIMEOUT_SECONDS, Json, World, refusal

TERMS: Final = {
    "base_bps": [1_200, 500, 200],
    "overrides": [{"category": "capped", "rates_bps": [1_500, 1_000]}],
    "cap_bps": 2_500,
    "hold_days": 7,
    "ladder": [{"from_fen": 20_000, "rate_bps": 100}],
    "breaker": {"park_bps": 2_000, "alarm_bps": 3_000},
}


def validated(world: World, terms: Json) -> str:
    """Write a draft, have it validated, and return its path."""
    draft = world.operations.post("/rules/drafts", {"title": "模拟", "terms": terms})
    path = f"/rules/{draft['draft_id']}"
    world.operations.post(f"{path}/validate")
    return path


def ended(world: World, path: str, first: date, last: date) -> Json:
    """Simulate a draft on some days, and return the simulation when it has ended."""
    asked = world.operations.post(f"{path}/simulate", {"from": first.isoformat(), "to": last.isoformat()})

    def look() -> Json | None:
        found: Json = world.operations.get(f"{path}/simulation")
        return found if found["status"] in ("done", "failed") else None

    found = wait_for("the simulation", look, 3 * TIMEOUT_SECONDS)
    assert found["simulation_id"] == asked["simulation_id"]
    return found


def wait_for_figures(world: World, day: date, **wanted: int) -> None:
    """Wait until the read models have seen what became of a day's orders."""

    def look() -> bool | None:
        (item,) = [one for one in world.items("StatementTable", f"paid#{day:%Y-%m}") if one["sk"]["S"] == str(day)]
        return True if {name: int(item[name]["N"]) for name in wanted} == wanted else None

    wait_for("the figures of the day", look, TIMEOUT_SECONDS)


@contextmanager
def settings(world: World, **changes: str) -> Iterator[None]:
    """Let the simulation function have other settings."""
    client: Any = world.stack.client("lambda")
    name = world.resources["SimulationFunction"]
    before = client.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    client.update_function_configuration(FunctionName=name, Environment={"Variables": before | changes})
    try:
        yield
    finally:
        client.update_function_configuration(FunctionName=name, Environment={"Variables": before})


def map_runs(world: World, simulation_id: str) -> list[Json]:
    """Return the distributed maps of a simulation's execution."""
    client: Any = world.stack.client("stepfunctions")
    machine = world.resources["SimulationMachine"]
    pages = client.get_paginator("list_executions").paginate(stateMachineArn=machine)
    (arn,) = [one["executionArn"] for page in pages for one in page["executions"] if one["name"] == simulation_id]
    return [
        client.describe_map_run(mapRunArn=one["mapRunArn"]) for one in client.list_map_runs(executionArn=arn)["mapRuns"]
    ]


def test_draft_is_simulated_on_the_orders_of_a_period(world: World) -> None:
    """Three days of a fresh month: in force are 10, 5 and 2 per cent, and no ladder."""
    world.start_of_month()
    first = world.now().date()
    _, above, promoter = world.chain("A", "B", "C")
    buyer = world.person("buyer")
    world.bind(buyer, promoter)
    whole = world.paid_order(buyer, {world.sku(10_000): 1})
    world.wait_for_line(promoter, "earn", whole)
    world.sandbox.advance(DAY)
    part = world.paid_order(buyer, {world.sku(20_000): 1})
    world.wait_for_line(promoter, "earn", part)
    refund = world.refund(part, amount_fen=8_000)
    world.wait_for_refund(part, refund["refund_id"])
    wait_for_figures(world, first + timedelta(days=1), orders=1, sales_fen=20_000, refunds_fen=8_000)
    world.sandbox.advance(DAY)
    capped = world.product(4_000, category="capped")["skus"][0]["sku_id"]
    last = world.now().date()
    world.wait_for_line(promoter, "earn", world.paid_order(buyer, {capped: 2}))
    wait_for_figures(world, last, orders=1, sales_fen=8_000)
    path = validated(world, TERMS)

    by_one = ended(world, path, first, last)

    assert (by_one["status"], by_one["days"], by_one["done_days"]) == ("done", 3, 3)
    assert map_runs(world, by_one["simulation_id"]) == []
    assert world.operations.get(path)["status"] == "simulated"
    found = by_one["result"]
    total = found["total"]
    # Left are 10 000 + 12 000 of plain goods and 8 000 of capped ones; the promoter's own sales are all 30 000.
    assert (total["orders"], total["gmv_fen"], total["net_fen"]) == (3, 38_000, 30_000)
    assert [one["cost"] for one in found["levels"]] == [
        cost(2_640 + 1_200, 2_200 + 800),
        cost(1_100 + 800, 1_100 + 400),
        cost(440, 440 + 160),
    ]
    assert found["ladder"] == cost(300, 0)
    assert [(one["category"], one["net_fen"], one["cost"]) for one in found["categories"]] == [
        ("plain", 22_000, cost(4_180, 3_740)),
        ("capped", 8_000, cost(2_000, 1_360)),
    ]
    assert total["cost"] == cost(4_180 + 2_000 + 300, 5_100)
    assert (total["draft_share_bps"], total["in_force_share_bps"]) == (2_160, 1_700)
    assert total["draft_breaches"] == ["good", "park"]
    assert [one["month"] for one in found["months"]] == [f"{first:%Y-%m}"]
    assert found["gains"] == [
        {"member_id": promoter.member_id, "cost": cost(2_640 + 1_200 + 300, 3_000)},
        {"member_id": above.member_id, "cost": cost(1_900, 1_500)},
    ]
    assert [one["cost"] for one in found["losses"]] == [cost(440, 600)]

    with settings(world, SIMULATION_TASK_ORDERS="1"):
        by_many = ended(world, path, first, last)

    assert json.dumps(by_many["result"]) == json.dumps(found)
    (run,) = map_runs(world, by_many["simulation_id"])
    assert (run["status"], run["itemCounts"]["succeeded"]) == ("SUCCEEDED", 3)
    assert by_many["done_days"] == 3


def cost(draft_fen: int, in_force_fen: int) -> Json:
    return {"draft_fen": draft_fen, "in_force_fen": in_force_fen, "difference_fen": draft_fen - in_force_fen}


def test_simulation_that_cannot_be_done_says_so_and_leaves_the_draft_validated(world: World) -> None:
    path = validated(world, TERMS)
    today = world.now().date()
    with settings(world, LAKE_BUCKET="nowhere"):
        failed = ended(world, path, today, today)
    assert (failed["status"], failed["failure"], failed["result"]) == ("failed", "模拟未能完成，请稍后重新模拟", None)
    assert world.operations.get(path)["status"] == "validated"


@pytest.mark.parametrize(("back", "ahead"), [(0, 1), (400, 0), (-1, -2)])
def test_period_that_cannot_be_simulated_is_refused(world: World, back: int, ahead: int) -> None:
    today = world.now().date()
    days = {"from": str(today - timedelta(days=back)), "to": str(today + timedelta(days=ahead))}
    path = validated(world, TERMS)
    assert refusal(world.operations.post, f"{path}/simulate", days) == (400, "bad_period")
