"""Simulations in DynamoDB (`RULE_TABLE`): `simulation#<id>` / `simulation`.

The item is written together with the draft that asks for it, and its stream record starts the machine that runs it.
"""

from collections.abc import Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from msgspec import Struct
from pynamodb.attributes import UnicodeAttribute
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from fenxiao.aws.dynamodb import (
    IntegerAttribute,
    Item,
    JsonAttribute,
    MomentAttribute,
    RawItem,
    Transaction,
    condition_failed,
    table,
)
from fenxiao.commission.rules import RuleTerms
from fenxiao.commission.simulation_result import SimulationResult
from fenxiao.errors import NotFoundError

SIMULATION_SORT_KEY: Final = "simulation"


class SimulationStatus(StrEnum):
    """How far a simulation has come; `DONE` and `FAILED` are final."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class SimulationOrder(Struct, frozen=True, kw_only=True):
    """What is to be simulated: the terms as they were when it was asked for, on the orders paid in these days."""

    draft_id: str
    terms: RuleTerms
    from_day: date
    """The first Shanghai day of payments."""
    to_day: date
    """The last one, inclusive."""
    asked_by: str
    """The staff member."""
    asked_at: datetime

    @property
    def days(self) -> int:
        """Return how many days it covers."""
        return (self.to_day - self.from_day).days + 1


class Simulation(Struct, frozen=True, kw_only=True):
    """A simulation: what was asked, how far it is, and what came of it."""

    simulation_id: str
    order: SimulationOrder
    status: SimulationStatus = SimulationStatus.PENDING
    done_days: int = 0
    """Progress: days of the order that are done."""
    ended_at: datetime | None = None
    result: SimulationResult | None = None
    failure: str | None = None
    """Why it failed, in Chinese for the staff."""


class SimulationItem(Item):
    """A simulation; the order never changes."""

    Meta = table("RULE_TABLE")

    order: JsonAttribute[SimulationOrder] = JsonAttribute(SimulationOrder)
    status = UnicodeAttribute()
    done_days = IntegerAttribute()
    ended_at = MomentAttribute(null=True)
    result: JsonAttribute[SimulationResult] = JsonAttribute(SimulationResult, null=True)
    failure = UnicodeAttribute(null=True)


class SimulationStore:
    """Reads and writes of simulations."""

    def simulation(self, simulation_id: str) -> Simulation:
        """Return a simulation, read consistently.

        Raises:
            NotFoundError: there is none of that id.
        """
        try:
            item = SimulationItem.get(_pk(simulation_id), SIMULATION_SORT_KEY, consistent_read=True)
        except SimulationItem.DoesNotExist as error:
            raise NotFoundError from error
        return _simulation(item)

    def progress(self, simulation_id: str, done_days: int) -> None:
        """Note that it runs and so many days are done; never goes back, and leaves alone what has ended."""
        actions = [SimulationItem.status.set(SimulationStatus.RUNNING), SimulationItem.done_days.set(done_days)]
        _update(simulation_id, actions, SimulationItem.done_days <= done_days)

    def finish(self, simulation_id: str, result: SimulationResult, ended_at: datetime) -> None:
        """Write the result, once; one that has ended is left alone."""
        actions = [
            SimulationItem.status.set(SimulationStatus.DONE),
            SimulationItem.result.set(result),
            SimulationItem.ended_at.set(ended_at),
        ]
        _update(simulation_id, actions)

    def fail(self, simulation_id: str, failure: str, ended_at: datetime) -> None:
        """Write why there will be no result, once; one that has ended is left alone."""
        actions = [
            SimulationItem.status.set(SimulationStatus.FAILED),
            SimulationItem.failure.set(failure),
            SimulationItem.ended_at.set(ended_at),
        ]
        _update(simulation_id, actions)


def put_simulation(transaction: Transaction, simulation: Simulation) -> int:
    """Add a new simulation to the transaction that notes it on its draft; return the action's index."""
    item = SimulationItem(
        pk=_pk(simulation.simulation_id),
        sk=SIMULATION_SORT_KEY,
        order=simulation.order,
        status=simulation.status,
        done_days=simulation.done_days,
    )
    return transaction.put(item, SimulationItem.pk.does_not_exist())


def simulation_from_image(image: RawItem) -> Simulation | None:
    """Return the simulation of a stream image, `None` for a draft's or a version's."""
    if image["sk"]["S"] != SIMULATION_SORT_KEY:
        return None
    return _simulation(SimulationItem.from_raw_data(image))


def _update(simulation_id: str, actions: Sequence[Action], also: Condition | None = None) -> None:
    condition = SimulationItem.status.is_in(SimulationStatus.PENDING, SimulationStatus.RUNNING)
    if also is not None:
        condition &= also
    try:
        SimulationItem(_pk(simulation_id), SIMULATION_SORT_KEY).update(list(actions), condition)
    except Exception as error:
        if not condition_failed(error):
            raise


def _pk(simulation_id: str) -> str:
    return f"simulation#{simulation_id}"


def _simulation(item: SimulationItem) -> Simulation:
    return Simulation(
        simulation_id=item.pk.partition("#")[2],
        order=item.order,
        status=SimulationStatus(item.status),
        done_days=item.done_days,
        ended_at=item.ended_at,
        result=item.result,
        failure=item.failure,
    )
