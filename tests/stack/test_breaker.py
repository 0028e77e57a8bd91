"""Commissions that take too much of their month's sales wait for a person (M16)."""

from collections.abc import Iterator

import pytest

from infra.local.api_client import wait_for
from tests.stack.support import HOLD, HOUR, MINUTE, TIMEOUT_SECONDS, Json, Person, World, refusal

pytestmark = pytest.mark.rule("M16")

TERMS: Json = {
    "base_bps": [1000, 500, 200],
    "cap_bps": 2000,
    "hold_days": 7,
    "breaker": {"park_bps": 100, "alarm_bps": 200},
}


@pytest.fixture(scope="module", autouse=True)
def _strict_breaker(world: World) -> Iterator[None]:
    """From now on one per cent is too much."""
    with world.rules("熔断", TERMS):
        world.sandbox.advance(6 * MINUTE)
        yield


@pytest.fixture
def parked(world: World) -> tuple[Person, str, Json]:
    """A promoter whose commission of 1 000 fen waits in a month of its own, the order, and the month's case."""
    world.start_of_month()
    promoter = world.promoter()
    buyer, order_id = world.sale(promoter, 1_000)
    world.wait_for_line(promoter, "earn", order_id)
    world.deliver(buyer, order_id)
    world.sandbox.advance(HOLD)
    case = world.wait_for_case(f"{world.now():%Y-%m}", "commission_breaker")
    return promoter, order_id, case


def settle(world: World, order_id: str, events: list[str]) -> None:
    """Let the settlement look in on its cases until the order's journals are these."""

    def look() -> bool | None:
        world.sandbox.advance(HOUR + MINUTE)
        return True if world.events(f"order#{order_id}") == events else None

    wait_for(f"{events}", look, TIMEOUT_SECONDS)


def test_approved_commissions_settle(world: World, parked: tuple[Person, str, Json]) -> None:
    promoter, order_id, case = parked
    facts = case["facts"]
    assert (facts["park_bps"], facts["share_bps"]) == (100, 1_000)
    assert (facts["commission_fen"], facts["sales_fen"]) == (1_000, 10_000)
    world.sandbox.advance(2 * HOUR)
    world.wait_for_wallet(promoter, held_fen=1_000)
    assert world.events(f"order#{order_id}") == ["earn"]
    assert refusal(lambda: world.decide(world.operations, case, "approve")) == (403, "forbidden")
    assert world.decide(world.finance, case, "approve")["status"] == "approved"
    settle(world, order_id, ["earn", "settle"])
    world.wait_for_wallet(promoter, available_fen=1_000)


def test_rejected_commissions_are_taken_back(world: World, parked: tuple[Person, str, Json]) -> None:
    promoter, order_id, case = parked
    assert world.decide(world.finance, case, "reject")["status"] == "rejected"
    settle(world, order_id, ["earn", "deny", "settle"])
    world.wait_for_wallet(promoter)
    world.wait_for_line(promoter, "deny", order_id)
