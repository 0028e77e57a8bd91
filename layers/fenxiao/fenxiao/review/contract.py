"""HTTP contracts of the reviewers' desk."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Final

import msgspec

from fenxiao.clock import SHANGHAI
from fenxiao.errors import BadRequestError
from fenxiao.http import cursor
from fenxiao.http.pages import PAGE_QUERY, Page, page_limit
from fenxiao.review.model import Case, CaseFile, CaseStatus, Decision, Facts, Verdict
from fenxiao.review.store import CaseStore

QUEUE_QUERY: Final = {"kind": "审核类型，默认 withdrawal", "status": "审核状态，默认 open", **PAGE_QUERY}
_MAX_KIND_LENGTH: Final = 40


class DecideCase(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A decision: `round` is the round that the reviewer saw, so that a stale page decides nothing."""

    round: Annotated[int, msgspec.Meta(ge=1, le=9)]
    verdict: Verdict
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]


class CaseView(msgspec.Struct, frozen=True):
    """A case in the queue."""

    case_id: str
    kind: str
    subject_id: str
    status: CaseStatus
    round: int
    required_approvals: int
    facts: Facts
    opened_at: datetime
    deadline: datetime


class DecisionView(msgspec.Struct, frozen=True):
    """A decision as the other reviewers see it."""

    round: int
    staff_id: str
    verdict: Verdict
    reason: str
    decided_at: datetime


class BadFilterError(BadRequestError):
    """The queue has no such kind or status."""

    code = "bad_filter"
    title = "筛选条件无效"


def case_view(case: Case) -> CaseView:
    """Return a case for the desk."""
    return CaseView(
        case_id=case.case_id,
        kind=case.kind,
        subject_id=case.subject_id,
        status=case.status,
        round=case.round,
        required_approvals=case.required_approvals,
        facts=case.facts,
        opened_at=case.opened_at.astimezone(SHANGHAI),
        deadline=case.deadline.astimezone(SHANGHAI),
    )


def decision_views(file: CaseFile) -> list[DecisionView]:
    """Return the decisions on a case, oldest first."""
    return [_decision_view(decision) for decision in file.decisions]


def queue_page(query: Mapping[str, str], store: CaseStore) -> Page[CaseView]:
    """Return a page of the queue, oldest first.

    Raises:
        BadFilterError, BadLimitError, BadCursorError: a query parameter is not one of ours.
    """
    kind = query.get("kind", "withdrawal")
    status = query.get("status", CaseStatus.OPEN)
    if len(kind) > _MAX_KIND_LENGTH or status not in CaseStatus:
        raise BadFilterError
    after = cursor.decode(query["cursor"], tuple[int, str]) if query.get("cursor") else None
    cases, last = store.queue(kind, CaseStatus(status), page_limit(query), after)
    return Page([case_view(case) for case in cases], cursor.encode(*last) if last else None)


def _decision_view(decision: Decision) -> DecisionView:
    return DecisionView(
        round=decision.round,
        staff_id=decision.staff_id,
        verdict=decision.verdict,
        reason=decision.reason,
        decided_at=decision.decided_at.astimezone(SHANGHAI),
    )
