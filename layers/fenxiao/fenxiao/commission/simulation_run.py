"""Running a simulation: the lake is brought up to date, the orders are counted batch by batch, the result is written.

Each step may be repeated. The machine of `infra/state_machines/simulation.asl.json` calls them in order: one task
counts all orders if they are few enough, else a distributed map counts batches side by side. The results are the same.
"""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Final

from msgspec import Struct

from fenxiao.clock import Clock
from fenxiao.commission.lake import LakeDay, LakeOrder
from fenxiao.commission.lake_store import Lake, LakeMovedError
from fenxiao.commission.month import month_start
from fenxiao.commission.publish import RuleDesk
from fenxiao.commission.simulate import merge, simulate
from fenxiao.commission.simulation_result import leaders, result
from fenxiao.commission.store import RuleStore
from fenxiao.commission.tally_store import Batch, TallyStore, days_between
from fenxiao.relation.store import MemberStore

_PROGRESS_DAYS: Final = 20
"""After so many days of orders a task says how far it is."""
_FAILURES: Final = {LakeMovedError.__name__: "模拟期间订单数据有更新，请重新模拟"}
_FAILURE: Final = "模拟未能完成，请稍后重新模拟"


class Prepared(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What comes next: `prepare` again, `count` the one batch, `fan_out` over several, or `finish`."""

    next: str
    batch: Batch | None = None
    batches_key: str = ""


class Simulator(Struct, frozen=True):
    """What it takes to run simulations."""

    desk: RuleDesk
    rules: RuleStore
    members: MemberStore
    lake: Lake
    tallies: TallyStore
    clock: Clock
    task_orders: int
    """How many orders one task exports or counts; it goes beyond for the rest of a day only."""

    def prepare(self, simulation_id: str) -> Prepared:
        """Bring the lake up to date, a part of the days at a time, and share the days out among tasks."""
        order = self.desk.simulations.simulation(simulation_id).order
        self.desk.simulations.progress(simulation_id, 0)
        if not self.lake.refresh(order.from_day, order.to_day, self.task_orders):
            return Prepared(next="prepare")
        self.tallies.clear(simulation_id)
        days = self.lake.days(order.from_day, order.to_day)
        batches = share_out(simulation_id, order.from_day, order.to_day, days, self.task_orders)
        match batches:
            case []:
                return Prepared(next="finish")
            case [batch]:
                return Prepared(next="count", batch=batch)
        return Prepared(next="fan_out", batches_key=self.tallies.put_batches(simulation_id, batches))

    def count(self, batch: Batch) -> None:
        """Count the orders of a batch, saying now and then how far all of the simulation is.

        Raises:
            LakeMovedError: a day was exported again since the batches were made.
        """
        simulation = self.desk.simulations.simulation(batch.simulation_id)
        tally = simulate(self._orders(batch), simulation.order.terms, self.rules.versions())
        self.tallies.put(batch, tally)
        self._progress(batch.simulation_id, 0)

    def finish(self, simulation_id: str) -> None:
        """Add up what was counted, write the result, and take the draft on."""
        simulation = self.desk.simulations.simulation(simulation_id)
        terms, versions = simulation.order.terms, self.rules.versions()
        tally = merge(self.tallies.tallies(simulation_id))
        tiers = {}
        for month, member_ids in leaders(tally, terms, versions).items():
            begins_at = month_start(month)
            members = self.members.get_many(member_ids, consistent=False)
            tiers[month] = {member_id: member.tier_at(begins_at) for member_id, member in members.items()}
        self.desk.simulations.progress(simulation_id, simulation.order.days)
        self.desk.end_simulation(simulation_id, result(tally, terms, versions, tiers))

    def fail(self, simulation_id: str, error: str) -> None:
        """Write why there will be no result, in words for the staff; the draft stays as it was."""
        self.desk.simulations.fail(simulation_id, _FAILURES.get(error, _FAILURE), self.clock.now())

    def _orders(self, batch: Batch) -> Iterator[LakeOrder]:
        for number, day in enumerate(batch.lake_days, 1):
            yield from self.lake.orders_of(day)
            if number % _PROGRESS_DAYS == 0:
                self._progress(batch.simulation_id, days_between(batch.from_day, day.day))

    def _progress(self, simulation_id: str, more_days: int) -> None:
        self.desk.simulations.progress(simulation_id, self.tallies.done_days(simulation_id) + more_days)


def share_out(
    simulation_id: str, from_day: date, to_day: date, lake_days: Sequence[LakeDay], max_orders: int
) -> list[Batch]:
    """Return batches of whole days, each of at most so many orders, or of one day that has more.

    Args:
        simulation_id: Whose batches they are.
        from_day: The first day of the period.
        to_day: The last one, inclusive.
        lake_days: What the lake has of it, by day.
        max_orders: Of a batch.
    """
    groups: list[list[LakeDay]] = []
    room = 0
    for day in lake_days:
        if not groups or day.orders > room:
            groups.append([])
            room = max_orders
        groups[-1].append(day)
        room -= day.orders
    begins = from_day
    batches = []
    for number, group in enumerate(groups):
        is_last = number == len(groups) - 1
        ends = to_day if is_last else group[-1].day
        batches.append(
            Batch(simulation_id=simulation_id, number=number, from_day=begins, to_day=ends, lake_days=tuple(group))
        )
        begins = ends + timedelta(days=1)
    return batches
