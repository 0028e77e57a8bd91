"""Asking for a withdrawal: what is refused, and that a key stands for one request."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest
from msgspec.structs import replace

from fenxiao.aws.clients import client
from fenxiao.aws.dynamodb import RawItem
from fenxiao.errors import DomainError, IdempotencyKeyReusedError
from fenxiao.ids import Kind, derived_id
from fenxiao.ledger.errors import ContradictionError, InsufficientBalanceError
from fenxiao.ledger.model import Entry, Wallet
from fenxiao.ledger.post import post
from fenxiao.withdrawal.errors import (
    AboveMaximumError,
    BelowMinimumError,
    MemberSuspendedError,
    PayeeNameRequiredError,
    TooManyWithdrawalsError,
)
from fenxiao.withdrawal.model import Recent
from fenxiao.withdrawal.policy import check_request
from fenxiao.withdrawal.store import WithdrawalItem
from tests.unit.withdrawal.harness import MEMBER, POLICY, START, World

pytestmark = pytest.mark.moto


def test_replay_answers_the_same_and_reserves_once(world: World) -> None:
    world.fund(5_000)
    assert world.ask(3_000) == world.ask(3_000)
    assert world.wallet() == Wallet(available_fen=2_000, reserved_fen=3_000)


def test_replay_answers_although_the_balance_is_gone_and_the_member_suspended(world: World) -> None:
    world.fund(3_000)
    one = world.ask(3_000)
    world.members.suspend(MEMBER, START)
    assert world.ask(3_000) == one


@pytest.mark.parametrize(("amount_fen", "name"), [(3_001, None), (3_000, "张三")])
def test_other_content_under_the_same_key_is_refused(world: World, amount_fen: int, name: str | None) -> None:
    world.fund(10_000)
    world.ask(3_000)
    with pytest.raises(IdempotencyKeyReusedError):
        world.ask(amount_fen, name=name)
    assert world.wallet().reserved_fen == 3_000


@pytest.mark.parametrize(
    ("amount_fen", "error"),
    [(99, BelowMinimumError), (2_000_001, AboveMaximumError), (5_001, InsufficientBalanceError)],
)
def test_amount_outside_the_limits_reserves_nothing(world: World, amount_fen: int, error: type[DomainError]) -> None:
    world.fund(5_000)
    with pytest.raises(error):
        world.ask(amount_fen)
    assert world.wallet() == Wallet(available_fen=5_000)
    assert WithdrawalItem.count() == 0


def test_suspended_member_withdraws_nothing(world: World) -> None:
    world.fund(5_000)
    world.members.suspend(MEMBER, START)
    with pytest.raises(MemberSuspendedError):
        world.ask(3_000)
    assert world.wallet() == Wallet(available_fen=5_000)


def test_request_that_was_refused_can_be_made_again_under_its_key(world: World) -> None:
    with pytest.raises(InsufficientBalanceError):
        world.ask(3_000)
    world.fund(5_000)
    world.ask(3_000)
    assert world.wallet().reserved_fen == 3_000


def test_name_is_required_from_2000_yuan_net(world: World) -> None:
    world.fund(500_000)
    with pytest.raises(PayeeNameRequiredError):
        world.ask(250_000)
    one = world.get(world.ask(250_000, name="欧阳小明"))
    assert one.quote.net_fen == 250_000 - 34_000
    assert one.payee_name_cipher == "sealed(4)"


def test_name_is_stored_for_wechat_only(world: World) -> None:
    world.fund(500_000)
    world.ask(250_000, name="欧阳小明")
    stored: list[RawItem] = [item.serialize() for item in WithdrawalItem.scan(WithdrawalItem.sk == "withdrawal")]
    assert stored
    assert "欧阳小明" not in repr(stored)


def test_name_is_left_out_below_30_fen(world: World) -> None:
    world.desk = replace(world.desk, policy=replace(POLICY, min_fen=10))
    world.fund(5_000)
    one = world.ask(29, "key-small", name="张三")
    world.settle()
    transfer = world.get(one).transfer
    assert transfer
    assert "sealed" not in transfer.body


def test_hundred_requests_in_thirty_days_are_enough(world: World) -> None:
    payee = world.books.withdrawals.payee("person")
    for i in range(100):
        payee = payee.with_request(Recent(withdrawal_id=f"W{i}", requested_at=START, amount_fen=100))
    with pytest.raises(TooManyWithdrawalsError):
        check_request(POLICY, payee, 100, START)


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


def test_twins_at_the_same_moment_reserve_once(world: World) -> None:
    world.fund(9_000)
    twins: list[str] = []
    with meanwhile(lambda: twins.append(world.ask(3_000))):
        assert world.ask(3_000) == twins[0]
    assert world.wallet() == Wallet(available_fen=6_000, reserved_fen=3_000)


def test_twin_that_takes_the_last_of_the_balance_is_answered_alike(world: World) -> None:
    world.fund(3_000)
    twins: list[str] = []
    with meanwhile(lambda: twins.append(world.ask(3_000))):
        assert world.ask(3_000) == twins[0]
    assert world.wallet() == Wallet(reserved_fen=3_000)


def test_key_used_for_another_amount_at_the_same_moment_is_refused(world: World) -> None:
    world.fund(9_000)
    with meanwhile(lambda: world.ask(2_000)), pytest.raises(IdempotencyKeyReusedError):
        world.ask(3_000)
    assert world.wallet() == Wallet(available_fen=7_000, reserved_fen=2_000)
    assert world.cases("journal_contradiction") == [], "the user's mistake is no contradiction of the books"


@pytest.mark.rule("M3")
def test_reservation_of_which_nothing_else_is_known_contradicts_and_becomes_a_case(world: World) -> None:
    world.fund(5_000)
    one = derived_id(Kind.WITHDRAWAL, MEMBER, "key-0001")
    stray = Entry(collection=f"withdrawal#{one}", number=0, event="reserve", cause={}, at=START, movements=())
    assert post(world.books.ledger, stray)
    for _ in range(2):
        with pytest.raises(ContradictionError):
            world.ask(3_000)
    assert (world.wallet(), WithdrawalItem.count()) == (Wallet(available_fen=5_000), 0)
    (case,) = world.cases("journal_contradiction")
    assert case.subject_id == f"withdrawal#{one}/reserve"


def test_requests_at_the_same_moment_never_pass_the_balance(world: World) -> None:
    world.fund(5_000)
    with meanwhile(lambda: world.ask(3_000, "key-other")), pytest.raises(InsufficientBalanceError):
        world.ask(3_000)
    assert world.wallet() == Wallet(available_fen=2_000, reserved_fen=3_000)


def test_two_requests_at_the_same_moment_both_count_for_the_thresholds(world: World) -> None:
    world.fund(9_000)
    with meanwhile(lambda: world.ask(3_000, "key-other")):
        one = world.get(world.ask(3_000))
    assert [recent.amount_fen for recent in world.books.withdrawals.payee(one.person).recent] == [3_000, 3_000]
