"""Who may decide what, when; and that a decision counts once."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast

import pytest
from msgspec.structs import replace

from fenxiao.aws.clients import client
from fenxiao.errors import NotFoundError
from fenxiao.review.decisions import await_round, close, decide, look_after
from fenxiao.review.dispatch import follow_case
from fenxiao.review.errors import AlreadyDecidedError, DecisionStaleError, LeadRequiredError, OwnRequestError
from fenxiao.review.model import Case, CaseStatus, Reviewer, Verdict
from fenxiao.review.store import CaseStore
from tests.unit.review.samples import NOW, REVIEW_TIME, new_case

pytestmark = pytest.mark.moto


@dataclass
class FixedClock:
    moment: datetime = NOW

    def now(self) -> datetime:
        return self.moment


@dataclass
class Machines:
    """What was started and completed."""

    started: list[str] = field(default_factory=list)
    completed: list[tuple[str, dict[str, object]]] = field(default_factory=list)

    def start(self, name: str, _data: Mapping[str, object]) -> None:
        self.started.append(name)

    def complete(self, token: str, output: Mapping[str, object]) -> None:
        self.completed.append((token, dict(output)))

    def follow(self, case: Case, *, is_new: bool = False) -> None:
        follow_case(case, is_new=is_new, start=self.start, complete=self.complete)


def reviewer(name: str = "S1", *, lead: bool = False, person: str | None = None) -> Reviewer:
    return Reviewer(staff_id=name, person=person or f"person-{name}", is_lead=lead)


def say(cases: CaseStore, case: Case, who: Reviewer, verdict: Verdict = Verdict.APPROVE, round_number: int = 1) -> Case:
    return decide(cases, who, case.case_id, round_number, verdict, "核对无误", FixedClock())


@contextmanager
def meanwhile(do: Callable[[], object]) -> Iterator[None]:
    """Do something between the reads and the write of the next transaction."""
    events = cast("Any", client("dynamodb")).meta.events
    name = "before-call.dynamodb.TransactWriteItems"

    def once(**_: object) -> None:
        events.unregister(name, once)
        do()

    events.register(name, once)
    yield


def open_case(cases: CaseStore, required_approvals: int = 1) -> Case:
    case = new_case(required_approvals)
    assert cases.open(case)
    return case


def test_opening_twice_opens_one(cases: CaseStore) -> None:
    open_case(cases)
    assert not cases.open(new_case())


def test_one_approval_is_enough_for_one(cases: CaseStore) -> None:
    assert say(cases, open_case(cases), reviewer()).status is CaseStatus.APPROVED


def test_two_approvals_are_of_two_people(cases: CaseStore) -> None:
    case = open_case(cases, 2)
    assert say(cases, case, reviewer("S1")).status is CaseStatus.OPEN
    with pytest.raises(AlreadyDecidedError):
        say(cases, case, reviewer("S1"))
    with pytest.raises(AlreadyDecidedError):
        say(cases, case, reviewer("S9", person="person-S1"))
    assert say(cases, case, reviewer("S2")).status is CaseStatus.APPROVED


def test_any_rejection_wins(cases: CaseStore) -> None:
    case = open_case(cases, 2)
    say(cases, case, reviewer("S1"))
    assert say(cases, case, reviewer("S2"), Verdict.REJECT).status is CaseStatus.REJECTED


def test_nobody_decides_on_their_own(cases: CaseStore) -> None:
    case = open_case(cases)
    with pytest.raises(OwnRequestError):
        say(cases, case, reviewer(person="person-applicant"))
    assert cases.file(case.case_id).decisions == ()


@pytest.mark.rule("M27")
@pytest.mark.parametrize(
    "who",
    [
        reviewer("S7", person="person-other"),
        reviewer("S8", person="person-S7"),
        reviewer("S9", person="person-applicant"),
    ],
    ids=["the maker", "the maker's other account", "the person whom it is about"],
)
def test_who_is_excluded_does_not_decide(cases: CaseStore, who: Reviewer) -> None:
    case = replace(new_case(), excluded=("S7", "person-S7"))
    assert cases.open(case)
    for verdict in Verdict:
        with pytest.raises(OwnRequestError):
            say(cases, case, who, verdict)
    assert cases.file(case.case_id).decisions == ()
    assert say(cases, case, reviewer("S1")).status is CaseStatus.APPROVED


def test_decided_case_takes_no_more(cases: CaseStore) -> None:
    case = open_case(cases)
    say(cases, case, reviewer("S1"))
    with pytest.raises(AlreadyDecidedError):
        say(cases, case, reviewer("S1"))
    with pytest.raises(DecisionStaleError):
        say(cases, case, reviewer("S2"), Verdict.REJECT)
    assert cases.file(case.case_id).case.status is CaseStatus.APPROVED


def test_unknown_case_is_not_found(cases: CaseStore) -> None:
    with pytest.raises(NotFoundError):
        say(cases, new_case(), reviewer())


def test_deadline_escalates_to_the_leads_then_expires(cases: CaseStore) -> None:
    case, machines = open_case(cases), Machines()
    look_after(cases, case.case_id, NOW + REVIEW_TIME, REVIEW_TIME, machines.start)
    escalated = cases.file(case.case_id).case
    assert (escalated.round, escalated.deadline) == (2, NOW + 2 * REVIEW_TIME)
    with pytest.raises(DecisionStaleError):
        say(cases, case, reviewer("S1"))
    with pytest.raises(LeadRequiredError):
        say(cases, case, reviewer("S1"), round_number=2)
    look_after(cases, case.case_id, NOW + 2 * REVIEW_TIME, REVIEW_TIME, machines.start)
    assert cases.file(case.case_id).case.status is CaseStatus.EXPIRED
    with pytest.raises(DecisionStaleError):
        say(cases, case, reviewer("S2", lead=True), round_number=2)


def test_approval_of_the_first_round_stands_in_the_second(cases: CaseStore) -> None:
    case = open_case(cases, 2)
    say(cases, case, reviewer("S1", lead=True))
    look_after(cases, case.case_id, NOW + REVIEW_TIME, REVIEW_TIME, Machines().start)
    with pytest.raises(AlreadyDecidedError):
        say(cases, case, reviewer("S1", lead=True), round_number=2)
    assert say(cases, case, reviewer("S2", lead=True), round_number=2).status is CaseStatus.APPROVED


def test_deadline_ahead_changes_nothing(cases: CaseStore) -> None:
    case = open_case(cases)
    look_after(cases, case.case_id, NOW + REVIEW_TIME - timedelta(seconds=1), REVIEW_TIME, Machines().start)
    assert cases.file(case.case_id).case.round == 1


@pytest.mark.parametrize(
    ("first", "second", "status"),
    [
        (Verdict.APPROVE, Verdict.APPROVE, CaseStatus.APPROVED),
        (Verdict.APPROVE, Verdict.REJECT, CaseStatus.REJECTED),
        (Verdict.REJECT, Verdict.APPROVE, CaseStatus.REJECTED),
    ],
)
def test_two_reviewers_at_the_same_moment_both_count(
    cases: CaseStore, first: Verdict, second: Verdict, status: CaseStatus
) -> None:
    case = open_case(cases, 2)
    with meanwhile(lambda: say(cases, case, reviewer("S1"), first)):
        try:
            say(cases, case, reviewer("S2"), second)
        except DecisionStaleError:
            assert first is Verdict.REJECT
    assert cases.file(case.case_id).case.status is status


@pytest.mark.rule("M28")
def test_decision_against_a_time_out_at_the_same_moment_loses_to_it(cases: CaseStore) -> None:
    case = open_case(cases)

    def time_out() -> None:
        look_after(cases, case.case_id, NOW + REVIEW_TIME, REVIEW_TIME, Machines().start)

    with meanwhile(time_out), pytest.raises(DecisionStaleError):
        say(cases, case, reviewer())
    assert cases.file(case.case_id).decisions == ()


def test_double_click_at_the_same_moment_counts_once(cases: CaseStore) -> None:
    case = open_case(cases, 2)
    with meanwhile(lambda: say(cases, case, reviewer("S1"))), pytest.raises(AlreadyDecidedError):
        say(cases, case, reviewer("S1"))
    assert len(cases.file(case.case_id).decisions) == 1


def test_new_case_starts_its_machine(cases: CaseStore) -> None:
    machines, case = Machines(), open_case(cases)
    machines.follow(cases.file(case.case_id).case, is_new=True)
    assert machines.started == [case.case_id]
    assert machines.completed == []


def test_decision_completes_the_token_of_its_round(cases: CaseStore) -> None:
    machines, case = Machines(), open_case(cases)
    await_round(cases, case.case_id, "token-1")
    machines.follow(cases.file(case.case_id).case)
    assert machines.completed == []
    machines.follow(say(cases, case, reviewer()))
    assert machines.completed == [("token-1", {"outcome": "approved"})]


def test_token_that_comes_after_the_decision_finds_it(cases: CaseStore) -> None:
    machines, case = Machines(), open_case(cases)
    say(cases, case, reviewer(), Verdict.REJECT)
    await_round(cases, case.case_id, "token-1")
    machines.follow(cases.file(case.case_id).case)
    assert machines.completed == [("token-1", {"outcome": "rejected"})]


def test_escalation_ends_the_round_and_not_the_next(cases: CaseStore) -> None:
    machines, case = Machines(), open_case(cases)
    await_round(cases, case.case_id, "token-1")
    look_after(cases, case.case_id, NOW + REVIEW_TIME, REVIEW_TIME, machines.start)
    machines.follow(cases.file(case.case_id).case)
    await_round(cases, case.case_id, "token-2")
    machines.follow(cases.file(case.case_id).case)
    assert machines.completed == [("token-1", {"outcome": "escalated"})]


def test_closed_case_tells_who_opened_it(cases: CaseStore) -> None:
    machines, case = Machines(), open_case(cases)
    cases.change(case.case_id, lambda one: replace(one, parent_token="parent"))
    close(cases, case.case_id, FixedClock(), {})
    machines.follow(cases.file(case.case_id).case)
    assert machines.completed == [], "an open case cannot be closed"
    say(cases, case, reviewer())
    close(cases, case.case_id, FixedClock(), {})
    machines.follow(cases.file(case.case_id).case)
    assert machines.completed[-1] == ("parent", {"status": "approved"})


def test_outcome_is_carried_out_before_the_case_is_closed(cases: CaseStore) -> None:
    case, seen = open_case(cases), list[Case]()
    effects = {"withdrawal": seen.append}
    close(cases, case.case_id, FixedClock(), effects)
    assert seen == [], "an open case has no outcome"
    say(cases, case, reviewer(), Verdict.REJECT)
    for _ in range(2):
        close(cases, case.case_id, FixedClock(), effects)
    assert [(one.status, one.closed_at) for one in seen] == [(CaseStatus.REJECTED, None)]
    assert cases.file(case.case_id).case.closed_at == NOW


def test_outcome_of_another_kind_is_none_of_its_business(cases: CaseStore) -> None:
    case, seen = open_case(cases), list[Case]()
    say(cases, case, reviewer())
    close(cases, case.case_id, FixedClock(), {"write_off": seen.append})
    assert seen == []
    assert cases.file(case.case_id).case.closed_at == NOW


@pytest.mark.rule("M29")
def test_case_whose_effect_fails_stays_unclosed_until_the_sweeper_starts_it_again(cases: CaseStore) -> None:
    case, machines = open_case(cases), Machines()
    say(cases, case, reviewer())

    def fail(_: Case) -> None:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        close(cases, case.case_id, FixedClock(), {"withdrawal": fail})
    assert cases.file(case.case_id).case.closed_at is None
    look_after(cases, case.case_id, NOW + timedelta(minutes=10), REVIEW_TIME, machines.start)
    assert machines.started == [f"{case.case_id}-1"]
    close(cases, case.case_id, FixedClock(), {"withdrawal": lambda _: None})
    assert cases.file(case.case_id).case.closed_at == NOW


def test_decision_that_no_machine_heard_of_starts_another(cases: CaseStore) -> None:
    machines, case = Machines(), open_case(cases)
    say(cases, case, reviewer())
    look_after(cases, case.case_id, NOW + timedelta(minutes=9), REVIEW_TIME, machines.start)
    assert machines.started == []
    look_after(cases, case.case_id, NOW + timedelta(minutes=10), REVIEW_TIME, machines.start)
    assert machines.started == [f"{case.case_id}-1"]
    look_after(cases, case.case_id, NOW + timedelta(minutes=20), REVIEW_TIME, machines.start)
    assert machines.started[-1] == f"{case.case_id}-2"


def test_queue_is_paged_oldest_first_and_loses_what_is_decided(cases: CaseStore) -> None:
    for number in range(5):
        cases.open(new_case(subject_id=f"W{number}"))
    first, after = cases.queue("withdrawal", CaseStatus.OPEN, 3, None)
    second, end = cases.queue("withdrawal", CaseStatus.OPEN, 3, after)
    assert {case.subject_id for case in first + second} == {f"W{number}" for number in range(5)}
    assert end is None
    say(cases, first[0], reviewer())
    assert len(cases.queue("withdrawal", CaseStatus.OPEN, 9, None)[0]) == 4
    assert len(cases.queue("withdrawal", CaseStatus.APPROVED, 9, None)[0]) == 1
    assert cases.queue("tax_shortfall", CaseStatus.OPEN, 9, None)[0] == []
