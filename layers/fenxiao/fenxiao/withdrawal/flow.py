"""The steps of the withdrawal machine.

Each step first reads the stored state and skips what is done, writes in one transaction, and answers what comes next.
So a step may be run twice, an execution may stop anywhere, and another may begin from the start (M29).
"""

from datetime import datetime, timedelta
from typing import Final, TypedDict

from msgspec.structs import replace

from fenxiao.aws.dynamodb import Transaction, TransactionCancelledError, back_off
from fenxiao.clock import shanghai_month
from fenxiao.errors import BusyError
from fenxiao.ledger.model import WalletKey
from fenxiao.observability import count
from fenxiao.relation.model import Standing
from fenxiao.review.cases import Matter, opened
from fenxiao.review.model import CaseStatus, Facts
from fenxiao.review.store import put_case
from fenxiao.wechat.errors import WeChatRefusedError, WeChatUnavailableError
from fenxiao.wechat.facts import TransferResult, TransferState
from fenxiao.withdrawal.errors import TransferUnsettledError
from fenxiao.withdrawal.finish import next_question, return_unsent, transfer_ended
from fenxiao.withdrawal.model import (
    Assessment,
    Figures,
    Payee,
    Recent,
    ReturnReason,
    Route,
    Status,
    Transfer,
    Withdrawal,
)
from fenxiao.withdrawal.policy import NAME_ALLOWED_FROM_FEN, assess, figures, net_problem, quiet_until
from fenxiao.withdrawal.ports import Books, Desk
from fenxiao.withdrawal.request import START_TIME
from fenxiao.withdrawal.store import MAX_ATTEMPTS, put_payee, put_withdrawal

REVIEW: Final = "withdrawal"
"""The kind of case on which reviewers decide about a withdrawal."""
STALL_TIME: Final = timedelta(hours=72)
"""So long the stored request is sent again to WeChat before two people have to look (M23)."""

_CREATE_TIME: Final = timedelta(minutes=2)
_LOOK_IN_ON_REVIEW: Final = timedelta(minutes=15)
_TURN_WAIT: Final = timedelta(minutes=1)
_MAX_TURN_WAIT: Final = timedelta(hours=1)
_RECOVERABLE_CODES: Final = frozenset({"NOT_ENOUGH", "FREQUENCY_LIMITED", "SYSTEM_ERROR"})
"""Refusals after which the same request may succeed."""


class Step(TypedDict, total=False):
    """What the machine is told: the next step, and why the funds return if they do."""

    next: str
    reason: str


def assess_risk(desk: Desk, withdrawal_id: str) -> Step:
    """Find who has to agree (M27), once; answer where the withdrawal stands."""
    payee = desk.books.withdrawals.payee(desk.books.withdrawals.get(withdrawal_id).person)
    now = desk.books.clock.now()

    def assessed(one: Withdrawal) -> Withdrawal:
        if one.assessment or one.status is not Status.REQUESTED:
            return one
        own = Recent(withdrawal_id=one.withdrawal_id, requested_at=one.requested_at, amount_fen=one.amount_fen)
        found = assess(desk.policy, payee, own)
        status = Status.APPROVED if found.route is Route.AUTOMATIC else Status.REQUESTED
        return replace(one, assessment=found, status=status, attempt=max(1, one.attempt), due_at=now + START_TIME)

    return _step(desk.books.withdrawals.change(withdrawal_id, assessed))


def await_review(books: Books, withdrawal_id: str, token: str) -> None:
    """Open the case, or put this token on the one that is open; its close completes the token from the stream.

    Raises:
        ValueError: the withdrawal is past its review.
    """
    withdrawal = books.withdrawals.get(withdrawal_id)
    if withdrawal.case_id:
        books.cases.change(withdrawal.case_id, lambda case: replace(case, parent_token=token))
        return
    if withdrawal.status is not Status.REQUESTED or withdrawal.assessment is None:
        raise ValueError(f"a withdrawal that is {withdrawal.status} is not for review")
    now = books.clock.now()
    matter = _matter(withdrawal, withdrawal.assessment)
    case = replace(opened(matter, now, books.review_time), parent_token=token)
    in_review = replace(withdrawal, status=Status.IN_REVIEW, case_id=case.case_id, due_at=now + _LOOK_IN_ON_REVIEW)
    transaction = Transaction()
    put_withdrawal(transaction, in_review)
    put_case(transaction, case)
    try:
        transaction.commit()
    except TransactionCancelledError as error:
        raise BusyError from error  # a twin of this step came first: tried again, it finds the case


