"""What a case is: something for one or two people to decide, in rounds."""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct, field

type Facts = dict[str, str | int | list[str]]
"""What the reviewers need to know, frozen when the case was opened; no personal data."""


class CaseStatus(StrEnum):
    """Where a case stands; all but `OPEN` are final."""

    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"


class Verdict(StrEnum):
    """What a reviewer says."""

    APPROVE = "approve"
    REJECT = "reject"


class Reviewer(Struct, frozen=True, kw_only=True):
    """A staff member who decides; `person` is the keyed HMAC of who they are, `None` while that is not known."""

    staff_id: str
    person: str | None
    is_lead: bool


class Decision(Struct, frozen=True, kw_only=True):
    """One reviewer's word in one round; never changed (M28)."""

    case_id: str
    round: int
    staff_id: str
    person: str | None
    verdict: Verdict
    reason: str
    decided_at: datetime


class RoundToken(Struct, frozen=True, kw_only=True):
    """The task token under which the machine waits for the end of a round."""

    round: int
    token: str


class Case(Struct, frozen=True, kw_only=True):
    """A case. `version` counts its writes: each write requires the version that was read.

    Round 1 is for any reviewer, round 2 for leads only. Approvals of an earlier round stand, as the facts have not
    changed.
    """

    case_id: str
    kind: str
    subject_id: str
    """What the case is about, such as a withdrawal's id."""
    person: str
    """Keyed HMAC of the person whom it is about: they may not decide it (M27)."""
    excluded: tuple[str, ...] = ()
    """Staff ids and persons (keyed HMACs) who may not decide it either, such as whoever asked for it."""
    facts: Facts = field(default_factory=dict)
    required_approvals: int
    status: CaseStatus = CaseStatus.OPEN
    round: int = 1
    deadline: datetime
    """When the round times out."""
    opened_at: datetime
    closed_at: datetime | None = None
    """When the machine took note of the outcome."""
    due_at: datetime | None
    """When the sweeper looks at it."""
    attempt: int = 0
    """How often the sweeper has started another execution."""
    parent_token: str | None = None
    """The task token of the machine that waits for the case as a whole."""
    round_token: RoundToken | None = None
    version: int = 0


class CaseFile(Struct, frozen=True, kw_only=True):
    """A case with every decision on it, oldest first."""

    case: Case
    decisions: tuple[Decision, ...] = ()
