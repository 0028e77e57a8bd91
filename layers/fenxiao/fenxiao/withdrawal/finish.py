"""How a withdrawal ends: paid or returned, the same journal number, so that only one can ever post (M22)."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from fenxiao.aws.dynamodb import Transaction, TransactionCancelledError, back_off
from fenxiao.clock import shanghai_month
from fenxiao.errors import BusyError, ConflictError
from fenxiao.ledger.errors import ContradictionError, MovedError
from fenxiao.ledger.model import Entry, Movement, Platform, WalletKey
from fenxiao.ledger.post import post
from fenxiao.observability import count
from fenxiao.review.cases import Matter, opened
from fenxiao.review.store import put_case
from fenxiao.wechat.facts import TransferResult, TransferState
from fenxiao.withdrawal.errors import TransferContradictionError, TransferMismatchError, UnknownTransferError
from fenxiao.withdrawal.model import Figures, Payee, ReturnReason, Status, Transfer, Withdrawal
from fenxiao.withdrawal.ports import Books
from fenxiao.withdrawal.store import MAX_ATTEMPTS, put_payee, put_withdrawal
from fenxiao.withdrawal.tax import TaxMethod, shortfall_fen

MISMATCH: Final = "transfer_mismatch"
CONTRADICTION: Final = "transfer_contradiction"
TAX_SHORTFALL: Final = "tax_shortfall"
"""Kinds of cases that this module opens."""

_ASK_EVERY: Final = timedelta(minutes=10)
_ASK_WAITING_EVERY: Final = timedelta(hours=1)
"""How often WeChat is asked about a bill; a payee may take a day to confirm."""

_ENDS: Final = {
    TransferState.SUCCESS: Status.PAID,
    TransferState.FAIL: Status.RETURNED,
    TransferState.CANCELLED: Status.RETURNED,
}


class _Ending(Struct, frozen=True, kw_only=True):
    """All that is written when a withdrawal ends."""

    entry: Entry
    withdrawal: Withdrawal
    payee: Payee
    matter: Matter | None = None


def transfer_ended(books: Books, result: TransferResult) -> Withdrawal:
    """Take in what WeChat says of a transfer, by notification, query or answer; return the withdrawal after it.

    An end is posted with the withdrawal's end and the payee's sums, in one transaction; any other state is noted. The
    same word again changes nothing.

    Raises:
        UnknownTransferError: no request is stored for this bill.
        TransferMismatchError: the amount is not ours; nothing is posted, a case is opened.
        TransferContradictionError: another end stands; nothing is posted, a case is opened.
        ContradictionError: this end stands in the books with other amounts; likewise.
        BusyError: other writes kept coming first.
    """
    return _until_written(books, result.out_bill_no, lambda withdrawal: _take_in(books, withdrawal, result))


def return_unsent(books: Books, withdrawal_id: str, reason: ReturnReason) -> Withdrawal:
    """Return the funds of a withdrawal whose transfer was never asked for; any other is left as it is (M24)."""

    def ending(withdrawal: Withdrawal) -> _Ending | None:
        if withdrawal.status.ended or withdrawal.transfer:
            return None
        return _returned(books, withdrawal, reason, books.clock.now())

    return _until_written(books, withdrawal_id, ending)


def next_question(state: TransferState | None, now: datetime) -> datetime:
    """Return when WeChat is asked again about a bill in this state."""
    return now + (_ASK_WAITING_EVERY if state is TransferState.WAIT_USER_CONFIRM else _ASK_EVERY)


def _until_written(books: Books, withdrawal_id: str, ending_of: Callable[[Withdrawal], _Ending | None]) -> Withdrawal:
    """Read, decide and post until nothing came between; a withdrawal without an ending is returned as it stands."""
    for attempt in range(MAX_ATTEMPTS):
        withdrawal = books.withdrawals.find(withdrawal_id)
        if withdrawal is None:
            count("UnknownTransfer")
            raise UnknownTransferError
        ending = ending_of(withdrawal)
        if ending is None:
            return books.withdrawals.get(withdrawal_id)
        try:
            post(books.ledger, ending.entry, lambda transaction: _write(books, transaction, ending))  # noqa: B023
        except (TransactionCancelledError, MovedError):
            back_off(attempt)  # read again: what another writer did in between decides
            continue
        except ContradictionError as error:
            books.report(error)
            raise
        return books.withdrawals.get(withdrawal_id)
    raise BusyError


def _write(books: Books, transaction: Transaction, ending: _Ending) -> None:
    put_withdrawal(transaction, ending.withdrawal)
    put_payee(transaction, ending.payee)
    if ending.matter:
        put_case(transaction, opened(ending.matter, books.clock.now(), books.review_time))


def _take_in(books: Books, withdrawal: Withdrawal, result: TransferResult) -> _Ending | None:
    transfer, final = withdrawal.transfer, withdrawal.final
    if transfer is None or final is None:
        count("UnknownTransfer")
        raise UnknownTransferError
    if withdrawal.status.ended:
        if result.state.final and _ENDS[result.state] is not withdrawal.status:
            _refuse(books, withdrawal, result, CONTRADICTION)
        return None
    if _differs(final, result):
        _refuse(books, withdrawal, result, MISMATCH)
    after = replace(withdrawal, transfer=_noted(transfer, result))
    at = result.updated_at or books.clock.now()
    match result.state:
        case TransferState.SUCCESS:
            return _paid(books, after, final, at)
        case TransferState.FAIL:
            return _returned(books, after, ReturnReason.TRANSFER_FAILED, at)
        case TransferState.CANCELLED:
            return _returned(books, after, ReturnReason.TRANSFER_CANCELLED, at)
        case _:
            books.withdrawals.change(withdrawal.withdrawal_id, lambda one: _note(one, result, books.clock.now()))
            return None


def _note(withdrawal: Withdrawal, result: TransferResult, now: datetime) -> Withdrawal:
    """Return the withdrawal with a state that is not an end; an end that came between stands."""
    if withdrawal.status.ended or withdrawal.transfer is None:
        return withdrawal
    return replace(withdrawal, transfer=_noted(withdrawal.transfer, result), due_at=next_question(result.state, now))


def _noted(transfer: Transfer, result: TransferResult) -> Transfer:
    return replace(
        transfer,
        state=result.state,
        transfer_bill_no=result.transfer_bill_no or transfer.transfer_bill_no,
        package_info=result.package_info or transfer.package_info,
        fail_reason=result.fail_reason or transfer.fail_reason,
    )


def _differs(final: Figures, result: TransferResult) -> bool:
    """Tell whether the amount is not ours; a success that names none is not believed."""
    if result.amount_fen is None:
        return result.state is TransferState.SUCCESS
    return result.amount_fen != final.net_fen


def _refuse(books: Books, withdrawal: Withdrawal, result: TransferResult, kind: str) -> None:
    """Open a case on what WeChat says and refuse it."""
    matter = Matter(
        kind=kind,
        subject_id=withdrawal.withdrawal_id,
        person=withdrawal.person,
        facts={
            "member_id": withdrawal.member_id,
            "status": withdrawal.status,
            "net_fen": withdrawal.final.net_fen if withdrawal.final else 0,
            "wechat_state": result.state,
            "wechat_amount_fen": -1 if result.amount_fen is None else result.amount_fen,
        },
        required_approvals=2,
    )
    books.cases.open(opened(matter, books.clock.now(), books.review_time))
    count("TransferRefused")
    error: type[ConflictError] = TransferMismatchError if kind == MISMATCH else TransferContradictionError
    raise error


def _paid(books: Books, withdrawal: Withdrawal, final: Figures, at: datetime) -> _Ending:
    month = shanghai_month(at)
    income_fen = 0 if final.tax_method is TaxMethod.NONE else withdrawal.amount_fen
    payee = books.withdrawals.payee(withdrawal.person).with_paid(month, income_fen, final.tax_fen)
    short_fen = shortfall_fen(final.tax_method, payee.months, month)
    entry = Entry(
        collection=withdrawal.collection,
        number=1,
        event="paid",
        cause={
            "withdrawal_id": withdrawal.withdrawal_id,
            "amount_fen": withdrawal.amount_fen,
            "tax_fen": final.tax_fen,
            "fee_fen": final.fee_fen,
        },
        at=at,
        movements=(_released(withdrawal, free_fen=0),),
        platform={
            Platform.PAID_OUT: final.net_fen,
            Platform.TAX_PAYABLE: final.tax_fen,
            Platform.FEE_INCOME: final.fee_fen,
        },
    )
    ended = replace(withdrawal, status=Status.PAID, ended_at=at, due_at=None)
    matter = _shortfall(withdrawal, month, short_fen) if short_fen else None
    return _Ending(entry=entry, withdrawal=ended, payee=payee, matter=matter)


def _shortfall(withdrawal: Withdrawal, month: str, short_fen: int) -> Matter:
    """Return the case on tax that could not be withheld (M26)."""
    count("TaxShortfall")
    return Matter(
        kind=TAX_SHORTFALL,
        subject_id=withdrawal.withdrawal_id,
        person=withdrawal.person,
        facts={"member_id": withdrawal.member_id, "month": month, "shortfall_fen": short_fen},
        required_approvals=1,
    )


def _returned(books: Books, withdrawal: Withdrawal, reason: ReturnReason, at: datetime) -> _Ending:
    entry = Entry(
        collection=withdrawal.collection,
        number=1,
        event="returned",
        cause={"withdrawal_id": withdrawal.withdrawal_id, "amount_fen": withdrawal.amount_fen},
        at=at,
        movements=(_released(withdrawal, free_fen=withdrawal.amount_fen),),
    )
    ended = replace(withdrawal, status=Status.RETURNED, return_reason=reason, ended_at=at, due_at=None)
    payee = books.withdrawals.payee(withdrawal.person).without(withdrawal.withdrawal_id)
    return _Ending(entry=entry, withdrawal=ended, payee=payee)


def _released(withdrawal: Withdrawal, *, free_fen: int) -> Movement:
    """Return the movement that takes the amount out of reserved, and into the free balance as far as it returns."""
    return Movement(
        wallet=WalletKey(withdrawal.member_id, withdrawal.tax_class),
        free_fen=free_fen,
        reserved_fen=-withdrawal.amount_fen,
    )
