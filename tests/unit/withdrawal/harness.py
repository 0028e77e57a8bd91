"""A withdrawal desk on moto, WeChat as a fake, the two state machines run from their own JSON, and their streams."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from fenxiao.ledger.model import Entry, Movement, Platform, TaxClass, Wallet, WalletKey
from fenxiao.ledger.post import post
from fenxiao.ledger.store import LedgerStore
from fenxiao.relation.model import Member, Standing, StandingChange
from fenxiao.review import decisions
from fenxiao.review.dispatch import follow_case
from fenxiao.review.model import Case, Reviewer, Verdict
from fenxiao.review.store import CaseItem, CaseStore
from fenxiao.wechat.facts import TransferResult, TransferState
from fenxiao.withdrawal import flow
from fenxiao.withdrawal.dispatch import follow_withdrawal
from fenxiao.withdrawal.finish import transfer_ended
from fenxiao.withdrawal.model import ReturnReason, Withdrawal
from fenxiao.withdrawal.policy import Policy
from fenxiao.withdrawal.ports import Books, Desk
from fenxiao.withdrawal.request import Request, request_withdrawal
from fenxiao.withdrawal.store import WithdrawalItem, WithdrawalStore
from fenxiao.withdrawal.sweep import Sweeper
from fenxiao.withdrawal.tax import TaxMethod

START = datetime(2026, 3, 10, 4, 0, tzinfo=UTC)
KEY = bytes(range(32))
MEMBER = "M" + "A" * 26
MACHINES = Path(__file__).parents[3] / "infra" / "state_machines"
POLICY = Policy(
    min_fen=100,
    max_fen=2_000_000,
    fee_bps=0,
    auto_approve_fen=5_000,
    second_review_fen=100_000,
    tax_method=TaxMethod.LABOUR,
)


@dataclass
class ManualClock:
    moment: datetime = START

    def now(self) -> datetime:
        return self.moment

    def advance(self, **span: float) -> None:
        self.moment += timedelta(**span)


@dataclass
class FakeMembers:
    known: dict[str, Member] = field(default_factory=dict)

    def get(self, member_id: str) -> Member | None:
        return self.known.get(member_id)

    def join(self, member_id: str) -> None:
        promoter = StandingChange(since=START - timedelta(days=99), standing=Standing.PROMOTER)
        self.known[member_id] = Member(
            member_id=member_id, openid=f"o-{member_id}", joined_at=START, standings=(promoter,)
        )

    def suspend(self, member_id: str, since: datetime) -> None:
        member = self.known[member_id]
        change = StandingChange(since=since, standing=Standing.SUSPENDED)
        self.known[member_id] = replace(member, standings=(*member.standings, change))


@dataclass
class FakeTransfers:
    """WeChat: the same number with the same body is the same bill, another body under it is refused."""

    clock: ManualClock
    sent: list[str] = field(default_factory=list)
    bills: dict[str, TransferResult] = field(default_factory=dict)
    bodies: dict[str, str] = field(default_factory=dict)
    before_send: list[Exception] = field(default_factory=list)
    """Raised by the next sends, which then do nothing."""
    lost_answers: list[Exception] = field(default_factory=list)
    """Raised by the next sends after they did their work."""
    unanswered_queries: list[Exception] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)

    def encrypt(self, text: str) -> str:
        return f"sealed({len(text)})"

    def build_body(self, *, out_bill_no: str, openid: str, amount_fen: int, user_name_cipher: str | None) -> str:
        return json.dumps([out_bill_no, openid, amount_fen, user_name_cipher, len(self.sent)])

    def send(self, body: str) -> TransferResult:
        self.sent.append(body)
        if self.before_send:
            raise self.before_send.pop(0)
        number, _, amount_fen, *_ = json.loads(body)
        assert self.bodies.setdefault(number, body) == body, "another request under the same number"
        self.bills.setdefault(
            number,
            TransferResult(
                out_bill_no=number,
                state=TransferState.WAIT_USER_CONFIRM,
                amount_fen=amount_fen,
                package_info="package",
                updated_at=self.clock.now(),
            ),
        )
        if self.lost_answers:
            raise self.lost_answers.pop(0)
        return replace(self.bills[number], amount_fen=None)

    def query(self, out_bill_no: str) -> TransferResult | None:
        if self.unanswered_queries:
            raise self.unanswered_queries.pop(0)
        return self.bills.get(out_bill_no)

    def cancel(self, out_bill_no: str) -> None:
        self.cancelled.append(out_bill_no)
        self.end(out_bill_no, TransferState.CANCELLED)

    def end(self, out_bill_no: str, state: TransferState, fail_reason: str | None = None) -> TransferResult:
        self.bills[out_bill_no] = replace(
            self.bills[out_bill_no], state=state, fail_reason=fail_reason, updated_at=self.clock.now()
        )
        return self.bills[out_bill_no]


@dataclass
class Execution:
    """One run of a machine, by its own JSON: `state` is where it stands, `token` what it waits for."""

    definition: dict[str, Any]
    data: Mapping[str, object]
    state: str
    value: Any = None
    token: str | None = None
    path: list[str] = field(default_factory=list)

    @property
    def running(self) -> bool:
        return self.state != ""


type Worker = Callable[[dict[str, Any]], object]

_CHOICE = re.compile(r"\{% \$states\.input\.(\w+) = '(\w+)' %\}")
_CONTEXT_INPUT = re.compile(r"\{% \$states\.context\.Execution\.Input\.(\w+) %\}")
_INPUT = re.compile(r"\{% \$states\.input\.(\w+) %\}")


class World:
    """Everything together. `settle` lets the streams and the machines run until all is quiet."""

    def __init__(self, policy: Policy = POLICY) -> None:
        self.clock = ManualClock()
        self.members = FakeMembers()
        self.transfers = FakeTransfers(self.clock)
        self.books = Books(WithdrawalStore(), LedgerStore(self.clock), CaseStore(), self.clock, timedelta(hours=48))
        self.desk = Desk(self.books, self.members, self.transfers, policy)
        self.executions: dict[str, Execution] = {}
        self.delivered: set[tuple[str, int]] = set()
        self.deliver = True
        self.members.join(MEMBER)

    # --- what people and WeChat do

    def fund(self, fen: int, member_id: str = MEMBER, tax_class: TaxClass = TaxClass.COMMISSION) -> None:
        entry = Entry(
            collection=f"order#{member_id}{tax_class}{fen}",
            number=0,
            event="settle",
            cause={"fen": fen},
            at=START,
            movements=(Movement(wallet=WalletKey(member_id, tax_class), free_fen=fen),),
            platform={Platform.COMMISSION_EXPENSE: -fen},
        )
        assert post(self.books.ledger, entry)

    def owe(self, fen: int) -> None:
        """A refund after settlement takes what is there and makes a debt of the rest."""
        entry = Entry(
            collection="order#refunded",
            number=0,
            event="refund",
            cause={"fen": fen},
            at=START,
            movements=(Movement(wallet=WalletKey(MEMBER), free_fen=-fen),),
            platform={Platform.COMMISSION_EXPENSE: fen},
            may_owe=True,
        )
        assert post(self.books.ledger, entry)

    def ask(
        self,
        amount_fen: int,
        key: str = "key-0001",
        name: str | None = None,
        tax_class: TaxClass = TaxClass.COMMISSION,
    ) -> str:
        request = Request(
            member_id=MEMBER, idempotency_key=key, amount_fen=amount_fen, payee_name=name, tax_class=tax_class
        )
        return request_withdrawal(self.desk, request, KEY).withdrawal_id

    def review(self, case_id: str, staff: str, verdict: Verdict = Verdict.APPROVE, *, lead: bool = False) -> Case:
        case = self.books.cases.file(case_id).case
        reviewer = Reviewer(staff_id=staff, person=f"person-{staff}", is_lead=lead)
        return decisions.decide(self.books.cases, reviewer, case_id, case.round, verdict, "看过了", self.clock)

    def end(self, withdrawal_id: str, state: TransferState, fail_reason: str | None = None) -> None:
        transfer_ended(self.books, self.transfers.end(withdrawal_id, state, fail_reason))

    def sweep(self) -> int:
        faults = Sweeper(self.desk, self._starter("withdrawal"), self._starter("manual_review")).run()
        self.settle()
        return faults

    # --- what is there

    def get(self, withdrawal_id: str) -> Withdrawal:
        return self.books.withdrawals.get(withdrawal_id)

    def case_of(self, withdrawal_id: str) -> Case:
        case_id = self.get(withdrawal_id).case_id
        assert case_id
        return self.books.cases.file(case_id).case

    def cases(self, kind: str) -> list[Case]:
        items = CaseItem.scan(CaseItem.queue.startswith(f"{kind}#"))
        return [item.data for item in items]

    def wallet(self, tax_class: TaxClass = TaxClass.COMMISSION) -> Wallet:
        return self.books.ledger.wallet(WalletKey(MEMBER, tax_class))

    def posted(self) -> dict[str, int]:
        """Sums of all platform accounts, over every withdrawal."""
        sums: dict[str, int] = {}
        for item in WithdrawalItem.scan(WithdrawalItem.sk == "withdrawal"):
            for journal in self.books.ledger.collection(f"withdrawal#{item.pk}"):
                for posting in journal.postings:
                    if not posting.member_id:
                        sums[posting.account] = sums.get(posting.account, 0) + posting.amount_fen
        return sums

    # --- streams and machines

    def settle(self) -> None:
        """Deliver what was written and go on, until nothing moves."""
        while self._deliver_once():
            pass

    def _deliver_once(self) -> bool:
        moved = False
        if not self.deliver:
            return moved
        for item in list(WithdrawalItem.scan(WithdrawalItem.sk == "withdrawal")):
            if (item.pk, item.version) not in self.delivered:
                self.delivered.add((item.pk, item.version))
                moved = True
                follow_withdrawal(
                    item.data, is_new=item.version == 1, start=self._starter("withdrawal"), complete=self.complete
                )
        for one in list(CaseItem.scan(CaseItem.sk == "case")):
            if (one.pk, one.version) not in self.delivered:
                self.delivered.add((one.pk, one.version))
                moved = True
                follow_case(
                    one.data, is_new=one.version == 1, start=self._starter("manual_review"), complete=self.complete
                )
        return moved

    def _starter(self, machine: str) -> Callable[[str, Mapping[str, object]], None]:
        def start(name: str, data: Mapping[str, object]) -> None:
            if name in self.executions:
                return
            definition = json.loads((MACHINES / f"{machine}.asl.json").read_text())
            execution = Execution(definition, data, definition["StartAt"])
            self.executions[name] = execution
            self.run(execution)

        return start

    def complete(self, token: str, output: Mapping[str, object]) -> None:
        for execution in self.executions.values():
            if execution.running and execution.token == token:
                execution.token = None
                execution.value = dict(output)
                execution.state = execution.definition["States"][execution.state]["Next"]
                self.run(execution)

    def run(self, execution: Execution) -> None:
        """Run to the next wait or to the end; a step that fails ends the execution, as after its retries."""
        while execution.running and execution.token is None:
            state = execution.definition["States"][execution.state]
            execution.path.append(execution.state)
            match state["Type"]:
                case "Task":
                    try:
                        self._task(execution, state)
                    except Exception as error:  # noqa: BLE001 - as the machine takes any error of a worker
                        self._caught(execution, state, error)
                case "Choice":
                    execution.state = _chosen(state, execution.value)
                case "Succeed":
                    execution.state = ""
                case other:
                    raise AssertionError(f"{execution.state} is a {other}")

    def _task(self, execution: Execution, state: dict[str, Any]) -> None:
        payload = {name: _filled(text, execution) for name, text in state["Arguments"]["Payload"].items()}
        waits = state["Resource"].endswith(".waitForTaskToken")
        if waits:
            payload["task_token"] = f"token-{id(execution)}-{len(execution.path)}"
        answer = self.workers()[payload["action"]](payload)
        if waits:
            execution.token = payload["task_token"]
        else:
            execution.value = answer
            execution.state = state["Next"]

    def _caught(self, execution: Execution, state: dict[str, Any], error: Exception) -> None:
        for catcher in state.get("Catch", []):
            if "States.ALL" in catcher["ErrorEquals"]:
                execution.state = catcher["Next"]
                return
        execution.path.append(type(error).__name__)
        execution.state = ""

    def workers(self) -> dict[str, Worker]:
        books, desk = self.books, self.desk
        return {
            "assess_risk": lambda task: flow.assess_risk(desk, task["withdrawal_id"]),
            "await_review": lambda task: flow.await_review(books, task["withdrawal_id"], task["task_token"]),
            "apply_review": lambda task: flow.apply_review(books, task["withdrawal_id"]),
            "prepare": lambda task: flow.prepare(desk, task["withdrawal_id"]),
            "create": lambda task: flow.create(desk, task["withdrawal_id"]),
            "await_end": lambda task: flow.await_end(books, task["withdrawal_id"], task["task_token"]),
            "return_funds": lambda task: flow.return_funds(books, task["withdrawal_id"], ReturnReason(task["reason"])),
            "await_round": lambda task: decisions.await_round(books.cases, task["case_id"], task["task_token"]),
            "close_case": lambda task: decisions.close(books.cases, task["case_id"], self.clock, {}),
        }


def _filled(text: str, execution: Execution) -> Any:
    if match := _CONTEXT_INPUT.fullmatch(text):
        return execution.data[match[1]]
    if match := _INPUT.fullmatch(text):
        return execution.value[match[1]]
    return text


def _chosen(state: dict[str, Any], value: Mapping[str, object]) -> str:
    for choice in state["Choices"]:
        match = _CHOICE.fullmatch(choice["Condition"])
        assert match, choice["Condition"]
        if value.get(match[1]) == match[2]:
            return str(choice["Next"])
    return str(state["Default"])
