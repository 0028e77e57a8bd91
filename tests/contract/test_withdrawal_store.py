"""Withdrawals: requests that meet at one balance, the whole way to the payee, lists and due work, on each engine."""

from datetime import datetime, time, timedelta
from functools import partial

import pytest
from msgspec.structs import replace

from fenxiao.aws.dynamodb import Transaction
from fenxiao.clock import SHANGHAI, shanghai_day
from fenxiao.errors import IdempotencyKeyReusedError, NotFoundError
from fenxiao.ledger.errors import InsufficientBalanceError
from fenxiao.ledger.model import Wallet
from fenxiao.review.model import Verdict
from fenxiao.wechat.facts import TransferState
from fenxiao.withdrawal.finish import transfer_ended
from fenxiao.withdrawal.model import Payee, ReturnReason, Status
from fenxiao.withdrawal.store import Work, put_payee
from tests.support.engines import Engine, patiently, refusal
from tests.unit.withdrawal.harness import MEMBER, START, World


@pytest.fixture
def world(engine: Engine) -> World:
    """A desk with one promoter and no money."""
    return World()


def test_two_withdrawals_of_the_whole_balance_at_once_reserve_it_once(engine: Engine, world: World) -> None:
    world.fund(20_000)
    asks = [partial(world.ask, 20_000, f"key-000{number}") for number in range(2)]
    answers = engine.at_once(*(partial(refusal, ask, InsufficientBalanceError) for ask in asks))
    assert sorted(answers, key=str) == [InsufficientBalanceError, None]
    assert world.wallet() == Wallet(reserved_fen=20_000)
    withdrawals, _ = world.books.withdrawals.by_member(MEMBER, 9)
    assert [one.amount_fen for one in withdrawals] == [20_000]


def test_one_request_sent_many_times_at_once_is_one_withdrawal(engine: Engine, world: World) -> None:
    world.fund(20_000)
    ids = engine.at_once(*[partial(patiently, partial(world.ask, 8_000))] * 4)
    assert len(set(ids)) == 1
    assert world.wallet() == Wallet(available_fen=12_000, reserved_fen=8_000)
    payee = world.books.withdrawals.payee(world.get(ids[0]).person)
    assert [one.amount_fen for one in payee.recent] == [8_000]
    with pytest.raises(IdempotencyKeyReusedError):
        world.ask(8_001)


def test_several_requests_of_one_person_at_once_all_get_through(engine: Engine, world: World) -> None:
    world.fund(20_000)
    asks = (partial(world.ask, 1_000, f"key-000{number}") for number in range(3))
    ids = engine.at_once(*(partial(patiently, ask) for ask in asks))
    assert world.wallet() == Wallet(available_fen=17_000, reserved_fen=3_000)
    payee = world.books.withdrawals.payee(world.get(ids[0]).person)
    assert sorted(one.withdrawal_id for one in payee.recent) == sorted(ids)
    assert payee.version == 3


def test_reviewed_withdrawal_is_paid_and_its_tax_withheld(world: World) -> None:
    world.fund(100_000)
    one = world.ask(100_000)
    world.settle()
    world.review(world.case_of(one).case_id, "S1")
    world.settle()
    assert world.get(one).status is Status.TRANSFERRING
    world.end(one, TransferState.SUCCESS)
    world.end(one, TransferState.SUCCESS)
    world.settle()

    paid = world.get(one)
    assert paid.status is Status.PAID
    assert world.wallet() == Wallet()
    assert world.posted() == {"paid_out": 96_000, "tax_payable": 4_000}
    payee = world.books.withdrawals.payee(paid.person)
    assert (payee.in_flight, payee.months["2026-03"].withheld_fen) == (None, 4_000)
    assert not world.executions[one].running


def test_rejected_withdrawal_gives_the_funds_back(world: World) -> None:
    world.fund(20_000)
    one = world.ask(20_000)
    world.settle()
    world.review(world.case_of(one).case_id, "S1", Verdict.REJECT)
    world.settle()
    assert world.get(one).return_reason is ReturnReason.REJECTED
    assert world.wallet() == Wallet(available_fen=20_000)


