"""A month's ladder and team bonuses: previewed, closed, adjusted by a refund, settled; the figures are by hand."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from typing import Final

import pytest

from infra.local.api_client import ApiError, wait_for
from tests.stack.support import DAY, HOLD, MINUTE, TIMEOUT_SECONDS, Json, Person, World, all_pages, refusal

pytestmark = pytest.mark.rule("M19")

TERMS: Final = {
    "base_bps": [1000, 500, 200],
    "cap_bps": 2000,
    "hold_days": 7,
    "ladder": [{"from_fen": 5_000_000, "rate_bps": 100}, {"from_fen": 8_000_000, "rate_bps": 200}],
    "team_bonus": {"steps": [{"from_fen": 6_000_000, "rate_bps": 50}]},
}
"""The steps are above what any other story of this stack sells in a month."""
_MAX_RUNS: Final = 6


@pytest.fixture
def _bonuses_from_the_next_month_on(world: World) -> Iterator[None]:
    """Publish the rules within a month, and put those of the demo shop back afterwards."""
    world.start_of_month()
    with world.rules("月度奖励", TERMS):
        yield


def month_of(moment: datetime) -> str:
    return moment.strftime("%Y-%m")


def bonuses(world: World, month: str, view: str = "close") -> dict[str, tuple[int, int]]:
    """Return each promoter's ladder and team bonus."""
    lines = all_pages(world.finance.get, f"/staff/months/{month}?view={view}", 2)
    return {one["promoter_id"]: (one["ladder_fen"], one["team_bonus_fen"]) for one in lines}


def run_until(world: World, month: str, what: str, value: object) -> Json:
    """Let the scheduled functions run until a month's close says so; read models follow the books within a second."""
    found: Json = {}
    for _ in range(_MAX_RUNS):
        with suppress(ApiError):  # not closed yet
            found = world.finance.get(f"/staff/months/{month}")
        if found and found[what] == value:
            return found
        world.sandbox.advance(MINUTE)
    raise AssertionError(f"{month} did not come to {what} {value}: {found}")


@pytest.mark.usefixtures("_bonuses_from_the_next_month_on")
def test_a_month_is_previewed_closed_adjusted_and_settled(world: World) -> None:
    a, b, c = world.chain("A", "B", "C")
    early, late = world.person("early"), world.person("late")
    world.bind(early, c)
    world.start_of_month()
    month = month_of(world.now())
    world.bind(late, c)
    sku = world.sku(1_000_000)
    first, second = world.paid_order(early, {sku: 5}), world.paid_order(early, {sku: 4})
    third = world.paid_order(late, {sku: 1})
    world.wait_for_line(c, "earn", third)

    # C sold 10 000 000 fen: 2 %. The late one came within the month, so the teams sold 9 000 000: 0.5 %.
    due = {c.member_id: (200_000, 45_000), b.member_id: (0, 45_000), a.member_id: (0, 45_000)}
    preview(world, month)
    assert bonuses(world, month, "preview") == due
    assert refusal(lambda: bonuses(world, month)) == (404, "month_not_found")
    world.wait_for_wallet(c, held_fen=1_000_000)

    world.start_of_month()
    noon_of_the_2nd = world.now().replace(day=2, hour=12, minute=1)
    assert refusal(lambda: bonuses(world, month)) == (404, "month_not_found")
    world.sandbox.advance(int((noon_of_the_2nd - world.now()).total_seconds()))
    closed = run_until(world, month, "state", "held")
    assert (closed["total_fen"], closed["promoters"], closed["on_hold"]) == (335_000, 3, True)
    assert bonuses(world, month) == due
    check_wallets(world, "held_fen", (c, 1_245_000), (b, 545_000), (a, 245_000))

    # 7 000 000 and 6 000 000 are left: one step down, and just still on the team's.
    world.wait_for_refund(first, world.refund(first, amount_fen=3_000_000)["refund_id"])
    run_until(world, month, "total_fen", 70_000 + 3 * 30_000)
    check_wallets(world, "held_fen", (c, 700_000 + 100_000), (b, 350_000 + 30_000), (a, 140_000 + 30_000))
    assert world.events(f"bonus#{month}#{c.member_id}") == ["close", "adjust#1"]

    for buyer, order_id in ((early, first), (early, second), (late, third)):
        world.deliver(buyer, order_id)
    world.sandbox.advance(HOLD)
    run_until(world, month, "state", "settled")
    check_wallets(world, "available_fen", (c, 800_000), (b, 380_000), (a, 170_000))

    # A fen less and the teams are below their step.
    world.wait_for_refund(second, world.refund(second, amount_fen=1)["refund_id"])
    run_until(world, month, "team_bonus_fen", 0)
    check_wallets(world, "available_fen", (c, 699_999 + 69_999), (b, 349_999), (a, 139_999))
    before = {person.member_id: world.events(f"bonus#{month}#{person.member_id}") for person in (a, b, c)}
    assert before[c.member_id] == ["close", "adjust#1", "settle", "adjust#3"]
    world.sandbox.advance(DAY)
    assert before == {one: world.events(f"bonus#{month}#{one}") for one in before}, "closing again changes nothing"


def preview(world: World, month: str) -> None:
    """Ask for a fresh preview and wait for it."""

    def computed_at() -> str | None:
        with suppress(ApiError):  # not previewed yet
            return str(world.finance.get(f"/staff/months/{month}?view=preview")["computed_at"])
        return None

    before = computed_at()
    assert world.operations.post(f"/staff/months/{month}/preview") == {"month": month}
    wait_for("the preview", lambda: True if computed_at() != before else None, TIMEOUT_SECONDS)


def check_wallets(world: World, figure: str, *figures: tuple[Person, int]) -> None:
    for person, fen in figures:
        world.wait_for_wallet(person, **{figure: fen})


def test_months_are_refused_to_whom_they_do_not_concern_and_in_other_words(world: World) -> None:
    month = month_of(world.now())
    assert refusal(lambda: world.person().get(f"/staff/months/{month}")) == (403, "forbidden")
    assert refusal(lambda: world.finance.get("/staff/months/2026-13")) == (400, "bad_month")
    assert refusal(lambda: world.finance.get(f"/staff/months/{month}?view=all")) == (400, "bad_view")
    assert refusal(lambda: world.finance.post("/staff/months/2099-01/preview")) == (409, "month_out_of_reach")