def apply_review(books: Books, withdrawal_id: str) -> Step:
    """Act on what the case says, which is read from the table and not from what woke the machine."""
    withdrawal = books.withdrawals.get(withdrawal_id)
    if withdrawal.status is not Status.IN_REVIEW or withdrawal.case_id is None:
        return _step(withdrawal)
    case = books.cases.file(withdrawal.case_id).case
    match case.status:
        case CaseStatus.OPEN:
            return {"next": "review"}
        case CaseStatus.REJECTED:
            return {"next": "return", "reason": ReturnReason.REJECTED}
        case CaseStatus.EXPIRED:
            return {"next": "return", "reason": ReturnReason.REVIEW_EXPIRED}
        case CaseStatus.APPROVED:
            due_at = books.clock.now() + START_TIME
            return _step(books.withdrawals.change(withdrawal_id, lambda one: _approved(one, due_at)))


def prepare(desk: Desk, withdrawal_id: str) -> Step:
    """Check the gate (M24), fix the figures (M25), take the person's slot and store the request (M23, M26)."""
    books = desk.books
    for attempt in range(MAX_ATTEMPTS):
        withdrawal = books.withdrawals.get(withdrawal_id)
        if withdrawal.status is not Status.APPROVED:
            return _step(withdrawal)
        now = books.clock.now()
        payee = books.withdrawals.payee(withdrawal.person)
        final = figures(desk.policy, payee.months, shanghai_month(now), withdrawal.amount_fen, withdrawal.tax_class)
        reason = _gate(desk, withdrawal, final, now)
        if reason:
            return {"next": "return", "reason": reason}
        turn = _turn(desk, withdrawal, payee, now)
        if turn:
            books.withdrawals.change(withdrawal_id, lambda one: _waiting(one, turn))  # noqa: B023 - called at once
            return {"next": "wait"}
        if _stored(desk, withdrawal, payee, final, now):
            return {"next": "create"}
        back_off(attempt)
    raise BusyError


def create(desk: Desk, withdrawal_id: str) -> Step:
    """Send the stored request and note WeChat's answer.

    Raises:
        TransferUnsettledError: WeChat does not know the bill; the same is to be done again (M23).
        WeChatUnavailableError: WeChat could not be asked.
    """
    withdrawal = desk.books.withdrawals.get(withdrawal_id)
    if withdrawal.transfer is None or withdrawal.transfer.state or withdrawal.status.ended:
        return _step(withdrawal)
    return _step(send_or_ask(desk, withdrawal, withdrawal.transfer))


def await_end(books: Books, withdrawal_id: str, token: str) -> None:
    """Store the token; the stream completes it once the withdrawal has ended, also if it has already (M28)."""
    books.withdrawals.change(withdrawal_id, lambda one: replace(one, end_token=token))


def return_funds(books: Books, withdrawal_id: str, reason: ReturnReason) -> Step:
    """Return the funds, unless the transfer was asked for meanwhile."""
    return _step(return_unsent(books, withdrawal_id, reason))


def send_or_ask(desk: Desk, withdrawal: Withdrawal, transfer: Transfer) -> Withdrawal:
    """Send the stored body; if that brings no answer, ask; take in what WeChat says (M23).

    Raises:
        TransferUnsettledError: WeChat does not know the bill.
        WeChatUnavailableError: WeChat could not be asked.
    """
    answer: TransferResult | None
    try:
        answer = desk.transfers.send(transfer.body)
    except WeChatUnavailableError:
        answer = desk.transfers.query(withdrawal.withdrawal_id)
    except WeChatRefusedError as error:
        count("TransferNotCreated", code=error.code)
        answer = desk.transfers.query(withdrawal.withdrawal_id)
        if answer is None and error.code not in _RECOVERABLE_CODES:
            now = desk.books.clock.now()
            desk.books.withdrawals.change(withdrawal.withdrawal_id, lambda one: _stalled(one, now))
    if answer is not None and answer.state.final:
        answer = desk.transfers.query(withdrawal.withdrawal_id)  # only a query or the notification says paid
    if answer is None:
        raise TransferUnsettledError(withdrawal.withdrawal_id)
    return transfer_ended(desk.books, confirmable(desk, transfer, answer))


def confirmable(desk: Desk, transfer: Transfer, answer: TransferResult) -> TransferResult:
    """Return the answer with what the payee confirms by.

    Only the answer to the request itself carries the package, a query never does; so where it is missing, the same body
    is sent again under the same number, which gives the same bill (M23).

    Raises:
        WeChatUnavailableError: WeChat gave no answer; nothing was noted.
    """
    if answer.state is not TransferState.WAIT_USER_CONFIRM or answer.package_info or transfer.package_info:
        return answer
    return desk.transfers.send(transfer.body)