def test_two_ends_at_once_post_one_journal(engine: Engine, world: World) -> None:
    world.fund(5_000)
    one = world.ask(5_000)
    world.settle()
    engine.at_once(*[partial(patiently, partial(world.end, one, TransferState.SUCCESS))] * 3)
    assert world.posted() == {"paid_out": 5_000}
    assert [journal.number for journal in world.books.ledger.collection(f"withdrawal#{one}")] == [0, 1]


def test_changes_at_once_are_all_made(engine: Engine, world: World) -> None:
    world.fund(5_000)
    one = world.ask(5_000)
    store = world.books.withdrawals

    def count() -> object:
        return patiently(lambda: store.change(one, lambda before: replace(before, attempt=before.attempt + 1)))

    engine.at_once(*[count] * 5)
    assert (store.get(one).attempt, store.get(one).version) == (5, 6)
    with pytest.raises(NotFoundError):
        store.change("W" + "X" * 26, lambda before: before)


def test_pages_follow_on_each_other_newest_first(world: World) -> None:
    world.fund(50_000)
    asked = []
    for number in range(5):
        world.clock.advance(minutes=number % 2)
        asked.append(world.ask(1_000 + number, f"key-000{number}"))
    store = world.books.withdrawals
    first, position = store.by_member(MEMBER, 3)
    assert position is not None
    rest, end = store.by_member(MEMBER, 3, position)
    assert sorted(one.withdrawal_id for one in first + rest) == sorted(asked)
    moments = [one.requested_at for one in first + rest]
    assert moments == sorted(moments, reverse=True)
    assert end is None
    assert store.by_member("M" + "B" * 26, 3) == ([], None)


def test_due_index_follows_the_work(world: World) -> None:
    world.fund(50_000)
    store = world.books.withdrawals
    automatic = world.ask(1_000, "key-0001")
    assert store.due(Work.STUCK, START + timedelta(minutes=9), 10) == []
    assert store.due(Work.STUCK, START + timedelta(minutes=10), 10) == [automatic]
    world.settle()
    reviewed = world.ask(8_000, "key-0002")
    world.settle()
    later = START + timedelta(days=2)
    assert store.due(Work.STUCK, later, 10) == [reviewed]
    assert store.due(Work.TRANSFER, later, 10) == [automatic]
    world.end(automatic, TransferState.SUCCESS)
    assert store.due(Work.TRANSFER, later, 10) == []


def test_index_by_day_finds_paid_withdrawals_by_the_time_that_wechat_gave(world: World) -> None:
    world.fund(50_000)
    store, day = world.books.withdrawals, shanghai_day(world.clock.now())
    paid = world.ask(1_000, "key-0001")
    world.settle()
    result = world.transfers.end(paid, TransferState.SUCCESS)
    world.clock.moment = datetime.combine(day, time(23, 59, 59), SHANGHAI) + timedelta(hours=1)
    transfer_ended(world.books, result)
    failed = world.ask(1_000, "key-0002")
    world.settle()
    assert list(store.paid_on(shanghai_day(world.clock.now()))) == []
    world.end(failed, TransferState.FAIL)

    assert list(store.paid_on(day)) == [paid]
    assert list(store.paid_on(shanghai_day(world.clock.now()))) == []
    found = store.find_many([paid, failed, "W" + "X" * 26, paid])
    assert sorted((one.withdrawal_id, one.status) for one in found) == sorted(
        [(paid, Status.PAID), (failed, Status.RETURNED)]
    )
    assert list(store.find_many([])) == []


def test_payee_is_written_as_read(world: World) -> None:
    store = world.books.withdrawals
    transaction = Transaction()
    put_payee(transaction, replace(Payee(person="p"), in_flight="W1"))
    transaction.commit()
    assert store.payee("p") == Payee(person="p", in_flight="W1", version=1)
    assert store.payee("q") == Payee(person="q")
