"""The whole way of a withdrawal, on the real state machines and the real tables."""

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from fenxiao.errors import IdempotencyKeyReusedError
from fenxiao.ledger.errors import InsufficientBalanceError
from fenxiao.ledger.model import TaxClass, Wallet
from fenxiao.review.model import Verdict
from fenxiao.wechat.errors import WeChatRefusedError, WeChatUnavailableError
from fenxiao.wechat.facts import TransferState
from fenxiao.withdrawal.contract import withdrawal_view
from fenxiao.withdrawal.model import ReturnReason, Status
from fenxiao.withdrawal.tax import MonthSum, TaxMethod
from tests.unit.withdrawal.harness import POLICY, World


def test_small_withdrawal_is_paid_without_a_reviewer(world: World) -> None:
    world.fund(5_000)
    one = world.ask(3_000)
    assert world.wallet() == Wallet(available_fen=2_000, reserved_fen=3_000)

    world.settle()
    waiting = world.get(one)
    assert waiting.status is Status.TRANSFERRING
    assert withdrawal_view(waiting).package_info == "package"
    world.end(one, TransferState.SUCCESS)
    world.settle()

    assert world.get(one).status is Status.PAID
    assert world.wallet() == Wallet(available_fen=2_000)
    assert world.posted() == {"paid_out": 3_000}
    assert not world.executions[one].running
    assert world.executions[one].path[-1] == "Done"


@pytest.mark.rule("M25")
def test_tax_and_fee_post_only_on_success(world: World) -> None:
    world.desk = replace(
        world.desk, policy=replace(POLICY, fee_bps=100, auto_approve_fen=200_000, second_review_fen=10**9)
    )
    world.fund(100_000)
    one = world.ask(100_000)
    assert world.get(one).quote.tax_fen == 4_000
    world.settle()
    assert world.posted() == {}
    world.end(one, TransferState.SUCCESS)
    assert world.posted() == {"paid_out": 95_000, "tax_payable": 4_000, "fee_income": 1_000}


@pytest.mark.rule("M9")
def test_a_rebate_is_paid_out_of_its_own_wallet_without_tax_and_counts_for_none(world: World) -> None:
    world.desk = replace(world.desk, policy=replace(POLICY, auto_approve_fen=10**9, second_review_fen=10**9))
    world.fund(100_000)
    world.fund(100_000, tax_class=TaxClass.REBATE)
    one = world.ask(90_000, tax_class=TaxClass.REBATE)
    assert world.get(one).quote.tax_fen == 0
    world.settle()
    world.end(one, TransferState.SUCCESS)
    assert world.posted() == {"paid_out": 90_000}
    assert world.wallet(TaxClass.REBATE) == Wallet(available_fen=10_000)
    assert world.wallet() == Wallet(available_fen=100_000)

    two = world.ask(90_000, key="key-0002")
    assert world.get(two).quote.tax_fen == 2_000
    with pytest.raises(InsufficientBalanceError):
        world.ask(10_001, key="key-0003", tax_class=TaxClass.REBATE)
    with pytest.raises(IdempotencyKeyReusedError):
        world.ask(90_000, key="key-0002", tax_class=TaxClass.REBATE)


def test_reviewed_withdrawal_waits_for_its_approval(world: World) -> None:
    world.fund(20_000)
    one = world.ask(20_000)
    world.settle()
    assert world.get(one).status is Status.IN_REVIEW
    assert world.transfers.sent == []
    world.review(world.case_of(one).case_id, "S1")
    world.settle()
    assert world.get(one).status is Status.TRANSFERRING
    world.end(one, TransferState.SUCCESS)
    world.settle()
    assert [execution.running for execution in world.executions.values()] == [False, False]


def test_large_withdrawal_needs_two_people(world: World) -> None:
    world.fund(150_000)
    one = world.ask(150_000)
    world.settle()
    case = world.case_of(one)
    assert case.required_approvals == 2
    world.review(case.case_id, "S1")
    world.settle()
    assert world.get(one).status is Status.IN_REVIEW
    world.review(case.case_id, "S2")
    world.settle()
    assert world.get(one).status is Status.TRANSFERRING


def test_many_small_withdrawals_in_a_day_go_to_review(world: World) -> None:
    world.fund(20_000)
    first, second = world.ask(3_000, "key-first"), world.ask(3_000, "key-second")
    world.settle()
    assert {world.get(first).status, world.get(second).status} == {Status.IN_REVIEW}
    assert world.case_of(second).facts["signals"] == ["day_sum"]