def _step(withdrawal: Withdrawal) -> Step:
    """Return what comes next for a withdrawal as it stands."""
    match withdrawal.status:
        case Status.REQUESTED:
            return {"next": "review"}
        case Status.IN_REVIEW:
            return {"next": "apply_review"}
        case Status.APPROVED:
            return {"next": "prepare"}
        case Status.TRANSFERRING:
            known = withdrawal.transfer is not None and withdrawal.transfer.state is not None
            return {"next": "await_end" if known else "create"}
        case Status.PAID | Status.RETURNED:
            return {"next": "done"}


def _matter(withdrawal: Withdrawal, assessment: Assessment) -> Matter:
    facts: Facts = {
        "member_id": withdrawal.member_id,
        "amount_fen": withdrawal.amount_fen,
        "tax_class": withdrawal.tax_class,
        "quoted_tax_fen": withdrawal.quote.tax_fen,
        "quoted_fee_fen": withdrawal.quote.fee_fen,
        "quoted_net_fen": withdrawal.quote.net_fen,
        "day_fen": assessment.day_fen,
        "month_fen": assessment.month_fen,
        "signals": [str(signal) for signal in assessment.signals],
    }
    return Matter(
        kind=REVIEW,
        subject_id=withdrawal.withdrawal_id,
        person=withdrawal.person,
        facts=facts,
        required_approvals=assessment.route.required_approvals,
    )


def _approved(withdrawal: Withdrawal, due_at: datetime) -> Withdrawal:
    if withdrawal.status is not Status.IN_REVIEW:
        return withdrawal
    return replace(withdrawal, status=Status.APPROVED, due_at=due_at)


def _gate(desk: Desk, withdrawal: Withdrawal, final: Figures, now: datetime) -> ReturnReason | None:
    """Return what stands against the transfer just before it is created (M24, and WeChat's limits of M25)."""
    if desk.books.ledger.wallet(WalletKey(withdrawal.member_id, withdrawal.tax_class)).debt_fen:
        return ReturnReason.DEBT
    member = desk.members.get(withdrawal.member_id)
    if member is None or member.standing_at(now) is Standing.SUSPENDED:
        return ReturnReason.SUSPENDED
    return net_problem(final.net_fen, has_name=withdrawal.payee_name_cipher is not None)


def _turn(desk: Desk, withdrawal: Withdrawal, payee: Payee, now: datetime) -> datetime | None:
    """Return when to try again if the transfer has to wait: for the month's end, or for the person's slot (M26)."""
    quiet = quiet_until(desk.policy.tax_method, now)
    if quiet:
        return quiet
    if payee.in_flight in {None, withdrawal.withdrawal_id}:
        return None
    return now + min(_TURN_WAIT * withdrawal.attempt, _MAX_TURN_WAIT)


def _waiting(withdrawal: Withdrawal, until: datetime) -> Withdrawal:
    """Return the withdrawal with its next execution due; the one that runs now ends."""
    if withdrawal.status is not Status.APPROVED:
        return withdrawal
    return replace(withdrawal, due_at=until)


def _stored(desk: Desk, withdrawal: Withdrawal, payee: Payee, final: Figures, now: datetime) -> bool:
    """Store the request's body and take the slot in one transaction; false if either changed since it was read."""
    body = desk.transfers.build_body(
        out_bill_no=withdrawal.withdrawal_id,
        openid=withdrawal.openid,
        amount_fen=final.net_fen,
        user_name_cipher=withdrawal.payee_name_cipher if final.net_fen >= NAME_ALLOWED_FROM_FEN else None,
    )
    transaction = Transaction()
    put_withdrawal(
        transaction,
        replace(
            withdrawal,
            status=Status.TRANSFERRING,
            final=final,
            transfer=Transfer(body=body, prepared_at=now, stall_at=now + STALL_TIME),
            due_at=now + _CREATE_TIME,
        ),
    )
    put_payee(transaction, replace(payee, in_flight=withdrawal.withdrawal_id))
    try:
        transaction.commit()
    except TransactionCancelledError:
        return False
    return True


def _stalled(withdrawal: Withdrawal, now: datetime) -> Withdrawal:
    """Return the withdrawal with its case due at once: WeChat refuses this request, sending it again cannot help."""
    if withdrawal.transfer is None or withdrawal.transfer.state or withdrawal.transfer.stalls:
        return withdrawal
    transfer = replace(withdrawal.transfer, stall_at=min(withdrawal.transfer.stall_at, now))
    return replace(withdrawal, transfer=transfer, due_at=next_question(None, now))
