"""The process stops before the k-th write, or its answer is lost: run again, and the books are right."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest

from fenxiao.aws.clients import client
from fenxiao.errors import DomainError
from fenxiao.ledger.model import Wallet
from fenxiao.review.model import CaseStatus
from fenxiao.wechat.facts import TransferState
from fenxiao.withdrawal.model import Status
from tests.unit.withdrawal.harness import World

pytestmark = pytest.mark.moto

AMOUNT_FEN = 90_000
WRITES = 14
"""More than the story makes, so that the last ones crash nothing."""


class CrashError(Exception):
    """The process is gone."""


@contextmanager
def crash(event: str, at: int) -> Iterator[None]:
    """Stop at the `at`-th transaction: `before-call` writes nothing, `after-call` writes and loses the answer."""
    events = cast("Any", client("dynamodb")).meta.events
    calls = 0

    def stop(**_: object) -> None:
        nonlocal calls
        calls += 1
        if calls == at:
            raise CrashError

    name = f"{event}.dynamodb.TransactWriteItems"
    events.register(name, stop)
    try:
        yield
    finally:
        events.unregister(name, stop)


def go_on(world: World, end: TransferState) -> Status | None:
    """One round of everything that comes again in life: the client, streams, sweeper, reviewers, WeChat."""
    one = world.ask(AMOUNT_FEN)
    world.settle()
    world.sweep()
    withdrawal = world.get(one)
    if withdrawal.case_id:
        case = world.case_of(one)
        if case.status is CaseStatus.OPEN:
            world.review(case.case_id, "S1")
            world.settle()
    bill = world.transfers.bills.get(one)
    if bill and bill.state is TransferState.WAIT_USER_CONFIRM:
        world.transfers.end(one, end)
    if bill:
        world.end(one, world.transfers.bills[one].state)
        world.settle()
    return world.get(one).status


@pytest.mark.parametrize("end", [TransferState.SUCCESS, TransferState.FAIL])
@pytest.mark.parametrize("event", ["before-call", "after-call"])
@pytest.mark.parametrize("at", range(1, WRITES + 1))
def test_no_crash_loses_or_doubles_money(world: World, end: TransferState, event: str, at: int) -> None:
    world.fund(100_000)
    with crash(event, at):
        for _ in range(2):
            try:
                go_on(world, end)
            except (CrashError, DomainError):
                world.delivered.clear()  # the stream brings its records again
    for _ in range(12):
        world.clock.advance(minutes=30)
        if go_on(world, end) in {Status.PAID, Status.RETURNED}:
            break
    world.settle()

    (one,) = {json.loads(body)[0] for body in world.transfers.sent}
    assert len(set(world.transfers.sent)) == 1
    withdrawal = world.get(one)
    payee = world.books.withdrawals.payee(withdrawal.person)
    assert payee.in_flight is None
    if end is TransferState.SUCCESS:
        assert withdrawal.status is Status.PAID
        assert world.posted() == {"paid_out": 88_000, "tax_payable": 2_000}
        assert world.wallet() == Wallet(available_fen=10_000)
        assert [month.gross_fen for month in payee.months.values()] == [AMOUNT_FEN]
    else:
        assert withdrawal.status is Status.RETURNED
        assert world.posted() == {}
        assert world.wallet() == Wallet(available_fen=100_000)
        assert payee.recent == ()


@pytest.mark.parametrize("action", ["assess_risk", "prepare", "create"])
def test_step_done_twice_is_done_once(world: World, action: str) -> None:
    world.fund(5_000)
    one = world.ask(3_000)
    workers = world.workers()
    for name in ("assess_risk", "prepare", "create"):
        first = workers[name]({"withdrawal_id": one})
        if name == action:
            assert workers[name]({"withdrawal_id": one}) == first
    assert len(world.transfers.sent) == 1
    assert world.get(one).status is Status.TRANSFERRING
