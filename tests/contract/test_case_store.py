"""Cases: decisions that meet at one case, the reviewers' queue and due work, on each engine."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

import pytest
from msgspec.structs import replace

from fenxiao.errors import NotFoundError
from fenxiao.review.decisions import decide
from fenxiao.review.errors import AlreadyDecidedError, DecisionStaleError
from fenxiao.review.model import Case, CaseStatus, Decision, Reviewer, Verdict
from fenxiao.review.store import CaseStore
from tests.support.engines import Engine, refusal
from tests.unit.review.samples import NOW, REVIEW_TIME, new_case


class Clock:
    def now(self) -> datetime:
        return NOW


@pytest.fixture
def cases(engine: Engine) -> CaseStore:
    return CaseStore()


def opened(cases: CaseStore, required_approvals: int = 1, subject_id: str = "W1") -> Case:
    case = new_case(required_approvals, subject_id)
    assert cases.open(case)
    return case


def saying(cases: CaseStore, case: Case, staff_id: str, verdict: Verdict = Verdict.APPROVE) -> Callable[[], Case]:
    who = Reviewer(staff_id=staff_id, person=f"person-{staff_id}", is_lead=False)
    return partial(decide, cases, who, case.case_id, 1, verdict, "核对无误", Clock())


def test_case_is_opened_once_however_many_open_it(engine: Engine, cases: CaseStore) -> None:
    assert sorted(engine.at_once(*[partial(cases.open, new_case())] * 4)) == [False, False, False, True]
    case = cases.get(new_case().case_id)
    assert case == replace(new_case(), version=1)
    with pytest.raises(NotFoundError):
        cases.file("C" + "X" * 26)


def test_two_reviewers_at_once_both_count(engine: Engine, cases: CaseStore) -> None:
    case = opened(cases, 2)
    answers = engine.at_once(*(partial(refusal, saying(cases, case, one)) for one in ("S1", "S2")))
    assert answers == [None, None]
    file = cases.file(case.case_id)
    assert file.case.status is CaseStatus.APPROVED
    assert sorted(one.staff_id for one in file.decisions) == ["S1", "S2"]


def test_one_reviewer_twice_at_once_counts_once(engine: Engine, cases: CaseStore) -> None:
    case = opened(cases, 2)
    says = partial(refusal, saying(cases, case, "S1"), AlreadyDecidedError)
    assert sorted(engine.at_once(says, says), key=str) == [AlreadyDecidedError, None]
    file = cases.file(case.case_id)
    assert (file.case.status, len(file.decisions)) == (CaseStatus.OPEN, 1)


def test_approval_and_rejection_at_once_end_rejected(engine: Engine, cases: CaseStore) -> None:
    case = opened(cases, 2)
    engine.at_once(
        partial(refusal, saying(cases, case, "S1"), DecisionStaleError),
        partial(refusal, saying(cases, case, "S2", Verdict.REJECT), DecisionStaleError),
    )
    assert cases.file(case.case_id).case.status is CaseStatus.REJECTED


def test_decision_on_a_case_that_changed_since_it_was_read_is_not_written(cases: CaseStore) -> None:
    file = cases.file(opened(cases, 2).case_id)
    for staff_id, written in (("S1", True), ("S2", False)):
        decision = Decision(
            case_id=file.case.case_id,
            round=1,
            staff_id=staff_id,
            person=f"person-{staff_id}",
            verdict=Verdict.APPROVE,
            reason="核对无误",
            decided_at=NOW,
        )
        assert cases.add_decision(file.case, decision) is written
    again = cases.file(file.case.case_id)
    assert not cases.add_decision(again.case, again.decisions[0]), "the same reviewer's word in the same round"
    assert cases.file(file.case.case_id) == again


def test_one_of_many_deciders_ends_a_case(engine: Engine, cases: CaseStore) -> None:
    case = opened(cases)
    says = [partial(refusal, saying(cases, case, f"S{number}"), DecisionStaleError) for number in range(4)]
    assert sorted(engine.at_once(*says), key=str) == [DecisionStaleError] * 3 + [None]
    assert len(cases.file(case.case_id).decisions) == 1


def test_queue_is_paged_oldest_first_and_loses_what_is_decided(cases: CaseStore) -> None:
    for number in range(5):
        at = NOW + timedelta(minutes=number)
        assert cases.open(replace(new_case(subject_id=f"W{number}"), opened_at=at))
    first, position = cases.queue("withdrawal", CaseStatus.OPEN, 3, None)
    assert position is not None
    second, end = cases.queue("withdrawal", CaseStatus.OPEN, 3, position)
    assert [case.subject_id for case in first + second] == [f"W{number}" for number in range(5)]
    assert end is None
    saying(cases, first[0], "S1")()
    assert len(cases.queue("withdrawal", CaseStatus.OPEN, 9, None)[0]) == 4
    assert len(cases.queue("withdrawal", CaseStatus.APPROVED, 9, None)[0]) == 1
    assert cases.queue("other", CaseStatus.OPEN, 9, None) == ([], None)


def test_due_index_holds_open_cases_from_their_deadline_on(cases: CaseStore) -> None:
    case = opened(cases)
    assert cases.due(NOW + REVIEW_TIME - timedelta(seconds=1), 10) == []
    assert cases.due(NOW + REVIEW_TIME, 10) == [case.case_id]
    cases.change(case.case_id, lambda one: replace(one, due_at=None))
    assert cases.due(NOW + REVIEW_TIME, 10) == []
