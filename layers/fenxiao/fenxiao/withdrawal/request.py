"""Asking for a withdrawal: the funds are reserved and the request is written in one transaction."""

import json
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from fenxiao.aws.dynamodb import Transaction, TransactionCancelledError, back_off
from fenxiao.clock import shanghai_month
from fenxiao.errors import BusyError, IdempotencyKeyReusedError, NotFoundError
from fenxiao.identity.keys import keyed_lookup
from fenxiao.identity.person import tax_person
from fenxiao.ids import Kind, derived_id
from fenxiao.ledger.errors import ContradictionError, MovedError
from fenxiao.ledger.model import Entry, Movement, TaxClass, WalletKey
from fenxiao.ledger.post import post
from fenxiao.relation.model import Member, Standing
from fenxiao.withdrawal.errors import MemberSuspendedError
from fenxiao.withdrawal.model import Payee, Recent, Withdrawal
from fenxiao.withdrawal.policy import check_net, check_request, figures
from fenxiao.withdrawal.ports import Desk
from fenxiao.withdrawal.store import MAX_ATTEMPTS, put_payee, put_withdrawal

START_TIME: Final = timedelta(minutes=10)
"""A request whose execution has not gone on by then is looked after by the sweeper (M29)."""


class Request(Struct, frozen=True, kw_only=True):
    """What a member asks for. The idempotency key is theirs, so the two together name the withdrawal."""

    member_id: str
    idempotency_key: str
    amount_fen: int
    payee_name: str | None
    tax_class: TaxClass = TaxClass.COMMISSION

    @property
    def withdrawal_id(self) -> str:
        """Return the id that this member and key always give."""
        return derived_id(Kind.WITHDRAWAL, self.member_id, self.idempotency_key)

    def content_hash(self, key: bytes) -> str:
        """Return a keyed hash of the content; keyed, since a name could be guessed from a plain one."""
        content = json.dumps([self.withdrawal_id, self.amount_fen, self.payee_name, self.tax_class])
        return keyed_lookup(key, "withdrawal-content", content)


def request_withdrawal(desk: Desk, request: Request, key: bytes) -> Withdrawal:
    """Reserve the funds and write the withdrawal; a replay answers what stands.

    Args:
        desk: What it takes.
        request: What is asked for.
        key: The identity key, which names the person and hashes the content.

    Raises:
        IdempotencyKeyReusedError: the key stands for another content.
        MemberSuspendedError: a suspended member asks.
        BelowMinimumError, AboveMaximumError, TooManyWithdrawalsError, PayeeNameRequiredError: see `policy`.
        InsufficientBalanceError: less is available.
        ContradictionError: the books hold this withdrawal, of which nothing else is known; a case is opened.
        BusyError: other requests of the same person kept coming first.
    """
    content_hash = request.content_hash(key)
    for attempt in range(MAX_ATTEMPTS):
        standing = desk.books.withdrawals.find(request.withdrawal_id)
        if standing is not None:
            if standing.content_hash != content_hash:
                raise IdempotencyKeyReusedError
            return standing
        now = desk.books.clock.now()
        member = _member(desk, request.member_id, now)
        payee = desk.books.withdrawals.payee(tax_person(member.member_id, key))
        withdrawal = _draw_up(desk, request, content_hash, member, payee, now)
        if _written(desk, withdrawal, payee):
            return withdrawal
        back_off(attempt)
    raise BusyError


def _member(desk: Desk, member_id: str, now: datetime) -> Member:
    member = desk.members.get(member_id)
    if member is None:
        raise NotFoundError
    if member.standing_at(now) is Standing.SUSPENDED:
        raise MemberSuspendedError
    return member


def _draw_up(
    desk: Desk, request: Request, content_hash: str, member: Member, payee: Payee, now: datetime
) -> Withdrawal:
    check_request(desk.policy, payee, request.amount_fen, now)
    quote = figures(desk.policy, payee.months, shanghai_month(now), request.amount_fen, request.tax_class)
    check_net(quote.net_fen, has_name=request.payee_name is not None)
    return Withdrawal(
        withdrawal_id=request.withdrawal_id,
        member_id=request.member_id,
        person=payee.person,
        openid=member.openid,
        amount_fen=request.amount_fen,
        tax_class=request.tax_class,
        content_hash=content_hash,
        payee_name_cipher=desk.transfers.encrypt(request.payee_name) if request.payee_name else None,
        requested_at=now,
        quote=quote,
        due_at=now + START_TIME,
    )


def _written(desk: Desk, withdrawal: Withdrawal, payee: Payee) -> bool:
    """Post journal 0 with the withdrawal; false if a twin of this request or another of the person came first."""
    fen = withdrawal.amount_fen
    recent = Recent(
        withdrawal_id=withdrawal.withdrawal_id, requested_at=withdrawal.requested_at, amount_fen=withdrawal.amount_fen
    )
    entry = Entry(
        collection=withdrawal.collection,
        number=0,
        event="reserve",
        cause={"withdrawal_id": withdrawal.withdrawal_id, "amount_fen": fen},
        at=withdrawal.requested_at,
        movements=(
            Movement(wallet=WalletKey(withdrawal.member_id, withdrawal.tax_class), free_fen=-fen, reserved_fen=fen),
        ),
    )

    def write(transaction: Transaction) -> None:
        put_withdrawal(transaction, withdrawal)
        put_payee(transaction, payee.with_request(recent))

    try:
        return post(desk.books.ledger, entry, write)
    except (TransactionCancelledError, MovedError):
        return False
    except ContradictionError as error:
        if desk.books.withdrawals.find(withdrawal.withdrawal_id):
            return False  # another request under the same key came first
        desk.books.report(error)
        raise
