"""Writing off what a member owes: one staff member asks for it, another approves, one journal forgives it (M4)."""

from collections.abc import Sequence
from typing import Annotated, Final

import msgspec

from fenxiao.aws.dynamodb import back_off
from fenxiao.errors import BusyError, IdempotencyKeyReusedError, NotFoundError
from fenxiao.ids import Kind, is_id
from fenxiao.ledger.errors import DebtSmallerError, MovedError
from fenxiao.ledger.model import Entry, Movement, Platform, TaxClass, Wallet, WalletKey
from fenxiao.ledger.post import post
from fenxiao.ledger.store import LedgerStore
from fenxiao.review.cases import Matter
from fenxiao.review.docket import Docket
from fenxiao.review.model import Case, CaseStatus, Facts, Reviewer

WRITE_OFF: Final = "write_off"
"""The kind of case that decides, and the event of the journal."""

_MAX_FEN: Final = 10_000_000_000
_MAX_ATTEMPTS: Final = 8


class RequestWriteOff(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much of a member's debt is to be forgiven, and why."""

    amount_fen: Annotated[int, msgspec.Meta(ge=1, le=_MAX_FEN)]
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]


class Debtor(msgspec.Struct, frozen=True):
    """The member who owes, and the person who they are: a keyed HMAC."""

    member_id: str
    person: str


def request_write_off(
    ledger: LedgerStore, docket: Docket, maker: Reviewer, debtor: Debtor, key: str, request: RequestWriteOff
) -> Case:
    """Open the case on a write-off; the same request again answers its case as it stands.

    Neither the maker, under whatever account, nor the debtor may decide it.

    Raises:
        NotFoundError: the debtor's id is none.
        DebtSmallerError: less is owed.
        IdempotencyKeyReusedError: the maker's key stands for another content.
    """
    if not is_id(Kind.MEMBER, debtor.member_id):
        raise NotFoundError
    facts: Facts = {
        "member_id": debtor.member_id,
        "amount_fen": request.amount_fen,
        "reason": request.reason,
        "requested_by": maker.staff_id,
    }
    matter = Matter(
        kind=WRITE_OFF,
        subject_id=debtor.member_id,
        person=debtor.person,
        excluded=(maker.staff_id, *([maker.person] if maker.person else [])),
        facts=facts,
        required_approvals=1,
        number=f"{maker.staff_id}/{key}",
    )
    case = docket.cases.get(matter.case_id)
    if case is None:
        debt_fen = sum(wallet.debt_fen for wallet in _wallets(ledger, debtor.member_id))
        if request.amount_fen > debt_fen:
            raise DebtSmallerError(f"当前欠款 {debt_fen} 分")
        docket.open(msgspec.structs.replace(matter, facts=facts | {"debt_fen": debt_fen}))
        case = docket.cases.file(matter.case_id).case
    if case.facts | facts != case.facts:
        raise IdempotencyKeyReusedError
    return case


def carry_out(ledger: LedgerStore, case: Case) -> None:
    """Forgive what an approved case says, at most what is still owed; any other case means nothing.

    It is done once: the journal is the first and only one of the case's collection (M1), and has no postings if nothing
    is owed any more.

    Raises:
        BusyError: the debt kept changing.
    """
    if case.status is not CaseStatus.APPROVED:
        return
    for attempt in range(_MAX_ATTEMPTS):
        if ledger.collection(_collection(case)):
            return
        try:
            post(ledger, _entry(ledger, case))
        except (DebtSmallerError, MovedError):
            back_off(attempt)  # part of it was repaid or forgiven meanwhile
        else:
            return
    raise BusyError


def _entry(ledger: LedgerStore, case: Case) -> Entry:
    member_id, amount_fen = case.subject_id, case.facts["amount_fen"]
    if not isinstance(amount_fen, int):
        raise TypeError(f"the case {case.case_id} names no amount")
    left_fen, movements = amount_fen, []
    for tax_class, wallet in zip(TaxClass, _wallets(ledger, member_id), strict=True):
        fen = min(left_fen, wallet.debt_fen)
        if fen:
            movements.append(Movement(wallet=WalletKey(member_id, tax_class), forgiven_fen=fen))
            left_fen -= fen
    forgiven_fen = sum(move.forgiven_fen for move in movements)
    return Entry(
        collection=_collection(case),
        number=0,
        event=WRITE_OFF,
        cause={"case_id": case.case_id, "member_id": member_id, "amount_fen": amount_fen},
        at=ledger.clock.now(),
        movements=tuple(movements),
        platform={Platform.WRITTEN_OFF: -forgiven_fen} if forgiven_fen else {},
    )


def _collection(case: Case) -> str:
    return f"writeoff#{case.case_id}"


def _wallets(ledger: LedgerStore, member_id: str) -> Sequence[Wallet]:
    """Return the member's wallets in the order of the tax classes, which is the one in which debts are forgiven."""
    keys = [WalletKey(member_id, tax_class) for tax_class in TaxClass]
    found = ledger.wallets(keys)
    return [found[key] for key in keys]
