"""What people and machines do with cases."""

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


def close(store: CaseStore, case_id: str, clock: Clock) -> None:
    """Take note of the outcome; the stream tells whoever opened the case."""
    store.change(case_id, lambda case: closed(case, clock.now()))


def look_after(store: CaseStore, case_id: str, now: datetime, review_time: timedelta, start: Start) -> None:
    """Do what is due on a case: time the round out, or start an execution for an outcome that was not taken note of."""
    case = store.change(case_id, lambda one: timed_out(one, now, review_time))
    if case.status is CaseStatus.OPEN or case.closed_at or case.due_at is None or case.due_at > now:
        return
    start(f"{case_id}-{case.attempt + 1}", {"case_id": case_id})
    store.change(case_id, lambda one: one if one.closed_at else restarted(one, now))