def test_rejected_withdrawal_returns_the_funds(world: World) -> None:
    world.fund(20_000)
    one = world.ask(20_000)
    world.settle()
    world.review(world.case_of(one).case_id, "S1", Verdict.REJECT)
    world.settle()
    assert world.get(one).return_reason is ReturnReason.REJECTED
    assert world.wallet() == Wallet(available_fen=20_000)
    assert world.books.withdrawals.payee(world.get(one).person).recent == ()


def test_unreviewed_withdrawal_escalates_then_expires(world: World) -> None:
    world.fund(20_000)
    one = world.ask(20_000)
    world.settle()
    world.clock.advance(hours=49)
    world.sweep()
    assert world.case_of(one).round == 2
    world.clock.advance(hours=49)
    world.sweep()
    assert world.get(one).return_reason is ReturnReason.REVIEW_EXPIRED
    assert world.wallet() == Wallet(available_fen=20_000)
    assert not any(execution.running for execution in world.executions.values())


@pytest.mark.rule("M28")
def test_decision_that_comes_before_its_token_is_found(world: World) -> None:
    world.fund(20_000)
    one = world.ask(20_000)
    world.settle()
    case = world.case_of(one)
    # The case's own machine has not begun to wait: its execution never started.
    world.executions[case.case_id].token = None
    world.executions[case.case_id].state = ""
    world.review(case.case_id, "S1")
    world.settle()
    assert world.get(one).status is Status.IN_REVIEW
    world.clock.advance(minutes=11)
    world.sweep()
    assert world.get(one).status is Status.TRANSFERRING


@pytest.mark.rule("M24")
def test_debt_that_arose_meanwhile_returns_the_withdrawal_and_is_repaid_first(world: World) -> None:
    world.fund(20_000)
    one = world.ask(20_000)
    world.settle()
    world.owe(500)
    world.review(world.case_of(one).case_id, "S1")
    world.settle()
    assert world.get(one).return_reason is ReturnReason.DEBT
    assert world.wallet() == Wallet(available_fen=19_500)
    assert world.transfers.sent == []


@pytest.mark.rule("M24")
def test_suspension_that_came_meanwhile_returns_the_withdrawal(world: World) -> None:
    world.fund(20_000)
    one = world.ask(20_000)
    world.settle()
    world.members.suspend(world.get(one).member_id, world.clock.now())
    world.review(world.case_of(one).case_id, "S1")
    world.settle()
    assert world.get(one).return_reason is ReturnReason.SUSPENDED


def test_suspension_after_creation_leaves_the_payout(world: World) -> None:
    world.fund(5_000)
    one = world.ask(5_000)
    world.settle()
    world.members.suspend(world.get(one).member_id, world.clock.now())
    world.end(one, TransferState.SUCCESS)
    assert world.get(one).status is Status.PAID


@pytest.mark.rule("M26")
def test_second_withdrawal_of_a_person_waits_for_the_first(world: World) -> None:
    world.desk = replace(world.desk, policy=replace(POLICY, auto_approve_fen=10**9, second_review_fen=10**9))
    world.fund(160_000)
    first = world.ask(80_000, "key-first")
    world.settle()
    second = world.ask(80_000, "key-second")
    world.settle()
    assert world.get(second).status is Status.APPROVED
    world.clock.advance(minutes=2)
    world.sweep()
    assert world.get(second).status is Status.APPROVED
    world.end(first, TransferState.SUCCESS)
    world.clock.advance(minutes=5)
    world.sweep()
    final = world.get(second).final
    assert world.get(second).status is Status.TRANSFERRING
    assert world.get(second).quote.tax_fen == 0
    assert final
    assert final.tax_fen == 16_000, "a month's payments to a person are one payment"


def test_no_transfer_is_created_at_the_end_of_a_month_with_the_cumulative_method(world: World) -> None:
    world.desk = replace(world.desk, policy=replace(POLICY, tax_method=TaxMethod.CUMULATIVE))
    world.clock.moment = datetime(2026, 3, 31, 0, 0, tzinfo=UTC)
    world.fund(5_000)
    one = world.ask(5_000)
    world.settle()
    assert world.get(one).status is Status.APPROVED
    assert world.transfers.sent == []
    world.clock.moment = datetime(2026, 3, 31, 16, 0, tzinfo=UTC)
    world.sweep()
    assert world.get(one).status is Status.TRANSFERRING


@pytest.mark.rule("M26")
def test_success_adds_to_the_month_of_success(world: World) -> None:
    world.fund(5_000)
    world.clock.moment = datetime(2026, 3, 31, 15, 0, tzinfo=UTC)
    one = world.ask(5_000)
    world.settle()
    world.clock.advance(hours=2)
    world.end(one, TransferState.SUCCESS)
    payee = world.books.withdrawals.payee(world.get(one).person)
    assert payee.months == {"2026-04": MonthSum(gross_fen=5_000, withheld_fen=0)}
    assert payee.in_flight is None


