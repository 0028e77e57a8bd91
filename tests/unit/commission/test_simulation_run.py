"""Running a simulation step by step, as its machine does: one task or many, again and again, and when it fails."""

from collections.abc import Iterator
from datetime import date, timedelta

import msgspec
import pytest
from msgspec.structs import replace

from fenxiao.commission.draft_store import DraftStore
from fenxiao.commission.drafts import DraftStatus, simulation_asked
from fenxiao.commission.lake import LakeDay, Part
from fenxiao.commission.lake_store import LakeMovedError
from fenxiao.commission.publish import RuleDesk
from fenxiao.commission.rules import RuleTerms, terms_of
from fenxiao.commission.simulation_result import SimulationResult
from fenxiao.commission.simulation_run import Prepared, Simulator, share_out
from fenxiao.commission.simulation_store import Simulation, SimulationOrder, SimulationStatus, SimulationStore
from fenxiao.commission.tally_store import Batch, TallyStore
from fenxiao.ids import Kind
from fenxiao.relation.model import Tier
from tests.support.drafting import DRAFT_ID, SIMULATION_ID, draft_at
from tests.support.world import NOW, rule_set
from tests.unit.commission.lakeside import BUCKET, DAY, EVERYTHING, Lakeside, objects

pytestmark = [pytest.mark.usefixtures("tables"), pytest.mark.moto]

DAYS = 5
TERMS = terms_of(rule_set(base_bps=(1_200, 500, 200), tier_bps={Tier.GOLD: (1_500,)}))


@pytest.fixture
def shop() -> Lakeside:
    """Orders on the first, second and fourth of five days."""
    shop = Lakeside()
    for prices in ([10_000], [20_000, 30_000], [], [40_000], []):
        for fen in prices:
            shop.sell(fen)
        shop.floor.clock.advance(days=1)
    shop.floor.clock.advance(days=-1)
    return shop


def simulator(shop: Lakeside, task_orders: int = EVERYTHING) -> Simulator:
    desk = RuleDesk(shop.rules, DraftStore(), SimulationStore(), shop.floor.clock)
    return Simulator(desk, shop.rules, shop.floor.members, shop.lake, TallyStore(BUCKET), shop.floor.clock, task_orders)


def ask(number: int = 1, terms: RuleTerms = TERMS) -> str:
    """Ask for a simulation of a validated draft, the n-th, on the five days; return its id."""
    draft_id, simulation_id = (kind + f"{number:026d}" for kind in (Kind.DRAFT, Kind.SIMULATION))
    order = SimulationOrder(
        draft_id=draft_id,
        terms=terms,
        from_day=DAY,
        to_day=DAY + timedelta(days=DAYS - 1),
        asked_by="S1",
        asked_at=NOW,
    )
    draft = simulation_asked(draft_at(DraftStatus.VALIDATED, draft_id, terms), simulation_id)
    DraftStore().save(draft, simulation=Simulation(simulation_id=simulation_id, order=order))
    return simulation_id


def read(simulation_id: str = SIMULATION_ID) -> Simulation:
    return SimulationStore().simulation(simulation_id)


def batches(prepared: Prepared) -> list[Batch]:
    """What the machine's tasks are given to count."""
    if prepared.batch:
        return [msgspec.json.decode(msgspec.json.encode(prepared.batch), type=Batch)]
    return msgspec.json.decode(objects()[prepared.batches_key], type=list[Batch]) if prepared.batches_key else []


def prepare(machine: Simulator, simulation_id: str) -> Iterator[Prepared]:
    """Prepare as often as it takes."""
    while True:
        yield (prepared := machine.prepare(simulation_id))
        if prepared.next != "prepare":
            return


def run(machine: Simulator, simulation_id: str = SIMULATION_ID) -> SimulationResult:
    *_, prepared = prepare(machine, simulation_id)
    for batch in reversed(batches(prepared)):
        machine.count(batch)
    machine.finish(simulation_id)
    found = read(simulation_id).result
    assert found
    return found


def test_simulation_counts_the_orders_and_takes_its_draft_on(shop: Lakeside) -> None:
    ask()
    found = run(simulator(shop))
    assert (found.total.orders, found.total.net_fen) == (4, 100_000)
    assert (found.total.cost.draft_fen, found.total.cost.in_force_fen) == (19_000, 17_000)
    done = read()
    assert (done.status, done.done_days, done.ended_at) == (SimulationStatus.DONE, DAYS, shop.floor.clock.now())
    assert DraftStore().get(DRAFT_ID).status is DraftStatus.SIMULATED


def test_many_tasks_give_the_very_result_of_one(shop: Lakeside) -> None:
    machines = {ask(limit): simulator(shop, limit) for limit in (EVERYTHING, 2, 1)}
    shapes, results = [], set()
    for simulation_id, machine in machines.items():
        *again, prepared = prepare(machine, simulation_id)
        shapes.append((len(again), prepared.next, [one.days for one in batches(prepared)]))
        results.add(msgspec.json.encode(run(machine, simulation_id)))
    assert shapes == [(0, "count", [5]), (0, "fan_out", [1, 1, 3]), (0, "fan_out", [1, 1, 3])]
    assert len(results) == 1


