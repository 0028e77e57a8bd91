"""What WeChat says of a transfer: repeated, late, contradicting, wrong."""

import pytest
from msgspec.structs import replace

from fenxiao.ledger.errors import ContradictionError
from fenxiao.ledger.model import Entry, Wallet
from fenxiao.ledger.post import post
from fenxiao.wechat.facts import TransferResult, TransferState
from fenxiao.withdrawal.errors import TransferContradictionError, TransferMismatchError, UnknownTransferError
from fenxiao.withdrawal.finish import return_unsent, transfer_ended
from fenxiao.withdrawal.model import ReturnReason, Status
from tests.unit.withdrawal.harness import START, World


@pytest.fixture
def transferring(world: World) -> tuple[World, str]:
    world.fund(5_000)
    one = world.ask(3_000)
    world.settle()
    return world, one


def test_second_notification_changes_nothing(transferring: tuple[World, str]) -> None:
    world, one = transferring
    world.end(one, TransferState.SUCCESS)
    before = world.get(one)
    world.end(one, TransferState.SUCCESS)
    assert world.get(one) == before
    assert world.posted() == {"paid_out": 3_000}
    payee = world.books.withdrawals.payee(before.person)
    assert [month.gross_fen for month in payee.months.values()] == [3_000]


@pytest.mark.parametrize(
    ("first", "second"),
    [(TransferState.FAIL, TransferState.SUCCESS), (TransferState.SUCCESS, TransferState.CANCELLED)],
)
def test_contradiction_is_refused_and_becomes_a_case(
    transferring: tuple[World, str], first: TransferState, second: TransferState
) -> None:
    world, one = transferring
    world.end(one, first)
    wallet, posted = world.wallet(), world.posted()
    for _ in range(2):
        with pytest.raises(TransferContradictionError):
            world.end(one, second)
    assert (world.wallet(), world.posted()) == (wallet, posted)
    assert len(world.cases("transfer_contradiction")) == 1


@pytest.mark.parametrize("amount_fen", [2_999, None])
def test_success_of_another_amount_is_refused_and_becomes_a_case(
    transferring: tuple[World, str], amount_fen: int | None
) -> None:
    world, one = transferring
    result = world.transfers.end(one, TransferState.SUCCESS)
    with pytest.raises(TransferMismatchError):
        transfer_ended(world.books, replace(result, amount_fen=amount_fen))
    assert world.get(one).status is Status.TRANSFERRING
    assert world.wallet() == Wallet(available_fen=2_000, reserved_fen=3_000)
    assert len(world.cases("transfer_mismatch")) == 1


def test_unknown_bill_is_refused(world: World) -> None:
    with pytest.raises(UnknownTransferError):
        transfer_ended(world.books, TransferResult(out_bill_no="W" + "Z" * 26, state=TransferState.SUCCESS))


def test_bill_that_was_never_asked_for_is_refused(world: World) -> None:
    world.fund(5_000)
    one = world.ask(3_000)
    with pytest.raises(UnknownTransferError):
        transfer_ended(world.books, TransferResult(out_bill_no=one, state=TransferState.SUCCESS, amount_fen=3_000))


def test_state_that_comes_after_the_end_is_ignored(transferring: tuple[World, str]) -> None:
    world, one = transferring
    late = world.transfers.bills[one]
    world.end(one, TransferState.SUCCESS)
    assert transfer_ended(world.books, late).status is Status.PAID


def test_funds_of_a_transfer_that_was_asked_for_are_never_returned_by_us(transferring: tuple[World, str]) -> None:
    world, one = transferring
    assert return_unsent(world.books, one, ReturnReason.SUSPENDED).status is Status.TRANSFERRING
    assert world.wallet() == Wallet(available_fen=2_000, reserved_fen=3_000)


def test_returned_funds_repay_a_debt_first(transferring: tuple[World, str]) -> None:
    world, one = transferring
    world.owe(2_500)
    assert world.wallet() == Wallet(reserved_fen=3_000, debt_fen=500)
    world.end(one, TransferState.FAIL)
    assert world.wallet() == Wallet(available_fen=2_500)


@pytest.mark.rule("M3")
def test_end_that_stands_with_other_amounts_contradicts_and_becomes_a_case(transferring: tuple[World, str]) -> None:
    world, one = transferring
    wallet = world.wallet()
    stray = Entry(collection=f"withdrawal#{one}", number=1, event="paid", cause={}, at=START, movements=())
    assert post(world.books.ledger, stray)
    for _ in range(2):
        with pytest.raises(ContradictionError):
            world.end(one, TransferState.SUCCESS)
    assert (world.get(one).status, world.wallet()) == (Status.TRANSFERRING, wallet)
    (case,) = world.cases("journal_contradiction")
    assert (case.subject_id, case.facts["number"]) == (f"withdrawal#{one}/paid", 1)