def test_tax_that_falls_short_becomes_a_case(world: World) -> None:
    world.fund(5_000)
    one = world.ask(5_000)
    world.settle()
    person = world.get(one).person
    # Meanwhile the person's sums were merged with those of another account: more was paid than is known here.
    from fenxiao.aws.dynamodb import Transaction
    from fenxiao.withdrawal.store import put_payee

    merged = replace(
        world.books.withdrawals.payee(person), months={"2026-03": MonthSum(gross_fen=100_000, withheld_fen=4_000)}
    )
    transaction = Transaction()
    put_payee(transaction, merged)
    transaction.commit()
    world.end(one, TransferState.SUCCESS)
    (case,) = world.cases("tax_shortfall")
    assert case.facts["shortfall_fen"] == 1_000


@pytest.mark.parametrize("state", [TransferState.FAIL, TransferState.CANCELLED])
def test_failed_transfer_returns_the_funds_and_frees_the_slot(world: World, state: TransferState) -> None:
    world.fund(5_000)
    one = world.ask(5_000)
    world.settle()
    world.end(one, state)
    world.settle()
    assert world.get(one).status is Status.RETURNED
    assert world.wallet() == Wallet(available_fen=5_000)
    assert world.books.withdrawals.payee(world.get(one).person).in_flight is None
    assert not world.executions[one].running


def test_unconfirmed_transfer_is_found_by_the_sweeper_and_says_why(world: World) -> None:
    world.fund(5_000)
    one = world.ask(5_000)
    world.settle()
    world.clock.advance(hours=25)
    world.transfers.end(one, TransferState.FAIL, "OVERDUE_CLOSE")
    world.sweep()
    assert world.get(one).status is Status.RETURNED
    assert withdrawal_view(world.get(one)).return_reason_text == "未在 24 小时内确认收款，金额已退回余额"


def test_transfer_that_waits_beyond_its_day_is_only_asked_about(world: World) -> None:
    world.fund(5_000)
    one = world.ask(5_000)
    world.settle()
    for _ in range(4):
        world.clock.advance(hours=25)
        world.sweep()
    assert world.get(one).status is Status.TRANSFERRING
    assert world.wallet() == Wallet(reserved_fen=5_000)
    assert len(world.transfers.sent) == 1


def test_lost_answer_is_asked_about_and_not_sent_twice(world: World) -> None:
    world.fund(5_000)
    world.transfers.lost_answers = [WeChatUnavailableError()]
    one = world.ask(5_000)
    world.settle()
    assert len(world.transfers.sent) == 1
    transfer = world.get(one).transfer
    assert transfer
    assert transfer.state is TransferState.WAIT_USER_CONFIRM


@pytest.mark.rule("M23")
def test_unknown_bill_is_sent_again_with_the_very_same_body(world: World) -> None:
    world.fund(5_000)
    world.transfers.before_send = [WeChatUnavailableError(), WeChatRefusedError("NOT_ENOUGH")]
    one = world.ask(5_000)
    world.settle()
    assert world.executions[one].path[-1] == "AwaitEnd"
    for _ in range(2):
        world.clock.advance(minutes=11)
        world.sweep()
    assert len(world.transfers.sent) == 3
    assert len(set(world.transfers.sent)) == 1
    transfer = world.get(one).transfer
    assert transfer
    assert transfer.state is TransferState.WAIT_USER_CONFIRM


def test_success_that_comes_after_not_found_is_believed(world: World) -> None:
    world.fund(5_000)
    world.transfers.before_send = [WeChatUnavailableError()] * 9
    one = world.ask(5_000)
    world.settle()
    world.clock.advance(minutes=11)
    world.sweep()
    assert world.get(one).status is Status.TRANSFERRING
    world.transfers.before_send = []
    transfer = world.get(one).transfer
    assert transfer
    world.transfers.send(transfer.body)
    world.end(one, TransferState.SUCCESS)
    world.settle()
    assert world.get(one).status is Status.PAID
    assert world.posted() == {"paid_out": 5_000}


