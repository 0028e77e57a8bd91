"""The rules of cases, pure: opening, deciding, timing out, closing (M27, M28)."""

from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from fenxiao.ids import Kind, derived_id
from fenxiao.review.errors import AlreadyDecidedError, DecisionStaleError, LeadRequiredError, OwnRequestError
from fenxiao.review.model import Case, CaseFile, CaseStatus, Decision, Facts, Reviewer, RoundToken, Verdict

LAST_ROUND: Final = 2
"""Round 1 escalates to round 2, which is for leads; round 2 expires."""
ESCALATED: Final = "escalated"
"""The outcome of a round that timed out while another follows."""

_DELIVERY_TIME: Final = timedelta(minutes=10)
"""A decided case that the machine has not closed by then is looked after by the sweeper (M29)."""


class Matter(Struct, frozen=True, kw_only=True):
    """What somebody is to decide. Kind, subject and number give the case its id, so opening it twice opens one."""

    kind: str
    subject_id: str
    person: str
    facts: Facts
    required_approvals: int
    number: int | str = 1
    """Tells apart several cases of one kind on one subject: how many there were, or what names the request."""
    excluded: tuple[str, ...] = ()
    """See `Case.excluded`."""

    @property
    def case_id(self) -> str:
        """Return the id of the case on this matter."""
        return case_id(self.kind, self.subject_id, self.number)


def case_id(kind: str, subject_id: str, number: int | str = 1) -> str:
    """Return the id that a case of this kind on this subject always has."""
    return derived_id(Kind.CASE, kind, subject_id, str(number))


def opened(matter: Matter, now: datetime, review_time: timedelta, first_round: int = 1) -> Case:
    """Return the new case; `first_round` 2 puts it before the leads at once."""
    return Case(
        case_id=matter.case_id,
        kind=matter.kind,
        subject_id=matter.subject_id,
        person=matter.person,
        excluded=matter.excluded,
        facts=matter.facts,
        required_approvals=matter.required_approvals,
        round=first_round,
        deadline=now + review_time,
        opened_at=now,
        due_at=now + review_time,
    )


def decided(file: CaseFile, decision: Decision, reviewer: Reviewer) -> Case:
    """Return the case after a decision: any rejection ends it, the last needed approval ends it.

    Raises:
        OwnRequestError: the case is about the reviewer, or the reviewer asked for it.
        AlreadyDecidedError: this person has decided on the case already.
        DecisionStaleError: the case is not open in the decision's round.
        LeadRequiredError: the round is for leads.
    """
    case = file.case
    if {reviewer.staff_id, reviewer.person} & {case.person, *case.excluded}:
        raise OwnRequestError
    if any(_same_person(former, reviewer) for former in file.decisions):
        raise AlreadyDecidedError
    if case.status is not CaseStatus.OPEN or case.round != decision.round:
        raise DecisionStaleError
    if case.round >= LAST_ROUND and not reviewer.is_lead:
        raise LeadRequiredError
    if decision.verdict is Verdict.REJECT:
        return _ended(case, CaseStatus.REJECTED, decision.decided_at)
    approvals = 1 + sum(former.verdict is Verdict.APPROVE for former in file.decisions)
    if approvals >= case.required_approvals:
        return _ended(case, CaseStatus.APPROVED, decision.decided_at)
    return case


def timed_out(case: Case, now: datetime, review_time: timedelta) -> Case:
    """Return the case after its deadline: escalated to the leads, or expired; unchanged if the deadline is ahead."""
    if case.status is not CaseStatus.OPEN or case.deadline > now:
        return case
    if case.round >= LAST_ROUND:
        return _ended(case, CaseStatus.EXPIRED, now)
    deadline = now + review_time
    return replace(case, round=case.round + 1, deadline=deadline, due_at=deadline)


def waiting(case: Case, token: str) -> Case:
    """Return the case with the machine waiting for its current round under this token."""
    return replace(case, round_token=RoundToken(round=case.round, token=token))


def closed(case: Case, now: datetime) -> Case:
    """Return the case with its outcome taken note of; an open or closed one is left as it is."""
    if case.status is CaseStatus.OPEN or case.closed_at:
        return case
    return replace(case, closed_at=now, due_at=None)


def restarted(case: Case, now: datetime) -> Case:
    """Return the decided case after the sweeper started another execution for it."""
    attempt = case.attempt + 1
    return replace(case, attempt=attempt, due_at=now + attempt * _DELIVERY_TIME)


def round_outcome(case: Case) -> str | None:
    """Return how the round ended for which the machine waits; `None` while it has not, or nothing waits."""
    if case.round_token is None:
        return None
    if case.status is not CaseStatus.OPEN:
        return case.status
    return ESCALATED if case.round > case.round_token.round else None


def _ended(case: Case, status: CaseStatus, now: datetime) -> Case:
    return replace(case, status=status, due_at=now + _DELIVERY_TIME)


def _same_person(former: Decision, reviewer: Reviewer) -> bool:
    return former.staff_id == reviewer.staff_id or (reviewer.person is not None and former.person == reviewer.person)
