"""The HTTP functions of withdrawals and reviews, and the stream's function, as AWS calls them."""

from collections.abc import Callable
from typing import Any

import pytest

from fenxiao import wiring
from fenxiao.identity.model import Staff
from fenxiao.identity.person import tax_person
from fenxiao.ledger.model import Wallet
from fenxiao.review.docket import Docket
from fenxiao.wechat.facts import TransferState
from fenxiao.withdrawal.model import Status
from fenxiao.withdrawal.store import WithdrawalItem
from fenxiao.withdrawal.sweep import Sweeper
from functions.payout.app import lambda_handler as payout
from functions.withdrawal.app import lambda_handler as withdrawal
from functions.withdrawal_review.app import lambda_handler as review
from functions.withdrawal_sweeper.app import lambda_handler as sweeper
from functions.workflow_dispatch import app as dispatch_app
from tests.support.http import CONTEXT, Answer, call
from tests.unit.withdrawal.harness import KEY, MEMBER, World

LEAD, FINANCE = "finance_lead", "finance"


class Keys:
    identity_key = KEY


class StaffDesk:
    """The staff that the tests name: `S-own` is the member themselves."""

    def get(self, staff_id: str) -> Staff | None:
        if not staff_id.startswith("S"):
            return None
        person = tax_person(MEMBER, KEY) if staff_id == "S-own" else f"person-{staff_id}"
        return Staff(staff_id=staff_id, name="", roles=(), key_hash="", person=person)