def test_lake_is_brought_up_to_date_a_part_of_the_days_at_a_time(shop: Lakeside) -> None:
    ask()
    steps = [prepared.next for prepared in prepare(simulator(shop, 1), SIMULATION_ID)]
    assert steps == ["prepare", "prepare", "fan_out"]


def test_progress_is_seen_batch_by_batch(shop: Lakeside) -> None:
    ask()
    machine, seen = simulator(shop, 2), []
    *_, prepared = prepare(machine, SIMULATION_ID)
    seen.append((read().status, read().done_days))
    for batch in batches(prepared):
        machine.count(batch)
        seen.append((read().status, read().done_days))
    assert seen == [(SimulationStatus.RUNNING, days) for days in (0, 1, 2, 5)]


def test_progress_is_seen_within_a_task(shop: Lakeside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fenxiao.commission.simulation_run._PROGRESS_DAYS", 1)
    ask()
    seen: list[int] = []
    noted = SimulationStore.progress

    def note(store: SimulationStore, simulation_id: str, done_days: int) -> None:
        noted(store, simulation_id, done_days)
        seen.append(read().done_days)

    monkeypatch.setattr(SimulationStore, "progress", note)
    run(simulator(shop))
    assert seen == [0, 1, 2, 4, 5, 5]


def test_every_step_may_be_repeated(shop: Lakeside) -> None:
    ask()
    machine = simulator(shop, 2)
    once = run(machine)
    machine.finish(SIMULATION_ID)
    assert read().result == once
    again = ask(2)
    for _ in range(2):
        *_, prepared = prepare(machine, again)
        for batch in batches(prepared) * 2:
            machine.count(batch)
    machine.finish(again)
    assert read(again).result == once


def test_tallies_of_an_attempt_that_was_prepared_otherwise_do_not_count(shop: Lakeside) -> None:
    ask()
    *_, prepared = prepare(simulator(shop, 1), SIMULATION_ID)
    simulator(shop, 1).count(batches(prepared)[0])
    assert run(simulator(shop)).total.orders == 4


def test_period_without_orders_has_a_result_too() -> None:
    ask()
    found = run(simulator(Lakeside()))
    assert (found.total.orders, found.months) == (0, ())
    assert read().done_days == DAYS


@pytest.mark.rule("M19")
def test_leaders_have_the_tiers_that_they_had_when_the_month_began(shop: Lakeside) -> None:
    """Members of the shop floor are standard promoters, so the leaders of gold get nothing."""
    terms = msgspec.convert(
        {
            "base_bps": [1_000],
            "cap_bps": 5_000,
            "hold_days": 7,
            "team_bonus": {"steps": [{"from_fen": 1, "rate_bps": 100}], "leader_tiers": ["gold"]},
        },
        RuleTerms,
    )
    ask(terms=terms)
    assert run(simulator(shop)).team_bonus.draft_fen == 0
    team = terms.team_bonus
    assert team
    other = ask(2, replace(terms, team_bonus=replace(team, leader_tiers=(Tier.STANDARD,))))
    assert run(simulator(shop), other).team_bonus.draft_fen == 3 * 1_000


def test_day_that_moves_meanwhile_is_not_counted_half(shop: Lakeside) -> None:
    ask()
    machine = simulator(shop)
    prepared = machine.prepare(SIMULATION_ID)
    shop.sell(1_000)
    shop.exported(days=DAYS)
    assert prepared.batch
    machine.count(prepared.batch)  # the order of today is in a day that was not listed
    listed = machine.prepare(SIMULATION_ID)
    shop.sell(2_000)
    shop.exported(days=DAYS)
    assert listed.batch
    with pytest.raises(LakeMovedError):
        machine.count(listed.batch)


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        ("LakeMovedError", "模拟期间订单数据有更新，请重新模拟"),
        ("States.ExceedToleratedFailureThreshold", "模拟未能完成，请稍后重新模拟"),
    ],
)
def test_failure_is_told_in_words_and_leaves_the_draft_as_it_was(shop: Lakeside, error: str, failure: str) -> None:
    ask()
    machine = simulator(shop)
    *_, prepared = prepare(machine, SIMULATION_ID)
    machine.fail(SIMULATION_ID, error)
    for batch in batches(prepared):
        machine.count(batch)
    machine.finish(SIMULATION_ID)
    failed = read()
    assert (failed.status, failed.failure, failed.result) == (SimulationStatus.FAILED, failure, None)
    assert DraftStore().get(DRAFT_ID).status is DraftStatus.VALIDATED


def lake_day(number: int, orders: int) -> LakeDay:
    return LakeDay(
        day=date(2026, 3, number), revision=1, parts=(Part("key", "etag", orders),), exported_at=NOW, unsettled=False
    )


def test_days_are_shared_out_whole_and_cover_the_period() -> None:
    days = [lake_day(number, orders) for number, orders in ((2, 4), (3, 6), (4, 1), (7, 30), (8, 2))]
    shared = share_out("V1", date(2026, 3, 1), date(2026, 3, 31), days, 10)
    assert [(one.from_day.day, one.to_day.day, one.days, len(one.lake_days)) for one in shared] == [
        (1, 3, 3, 2),
        (4, 4, 1, 1),
        (5, 7, 3, 1),
        (8, 31, 24, 1),
    ]
    assert sum(one.days for one in shared) == 31
    assert [day for one in shared for day in one.lake_days] == days
    assert [one.number for one in shared] == [0, 1, 2, 3]
