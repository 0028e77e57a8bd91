"""What staff do with rule sets: write, validate, simulate, approve, publish, roll back."""

from collections.abc import Callable
from datetime import timedelta
from typing import Final

from msgspec import Struct

from fenxiao.clock import Clock, shanghai_day
from fenxiao.commission.contract import ChangeDraft, JudgeDraft, PublishDraft, RollBack, SimulateDraft, WriteDraft
from fenxiao.commission.draft_store import DraftStore
from fenxiao.commission.drafts import (
    Deed,
    Draft,
    Judgement,
    Version,
    approved,
    begun,
    changed,
    published,
    rejected,
    release,
    rollback,
    simulated,
    simulation_asked,
    validated,
)
from fenxiao.commission.simulation_result import SimulationResult
from fenxiao.commission.simulation_store import (
    Simulation,
    SimulationOrder,
    SimulationStatus,
    SimulationStore,
)
from fenxiao.commission.store import RuleStore
from fenxiao.errors import BadRequestError, NotFoundError
from fenxiao.ids import Kind, new_id
from fenxiao.review.model import Reviewer, Verdict

_MAX_SIMULATED: Final = timedelta(days=400)


class SimulatedPeriodError(BadRequestError):
    """The days are none, too many, or not yet over."""

    code = "bad_period"
    title = f"模拟区间应为已开始的日期，且不超过 {_MAX_SIMULATED.days} 天"


class NotSimulatedError(NotFoundError):
    """No simulation was asked for since the terms were written."""

    code = "not_simulated"
    title = "该草稿尚未模拟"


class RuleDesk(Struct, frozen=True):
    """Where rule sets are made; each step's refusals are those of `drafts`."""

    rules: RuleStore
    drafts: DraftStore
    simulations: SimulationStore
    clock: Clock

    def begin(self, wanted: WriteDraft, staff: Reviewer) -> Draft:
        """Write a new draft."""
        by = self._deed(staff)
        return self.drafts.save(begun(new_id(Kind.DRAFT, by.at), wanted.title, wanted.terms, by))

    def change(self, draft_id: str, wanted: ChangeDraft, staff: Reviewer) -> Draft:
        """Replace a draft's title and terms."""
        by = self._deed(staff)
        return self.drafts.change(
            draft_id, lambda draft: changed(draft, wanted.revision, wanted.title, wanted.terms, by)
        )

    def validate(self, draft_id: str) -> Draft:
        """Check a draft's terms against every limit."""
        return self.drafts.change(draft_id, validated)

    def simulate(self, draft_id: str, wanted: SimulateDraft, staff: Reviewer) -> Simulation:
        """Ask for a simulation of a draft's terms on the orders paid in some days; the stream starts it.

        Raises:
            SimulatedPeriodError: the days are none, too many, or not yet there.
            DraftStaleError: the draft changed at this very moment.
        """
        now = self.clock.now()
        span = wanted.to_day - wanted.from_day
        if not timedelta(0) <= span < _MAX_SIMULATED or wanted.to_day > shanghai_day(now):
            raise SimulatedPeriodError
        draft = self.drafts.get(draft_id)
        order = SimulationOrder(
            draft_id=draft_id,
            terms=draft.terms,
            from_day=wanted.from_day,
            to_day=wanted.to_day,
            asked_by=staff.staff_id,
            asked_at=now,
        )
        simulation = Simulation(simulation_id=new_id(Kind.SIMULATION, now), order=order)
        self.drafts.save(simulation_asked(draft, simulation.simulation_id), simulation=simulation)
        return simulation

    def simulation(self, draft_id: str) -> Simulation:
        """Return the last simulation of a draft's terms.

        Raises:
            NotSimulatedError: none was asked for.
        """
        simulation_id = self.drafts.get(draft_id).simulation_id
        if simulation_id is None:
            raise NotSimulatedError
        return self.simulations.simulation(simulation_id)

    def end_simulation(self, simulation_id: str, result: SimulationResult) -> None:
        """Write a simulation's result, then take its draft on; may be repeated, and one that failed stays so."""
        self.simulations.finish(simulation_id, result, self.clock.now())
        ended = self.simulations.simulation(simulation_id)
        at = ended.ended_at
        if at is not None and ended.status is SimulationStatus.DONE:
            self.drafts.change(ended.order.draft_id, lambda draft: simulated(draft, simulation_id, at))

    def judge(self, draft_id: str, wanted: JudgeDraft, staff: Reviewer) -> Draft:
        """Approve a draft, or put it back."""
        judgement = Judgement(deed=self._deed(staff), comment=wanted.comment)
        do: Callable[[Draft, int, Judgement], Draft] = approved if wanted.verdict is Verdict.APPROVE else rejected
        return self.drafts.change(draft_id, lambda draft: do(draft, wanted.revision, judgement))

    def publish(self, draft_id: str, wanted: PublishDraft, staff: Reviewer) -> Version:
        """Publish an approved draft as the next version.

        Raises:
            VersionTakenError: somebody published in between.
            DraftStaleError: the draft changed at this very moment.
        """
        draft = self.drafts.get(draft_id)
        version = release(draft, self.rules.history(), wanted.effective_from, self._deed(staff))
        self.drafts.save(published(draft, version.rules.version), version=version)
        return version

    def roll_back(self, wanted: RollBack, staff: Reviewer) -> Version:
        """Publish the terms of an old version as the next one.

        Raises:
            VersionTakenError: somebody published in between.
        """
        version = rollback(self.rules.history(), wanted.to_version, wanted.reason, self._deed(staff))
        self.rules.publish(version)
        return version

    def _deed(self, staff: Reviewer) -> Deed:
        return Deed(staff_id=staff.staff_id, person=staff.person, at=self.clock.now())
