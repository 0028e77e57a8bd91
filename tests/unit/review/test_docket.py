"""Cases that are numbered one after the other."""

import pytest

from fenxiao.review.cases import Matter, case_id
from fenxiao.review.decisions import decide
from fenxiao.review.docket import Docket
from fenxiao.review.model import Case, CaseStatus, Reviewer, Verdict
from fenxiao.review.store import CaseStore
from tests.support.world import FrozenClock
from tests.unit.review.samples import REVIEW_TIME

MATTER = Matter(kind="commission_breaker", subject_id="2026-03", person="", facts={}, required_approvals=1)


@pytest.fixture
def docket(cases: CaseStore) -> Docket:
    return Docket(cases, FrozenClock(), REVIEW_TIME)


def number(docket: Docket, found: str) -> int:
    return next(i for i in range(1, 99) if case_id(MATTER.kind, MATTER.subject_id, i) == found)


def reject(docket: Docket, found: str) -> None:
    lead = Reviewer(staff_id="S1", person=None, is_lead=True)
    assert decide(docket.cases, lead, found, 1, Verdict.REJECT, "不同意", docket.clock).status is CaseStatus.REJECTED


def test_open_case_is_joined(docket: Docket) -> None:
    assert {docket.join(MATTER) for _ in range(3)} == {MATTER.case_id}


def test_decided_case_is_followed_by_the_next_number(docket: Docket) -> None:
    numbers = []
    for _ in range(9):
        found = docket.join(MATTER)
        assert docket.join(MATTER) == found
        numbers.append(number(docket, found))
        reject(docket, found)
    assert numbers == list(range(1, 10))


def test_other_subjects_have_numbers_of_their_own(docket: Docket) -> None:
    reject(docket, docket.join(MATTER))
    april = Matter(kind=MATTER.kind, subject_id="2026-04", person="", facts={}, required_approvals=1)
    assert docket.join(april) == april.case_id


@pytest.mark.parametrize("decided", [False, True])
def test_case_that_somebody_opens_at_the_same_moment_is_joined_unless_it_is_decided(
    docket: Docket, monkeypatch: pytest.MonkeyPatch, *, decided: bool
) -> None:
    real = CaseStore.open

    def slow(self: CaseStore, case: Case) -> bool:
        monkeypatch.setattr(CaseStore, "open", real)
        docket.open(MATTER)
        if decided:
            reject(docket, MATTER.case_id)
        return docket.cases.open(case)

    monkeypatch.setattr(CaseStore, "open", slow)
    assert number(docket, docket.join(MATTER)) == (2 if decided else 1)
    cases, _ = docket.cases.queue(MATTER.kind, CaseStatus.OPEN, 9, None)
    assert len(cases) == 1
