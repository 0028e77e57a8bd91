"""Drafts of rule sets brought as far as a test needs them."""

from datetime import date, datetime

from msgspec.structs import replace

from fenxiao.commission.draft_store import DraftStore
from fenxiao.commission.drafts import (
    Deed,
    Draft,
    DraftStatus,
    Judgement,
    approved,
    begun,
    simulated,
    simulation_asked,
    validated,
)
from fenxiao.commission.rules import RuleTerms, terms_of
from fenxiao.commission.simulate import MonthTally, Tally
from fenxiao.commission.simulation_result import SimulationResult, result
from fenxiao.commission.simulation_store import Simulation, SimulationOrder
from tests.support.world import NOW, rule_set

DRAFT_ID = f"U{'0' * 25}1"
SIMULATION_ID = f"V{'0' * 25}1"
TERMS: RuleTerms = terms_of(rule_set())


def simulation_result(orders: int = 3) -> SimulationResult:
    """What a simulation says of so many orders that were free."""
    return result(Tally({"2026-02": MonthTally(orders=orders)}), TERMS, (), {})


def deed(staff_id: str = "S1", person: str | None = None, at: datetime = NOW) -> Deed:
    return Deed(staff_id=staff_id, person=person, at=at)


def judgement(staff_id: str = "S2", person: str | None = None, comment: str = "同意") -> Judgement:
    return Judgement(deed=deed(staff_id, person), comment=comment)


def simulation(draft: Draft, simulation_id: str = SIMULATION_ID) -> Simulation:
    """A simulation of February."""
    order = SimulationOrder(
        draft_id=draft.draft_id,
        terms=draft.terms,
        from_day=date(2026, 2, 1),
        to_day=date(2026, 2, 28),
        asked_by="S1",
        asked_at=NOW,
    )
    return Simulation(simulation_id=simulation_id, order=order)


def draft_at(status: DraftStatus, draft_id: str = DRAFT_ID, terms: RuleTerms = TERMS) -> Draft:
    """A draft of S1's that has come so far, approved by S2; published, it is version 1."""
    draft = begun(draft_id, "三月规则", terms, deed())
    if status is DraftStatus.DRAFT:
        return draft
    draft = validated(draft)
    if status is DraftStatus.VALIDATED:
        return draft
    draft = simulated(simulation_asked(draft, draft_id.replace("U", "V")), draft_id.replace("U", "V"), NOW)
    if status is DraftStatus.SIMULATED:
        return draft
    draft = approved(draft, 0, judgement())
    return draft if status is DraftStatus.APPROVED else replace(draft, status=DraftStatus.PUBLISHED, version=1)


def saved(status: DraftStatus, draft_id: str = DRAFT_ID, terms: RuleTerms = TERMS) -> Draft:
    """A draft that has come so far, as the table has it: revision 1, with its simulation if it has one."""
    draft = draft_at(status, draft_id, terms)
    asked = simulation(draft, draft.simulation_id) if draft.simulation_id else None
    return DraftStore().save(draft, simulation=asked)