def test_bill_unknown_for_three_days_becomes_a_case_for_two_and_keeps_the_funds(world: World) -> None:
    world.fund(5_000)
    world.transfers.before_send = [WeChatUnavailableError()] * 999
    one = world.ask(5_000)
    world.settle()
    world.clock.advance(hours=73)
    world.sweep()
    (case,) = world.cases("transfer_stalled")
    assert case.required_approvals == 2
    sent = len(world.transfers.sent)
    world.clock.advance(minutes=11)
    world.sweep()
    assert len(world.transfers.sent) == sent, "while people decide, WeChat is only asked"
    assert world.wallet() == Wallet(reserved_fen=5_000)

    world.review(case.case_id, "S1")
    world.review(case.case_id, "S2")
    world.transfers.before_send = []
    world.clock.advance(minutes=11)
    world.sweep()
    transfer = world.get(one).transfer
    assert transfer
    assert transfer.state is TransferState.WAIT_USER_CONFIRM


def test_rejected_stalled_transfer_is_cancelled_when_it_turns_up(world: World) -> None:
    world.fund(5_000)
    world.transfers.before_send = [WeChatUnavailableError()] * 999
    one = world.ask(5_000)
    world.settle()
    world.clock.advance(hours=73)
    world.sweep()
    (case,) = world.cases("transfer_stalled")
    world.review(case.case_id, "S1", Verdict.REJECT)
    world.clock.advance(minutes=11)
    world.sweep()
    assert world.get(one).status is Status.TRANSFERRING
    world.transfers.before_send = []
    transfer = world.get(one).transfer
    assert transfer
    world.transfers.send(transfer.body)
    world.clock.advance(minutes=11)
    world.sweep()
    assert world.transfers.cancelled == [one]
    world.clock.advance(hours=2)
    world.sweep()
    assert world.get(one).return_reason is ReturnReason.TRANSFER_CANCELLED


def test_request_that_wechat_refuses_for_good_becomes_a_case_at_once(world: World) -> None:
    world.fund(5_000)
    world.transfers.before_send = [WeChatRefusedError("PARAM_ERROR")] * 999
    world.ask(5_000)
    world.settle()
    world.clock.advance(minutes=11)
    world.sweep()
    assert len(world.cases("transfer_stalled")) == 1
    assert world.wallet() == Wallet(reserved_fen=5_000)


def test_late_stalled_case_goes_to_the_leads_at_once(world: World) -> None:
    world.fund(5_000)
    world.transfers.before_send = [WeChatUnavailableError()] * 999
    world.ask(5_000)
    world.settle()
    world.clock.advance(days=21)
    world.sweep()
    (case,) = world.cases("transfer_stalled")
    assert case.round == 2


def test_bill_that_wechat_has_forgotten_is_not_sent_again(world: World) -> None:
    world.fund(5_000)
    one = world.ask(5_000)
    world.settle()
    del world.transfers.bills[one]
    world.clock.advance(hours=2)
    world.sweep()
    world.clock.advance(hours=72)
    world.sweep()
    assert len(world.transfers.sent) == 1
    assert len(world.cases("transfer_stalled")) == 1
    assert world.wallet() == Wallet(reserved_fen=5_000)


def test_request_is_not_sent_again_once_not_found_proves_nothing(world: World) -> None:
    world.fund(5_000)
    world.transfers.before_send = [WeChatUnavailableError()] * 999
    world.ask(5_000)
    world.settle()
    world.clock.advance(days=31)
    world.sweep()
    sent = len(world.transfers.sent)
    (case,) = world.cases("transfer_stalled")
    world.review(case.case_id, "S1", lead=True)
    world.review(case.case_id, "S2", lead=True)
    world.clock.advance(minutes=11)
    world.sweep()
    assert len(world.transfers.sent) == sent
    assert world.wallet() == Wallet(reserved_fen=5_000)


def test_request_without_execution_is_started_by_the_sweeper(world: World) -> None:
    world.fund(5_000)
    world.deliver = False
    one = world.ask(5_000)
    world.settle()
    assert not world.executions
    world.clock.advance(minutes=11)
    world.deliver = True
    world.delivered.add((one, 1))
    world.sweep()
    assert world.get(one).status is Status.TRANSFERRING


def test_one_items_fault_does_not_hold_up_the_others(world: World) -> None:
    world.fund(5_000)
    first, second = world.ask(1_000, "key-first"), world.ask(1_500, "key-second")
    world.settle()
    world.end(first, TransferState.SUCCESS)
    world.clock.advance(minutes=3)
    world.sweep()
    third = world.ask(1_200, "key-third")
    world.clock.advance(hours=2)
    world.transfers.unanswered_queries = [WeChatUnavailableError()]
    assert world.sweep() == 1
    assert world.get(third).status is not Status.REQUESTED
    world.clock.advance(minutes=11)
    assert world.sweep() == 0
    world.end(second, TransferState.SUCCESS)
    assert world.get(second).status is Status.PAID