@pytest.fixture
def served(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """The world, as the functions are wired to it."""
    monkeypatch.setattr(wiring, "withdrawal_desk", lambda: world.desk)
    monkeypatch.setattr(wiring, "withdrawal_books", lambda: world.books)
    monkeypatch.setattr(wiring, "withdrawals", lambda: world.books.withdrawals)
    monkeypatch.setattr(wiring, "cases", lambda: world.books.cases)
    monkeypatch.setattr(wiring, "ledger", lambda: world.books.ledger)
    monkeypatch.setattr(wiring, "docket", lambda: Docket(world.books.cases, world.clock, world.books.review_time))
    monkeypatch.setattr(wiring, "clock", lambda: world.clock)
    monkeypatch.setattr(wiring, "token_keys", Keys)
    monkeypatch.setattr(wiring, "staff", StaffDesk)
    world.fund(50_000)
    return world


def ask(amount_fen: object, key: str = "key-0001", **body: object) -> Answer:
    return call(
        withdrawal,
        "POST",
        "/withdrawals",
        body={"amount_fen": amount_fen, **body},
        headers={"Idempotency-Key": key},
        member=MEMBER,
    )


def decide(case_id: str, staff: str = "S1", roles: str = FINANCE, **body: object) -> Answer:
    said = {"round": 1, "verdict": "approve", "reason": "核对无误"} | body
    resource = "/staff/cases/{case_id}/decisions"
    return call(review, "POST", resource, path={"case_id": case_id}, body=said, staff=staff, roles=roles)


def test_request_is_answered_with_its_quote(served: World) -> None:
    answer = ask(20_000)
    assert answer.status == 201
    assert answer.json["status_text"] == "已提交"
    assert (answer.json["amount_fen"], answer.json["net_fen"], answer.json["figures_final"]) == (20_000, 20_000, False)
    assert answer.json["requested_at"].endswith("+08:00")
    assert ask(20_000).json == answer.json


@pytest.mark.parametrize(
    ("amount_fen", "status", "code"),
    [
        (99, 422, "withdrawal_below_minimum"),
        (60_000, 409, "insufficient_balance"),
        (0, 400, "invalid_body"),
        (-5, 400, "invalid_body"),
        (1.5, 400, "invalid_body"),
        ("100", 400, "invalid_body"),
    ],
)
def test_bad_request_is_a_clear_problem_and_reserves_nothing(
    served: World, amount_fen: object, status: int, code: str
) -> None:
    answer = ask(amount_fen)
    assert (answer.status, answer.json["code"]) == (status, code)
    assert served.wallet().reserved_fen == 0


def test_one_key_with_two_contents_is_refused(served: World) -> None:
    ask(20_000)
    assert ask(20_001).json["code"] == "idempotency_key_reused"


def test_suspended_member_is_told(served: World) -> None:
    served.members.suspend(MEMBER, served.clock.now())
    answer = ask(20_000)
    assert (answer.status, answer.json["code"]) == (403, "member_suspended")


def test_request_without_a_key_is_refused(served: World) -> None:
    answer = call(withdrawal, "POST", "/withdrawals", body={"amount_fen": 200}, member=MEMBER)
    assert answer.json["code"] == "idempotency_key_required"


def test_list_is_paged_newest_first(served: World) -> None:
    ids = []
    for number in range(3):
        ids.append(ask(1_000 + number, f"key-000{number}").json["withdrawal_id"])
        served.clock.advance(minutes=1)
    first = call(withdrawal, "GET", "/withdrawals", query={"limit": "2"}, member=MEMBER)
    rest = call(
        withdrawal, "GET", "/withdrawals", query={"limit": "2", "cursor": first.json["next_cursor"]}, member=MEMBER
    )
    found = [one["withdrawal_id"] for one in first.json["items"] + rest.json["items"]]
    assert found == ids[::-1]
    assert rest.json["next_cursor"] is None


def test_package_is_shown_while_the_payee_has_to_confirm(served: World) -> None:
    one = ask(3_000).json["withdrawal_id"]
    served.settle()

    def shown() -> Any:
        resource = "/withdrawals/{withdrawal_id}"
        return call(withdrawal, "GET", resource, path={"withdrawal_id": one}, member=MEMBER).json

    assert (shown()["package_info"], shown()["status_text"]) == ("package", "待您在微信中确认收款")
    served.end(one, TransferState.SUCCESS)
    assert (shown()["package_info"], shown()["status_text"]) == (None, "已到账")


def test_anothers_withdrawal_does_not_exist(served: World) -> None:
    one = ask(3_000).json["withdrawal_id"]
    answer = call(withdrawal, "GET", "/withdrawals/{withdrawal_id}", path={"withdrawal_id": one}, member="M" + "B" * 26)
    assert answer.status == 404


def test_reviewer_sees_what_it_takes_to_decide_and_decides(served: World) -> None:
    ask(1_000, "key-first")
    one = ask(20_000).json["withdrawal_id"]
    served.settle()
    queue = call(review, "GET", "/staff/cases", staff="S1", roles=FINANCE).json["items"]
    (case_id,) = [case["case_id"] for case in queue if case["subject_id"] == one]
    shown = call(review, "GET", "/staff/cases/{case_id}", path={"case_id": case_id}, staff="S1", roles=FINANCE).json
    assert shown["case"]["facts"]["amount_fen"] == 20_000
    assert shown["case"]["facts"]["signals"] == ["day_sum"]
    assert [earlier["amount_fen"] for earlier in shown["earlier_withdrawals"]] == [1_000]

    answer = decide(case_id)
    assert (answer.status, answer.json["status"]) == (201, "approved")
    served.settle()
    assert served.get(one).status is Status.TRANSFERRING


def test_own_request_is_not_ones_own_to_decide(served: World) -> None:
    one = ask(20_000).json["withdrawal_id"]
    served.settle()
    answer = decide(served.case_of(one).case_id, "S-own")
    assert (answer.status, answer.json["code"]) == (403, "own_request")


def test_second_click_and_stale_page_are_told(served: World) -> None:
    one = ask(20_000).json["withdrawal_id"]
    served.settle()
    case_id = served.case_of(one).case_id
    assert decide(case_id, round=2).json["code"] == "decision_stale"
    decide(case_id)
    assert decide(case_id).json["code"] == "already_decided"
    assert decide(case_id, "S2").json["code"] == "decision_stale"


def test_escalated_round_is_for_leads(served: World) -> None:
    one = ask(20_000).json["withdrawal_id"]
    served.settle()
    served.clock.advance(hours=49)
    served.sweep()
    case_id = served.case_of(one).case_id
    assert decide(case_id, round=2).json["code"] == "finance_lead_required"
    assert decide(case_id, roles=LEAD, round=2).status == 201


@pytest.mark.parametrize("roles", ["", "operations"])
def test_others_see_no_case(served: World, roles: str) -> None:
    assert call(review, "GET", "/staff/cases", staff="S1", roles=roles).status == 403


@pytest.mark.parametrize("query", [{"status": "closed"}, {"kind": "k" * 41}])
def test_queue_has_known_filters(served: World, query: dict[str, str]) -> None:
    answer = call(review, "GET", "/staff/cases", query=query, staff="S1", roles=FINANCE)
    assert (answer.status, answer.json["code"]) == (400, "bad_filter")


def test_payout_does_the_action_that_the_machine_names(served: World) -> None:
    one = ask(3_000).json["withdrawal_id"]
    assert payout({"action": "assess_risk", "withdrawal_id": one}, CONTEXT) == {"next": "prepare"}


def test_stream_starts_the_execution_and_completes_the_token(served: World, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []
    completed: list[str] = []
    monkeypatch.setattr(wiring, "start_withdrawal", lambda name, _data: started.append(name))
    monkeypatch.setattr(dispatch_app, "complete", lambda token, _output: completed.append(token))

    def record(one: str, *, old: bool) -> dict[str, Any]:
        image = WithdrawalItem.get(one, "withdrawal").serialize()
        return {"dynamodb": {"NewImage": image, **({"OldImage": image} if old else {})}}

    one = ask(3_000).json["withdrawal_id"]
    dispatch_app.lambda_handler({"Records": [record(one, old=False)]}, CONTEXT)
    assert (started, completed) == ([one], [])

    for action in ("assess_risk", "prepare", "create"):
        payout({"action": action, "withdrawal_id": one}, CONTEXT)
    payout({"action": "await_end", "withdrawal_id": one, "task_token": "token"}, CONTEXT)
    dispatch_app.lambda_handler({"Records": [record(one, old=True)]}, CONTEXT)
    assert completed == []
    served.end(one, TransferState.SUCCESS)
    dispatch_app.lambda_handler({"Records": [record(one, old=True)]}, CONTEXT)
    assert (started, completed) == ([one], ["token"])


def write_off(amount_fen: object, staff: str = "S1", roles: str = FINANCE, **headers: str) -> Answer:
    return call(
        review,
        "POST",
        "/staff/members/{member_id}/write-offs",
        path={"member_id": MEMBER},
        body={"amount_fen": amount_fen, "reason": "无法追回"},
        headers=headers or {"Idempotency-Key": "key-0001"},
        staff=staff,
        roles=roles,
    )


def test_write_off_is_asked_for_by_one_approved_by_another_and_carried_out_at_the_close(served: World) -> None:
    served.owe(60_000)
    assert served.wallet() == Wallet(debt_fen=10_000)
    answer = write_off(7_000)
    assert (answer.status, answer.json["kind"], answer.json["facts"]["debt_fen"]) == (201, "write_off", 10_000)
    assert write_off(7_000).json == answer.json
    case_id = answer.json["case_id"]
    for staff in ("S1", "S-own"):
        assert decide(case_id, staff).json["code"] == "own_request"
    assert decide(case_id, "S2").json["status"] == "approved"
    assert served.wallet() == Wallet(debt_fen=10_000)
    for _ in range(2):
        payout({"action": "close_case", "case_id": case_id}, CONTEXT)
    assert served.wallet() == Wallet(debt_fen=3_000)
    assert [one.event for one in served.books.ledger.collection(f"writeoff#{case_id}")] == ["write_off"]


@pytest.mark.parametrize(
    ("answer", "status", "code"),
    [
        (lambda: write_off(10_001), 409, "debt_smaller"),
        (lambda: write_off(0), 400, "invalid_body"),
        (lambda: write_off("all"), 400, "invalid_body"),
        (lambda: write_off(1, Other="x"), 400, "idempotency_key_required"),
        (lambda: write_off(1, roles="operations"), 403, "forbidden"),
    ],
)
def test_write_off_that_cannot_be_is_refused(
    served: World, answer: Callable[[], Answer], status: int, code: str
) -> None:
    served.owe(60_000)
    refused = answer()
    assert (refused.status, refused.json["code"]) == (status, code)
    assert served.cases("write_off") == []


def test_sweeper_answers_how_much_failed(served: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_name: str, _data: object) -> None:
        raise TimeoutError

    monkeypatch.setattr(wiring, "withdrawal_sweeper", lambda: Sweeper(served.desk, start, start))
    ask(3_000)
    served.clock.advance(minutes=11)
    assert sweeper({}, CONTEXT) == {"faults": 1}
