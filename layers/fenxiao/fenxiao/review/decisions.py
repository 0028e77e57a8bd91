"""What people and machines do with cases."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

from fenxiao.aws.dynamodb import back_off
from fenxiao.clock import Clock
from fenxiao.errors import BusyError
from fenxiao.review.cases import closed, decided, restarted, timed_out, waiting
from fenxiao.review.dispatch import Start
from fenxiao.review.model import Case, CaseStatus, Decision, Reviewer, Verdict
from fenxiao.review.store import CaseStore

_MAX_ATTEMPTS: Final = 8

type Effect = Callable[[Case], None]
"""Carries out the outcome of a decided case, whatever it is; it may be called again and must then change nothing."""


def decide(
    store: CaseStore, reviewer: Reviewer, case_id: str, round_number: int, verdict: Verdict, reason: str, clock: Clock
) -> Case:
    """Write a reviewer's decision, and with it the case's outcome if it is the last one needed (M28).

    The stream delivers the outcome to whoever waits for it.

    Raises:
        NotFoundError, OwnRequestError, AlreadyDecidedError, DecisionStaleError, LeadRequiredError: see `cases.decided`.
        BusyError: others kept changing the case.
    """
    for attempt in range(_MAX_ATTEMPTS):
        file = store.file(case_id)
        decision = Decision(
            case_id=case_id,
            round=round_number,
            staff_id=reviewer.staff_id,
            person=reviewer.person,
            verdict=verdict,
            reason=reason,
            decided_at=clock.now(),
        )
        after = decided(file, decision, reviewer)
        if store.add_decision(after, decision):
            return after
        back_off(attempt)
    raise BusyError


def await_round(store: CaseStore, case_id: str, token: str) -> None:
    """Store the token under which the machine waits for the current round.

    The write's own stream record completes the token if the round has ended already, so a decision that was there
    first is found (M28).
    """
    store.change(case_id, lambda case: waiting(case, token))


def close(store: CaseStore, case_id: str, clock: Clock, effects: Mapping[str, Effect]) -> None:
    """Carry out what the outcome means, then take note of it; the stream tells whoever opened the case.

    A case whose effect fails stays unclosed, so the sweeper starts another execution for it (M29): effects are
    idempotent.

    Args:
        store: The cases.
        case_id: Which one.
        clock: Says when the outcome was taken note of.
        effects: By kind of case, what its outcome means; kinds without one only tell who opened them.

    Raises:
        NotFoundError: there is no such case.
        Exception: what the effect raises; the case is not closed.
    """
    case = store.get(case_id)
    if case and case.kind in effects and case.status is not CaseStatus.OPEN and case.closed_at is None:
        effects[case.kind](case)
    store.change(case_id, lambda one: closed(one, clock.now()))


def look_after(store: CaseStore, case_id: str, now: datetime, review_time: timedelta, start: Start) -> None:
    """Do what is due on a case: time the round out, or start an execution for an outcome that was not taken note of."""
    case = store.change(case_id, lambda one: timed_out(one, now, review_time))
    if case.status is CaseStatus.OPEN or case.closed_at or case.due_at is None or case.due_at > now:
        return
    start(f"{case_id}-{case.attempt + 1}", {"case_id": case_id})
    store.change(case_id, lambda one: one if one.closed_at else restarted(one, now))
