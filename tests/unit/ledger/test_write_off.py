"""Debts are forgiven by two people and one journal."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from fenxiao.errors import IdempotencyKeyReusedError, NotFoundError
from fenxiao.ids import Kind, derived_id
from fenxiao.ledger.errors import DebtSmallerError
from fenxiao.ledger.model import Entry, Movement, Platform, TaxClass, Wallet, WalletKey
from fenxiao.ledger.post import post
from fenxiao.ledger.store import LedgerStore
from fenxiao.ledger.write_off import WRITE_OFF, Debtor, RequestWriteOff, carry_out, request_write_off
from fenxiao.review.decisions import close, decide
from fenxiao.review.docket import Docket
from fenxiao.review.errors import OwnRequestError
from fenxiao.review.model import Case, CaseStatus, Reviewer, Verdict
from fenxiao.review.store import CaseStore
from tests.support.engines import memory_tables
from tests.support.memory_engine import MemoryEngine
from tests.support.world import FrozenClock

pytestmark = pytest.mark.rule("M4")

DEBTOR = Debtor(derived_id(Kind.MEMBER, "debtor"), "person-debtor")
MAKER = Reviewer(staff_id="S1", person="person-S1", is_lead=True)
CHECKER = Reviewer(staff_id="S2", person="person-S2", is_lead=False)
CLOCK = FrozenClock()
LEDGER = LedgerStore(CLOCK)
DOCKET = Docket(CaseStore(), CLOCK, timedelta(hours=48))


@pytest.fixture(autouse=True)
def engine() -> Iterator[MemoryEngine]:
    with memory_tables() as memory:
        yield memory


def move(name: str, fen: int, tax_class: TaxClass = TaxClass.COMMISSION) -> None:
    """Give the debtor something, or take it and beyond."""
    entry = Entry(
        collection=f"order#{name}",
        number=0,
        event="e",
        cause={},
        at=CLOCK.now(),
        movements=(Movement(wallet=WalletKey(DEBTOR.member_id, tax_class), free_fen=fen),),
        platform={Platform.COMMISSION_EXPENSE: -fen},
        may_owe=True,
    )
    assert post(LEDGER, entry)


def ask(amount_fen: int, key: str = "key-0001", maker: Reviewer = MAKER, reason: str = "无法追回") -> Case:
    request = RequestWriteOff(amount_fen=amount_fen, reason=reason)
    return request_write_off(LEDGER, DOCKET, maker, DEBTOR, key, request)


def approved(amount_fen: int) -> Case:
    case = ask(amount_fen)
    return decide(DOCKET.cases, CHECKER, case.case_id, 1, Verdict.APPROVE, "同意", CLOCK)


def wallet(tax_class: TaxClass = TaxClass.COMMISSION) -> Wallet:
    return LEDGER.wallet(WalletKey(DEBTOR.member_id, tax_class))


def test_request_opens_a_case_that_says_what_and_changes_nothing() -> None:
    move("1", -5_000)
    case = ask(3_000)
    assert (case.kind, case.subject_id, case.person, case.required_approvals) == (
        "write_off",
        DEBTOR.member_id,
        "person-debtor",
        1,
    )
    assert case.facts == {
        "member_id": DEBTOR.member_id,
        "amount_fen": 3_000,
        "debt_fen": 5_000,
        "reason": "无法追回",
        "requested_by": "S1",
    }
    assert wallet() == Wallet(debt_fen=5_000)


@pytest.mark.parametrize("owed_fen", [0, 2_999])
def test_more_than_is_owed_is_refused(owed_fen: int) -> None:
    move("1", -owed_fen)
    with pytest.raises(DebtSmallerError):
        ask(3_000)
    assert DOCKET.cases.queue(WRITE_OFF, CaseStatus.OPEN, 9, None)[0] == []


def test_who_is_no_member_owes_nothing() -> None:
    with pytest.raises(NotFoundError):
        request_write_off(LEDGER, DOCKET, MAKER, Debtor("x" * 3000, "p"), "key", RequestWriteOff(1, "r"))


def test_same_request_again_finds_its_case_even_when_it_is_done() -> None:
    move("1", -5_000)
    case = approved(5_000)
    carry_out(LEDGER, case)
    assert ask(5_000).case_id == case.case_id
    for amount_fen, reason in ((4_999, "无法追回"), (5_000, "另一个原因")):
        with pytest.raises(IdempotencyKeyReusedError):
            ask(amount_fen, reason=reason)


def test_another_key_and_another_maker_ask_for_another() -> None:
    move("1", -5_000)
    cases = {ask(10).case_id, ask(10, "key-0002").case_id, ask(10, maker=CHECKER).case_id}
    assert len(cases) == 3


@pytest.mark.rule("M27")
@pytest.mark.parametrize("who", [MAKER, replace(MAKER, staff_id="S9"), replace(CHECKER, person="person-debtor")])
def test_neither_maker_nor_debtor_decides(who: Reviewer) -> None:
    move("1", -5_000)
    case = ask(3_000)
    with pytest.raises(OwnRequestError):
        decide(DOCKET.cases, who, case.case_id, 1, Verdict.APPROVE, "同意", CLOCK)


@pytest.mark.rule("M1")
def test_approval_forgives_once_however_often_it_is_carried_out() -> None:
    move("1", -5_000)
    case = approved(3_000)
    for _ in range(3):
        carry_out(LEDGER, case)
    assert wallet() == Wallet(debt_fen=2_000)
    (journal,) = LEDGER.collection(f"writeoff#{case.case_id}")
    assert (journal.event, journal.paid_day) == ("write_off", "")
    assert {(one.member_id, one.account, one.amount_fen) for one in journal.postings} == {
        (DEBTOR.member_id, "debt", 3_000),
        ("", "written_off", -3_000),
    }


@pytest.mark.parametrize("verdict", [Verdict.REJECT, None])
def test_without_approval_nothing_is_forgiven(verdict: Verdict | None) -> None:
    move("1", -5_000)
    case = ask(3_000)
    if verdict:
        case = decide(DOCKET.cases, CHECKER, case.case_id, 1, verdict, "不同意", CLOCK)
    else:
        case = replace(case, status=CaseStatus.EXPIRED)
    carry_out(LEDGER, case)
    assert wallet() == Wallet(debt_fen=5_000)
    assert LEDGER.collection(f"writeoff#{case.case_id}") == []


@pytest.mark.parametrize(("repaid_fen", "left"), [(4_000, Wallet()), (5_000, Wallet()), (6_000, Wallet(0, 1_000))])
def test_what_was_repaid_meanwhile_is_not_forgiven(repaid_fen: int, left: Wallet) -> None:
    move("1", -5_000)
    case = approved(3_000)
    move("2", repaid_fen)
    for _ in range(2):
        carry_out(LEDGER, case)
    assert wallet() == left
    (journal,) = LEDGER.collection(f"writeoff#{case.case_id}")
    assert sum(one.amount_fen for one in journal.postings if one.member_id) == max(0, 5_000 - repaid_fen)


def test_repayment_between_reading_and_writing_is_planned_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    move("1", -5_000)
    case, real = approved(5_000), LedgerStore.wallets

    def slow(self: LedgerStore, keys: Any) -> Mapping[WalletKey, Wallet]:
        found = real(self, keys)
        monkeypatch.setattr(LedgerStore, "wallets", real)
        move("2", 1_500)
        return found

    monkeypatch.setattr(LedgerStore, "wallets", slow)
    carry_out(LEDGER, case)
    assert wallet() == Wallet()
    (journal,) = LEDGER.collection(f"writeoff#{case.case_id}")
    assert journal.postings[0].amount_fen == 3_500


def test_debts_of_all_kinds_of_income_are_one_debt() -> None:
    move("1", -2_000)
    move("2", -1_000, TaxClass.REBATE)
    case = approved(2_500)
    carry_out(LEDGER, case)
    assert (wallet(), wallet(TaxClass.REBATE)) == (Wallet(), Wallet(debt_fen=500))


class Crash:
    """Stops the process before the k-th write, or after it."""

    def __init__(self, at: int, *, after: bool) -> None:
        self.at, self.is_after, self.calls = at, after, 0

    def before(self, operation: str, _: Mapping[str, Any]) -> None:
        if operation == "TransactWriteItems":
            self.calls += 1
            if self.calls == self.at and not self.is_after:
                raise ConnectionAbortedError

    def after(self, operation: str, _: Mapping[str, Any]) -> None:
        if operation == "TransactWriteItems" and self.calls == self.at and self.is_after:
            raise ConnectionAbortedError


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", [1, 2])
def test_crash_in_the_close_forgives_once(engine: MemoryEngine, at: int, *, after: bool) -> None:
    move("1", -5_000)
    case = approved(3_000)
    effects = {WRITE_OFF: lambda one: carry_out(LEDGER, one)}
    engine.faults = Crash(at, after=after)
    with pytest.raises(ConnectionAbortedError):
        close(DOCKET.cases, case.case_id, CLOCK, effects)
    engine.faults = None
    close(DOCKET.cases, case.case_id, CLOCK, effects)
    assert wallet() == Wallet(debt_fen=2_000)
    assert len(LEDGER.collection(f"writeoff#{case.case_id}")) == 1
    assert DOCKET.cases.file(case.case_id).case.closed_at
