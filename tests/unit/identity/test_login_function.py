from datetime import timedelta
from typing import Any

import pytest

from fenxiao import wiring
from fenxiao.http.api import Role
from fenxiao.identity.contract import CreateStaff
from fenxiao.identity.staff import create_staff
from functions.authorizer.app import lambda_handler as authorize
from functions.login.app import lambda_handler as login
from tests.support.http import CONTEXT, call
from tests.unit.identity.fakes import SteppedClock

pytestmark = pytest.mark.usefixtures("wired")

STAGE = "arn:aws-cn:execute-api:cn-north-1:123456789012:abc/v1"


def signed_in(code: str = "amy") -> dict[str, Any]:
    answer = call(login, "POST", "/sessions", body={"code": code})
    assert answer.status == 201
    return dict(answer.json)


def decision(header: str | None, name: str = "Authorization") -> tuple[str, str, dict[str, str]]:
    """Ask the authorizer; return the principal, the effect and the context."""
    headers = None if header is None else {name: header}
    answer = authorize({"headers": headers, "methodArn": f"{STAGE}/GET/orders/T1"}, CONTEXT)
    (statement,) = answer["policyDocument"]["Statement"]
    assert statement["Resource"] == f"{STAGE}/*"
    return answer["principalId"], statement["Effect"], answer["context"]


def test_a_customer_signs_in_and_is_admitted() -> None:
    session = signed_in()

    assert session["access_expires_in_seconds"] == 1800
    assert decision(f"Bearer {session['access_token']}") == (
        session["member_id"],
        "Allow",
        {"kind": "member", "roles": ""},
    )
    assert decision(f"bearer {session['access_token']}", "authorization")[1] == "Allow"


def test_staff_sign_in_and_are_admitted_with_their_roles(clock: SteppedClock) -> None:
    order = CreateStaff(name="财务主管老陈", roles=[Role.FINANCE_LEAD, Role.FINANCE])
    created = create_staff(order, wiring.staff(), wiring.members(), wiring.token_keys(), clock)
    body = {"staff_id": created.staff_id, "sign_in_key": created.sign_in_key}
    answer = call(login, "POST", "/staff/sessions", body=body)
    token = f"Bearer {answer.json['access_token']}"

    assert answer.status == 201
    assert decision(token) == (created.staff_id, "Allow", {"kind": "staff", "roles": "finance,finance_lead"})
    refreshed = call(login, "POST", "/sessions/refresh", body={"refresh_token": answer.json["refresh_token"]})
    assert decision(f"Bearer {refreshed.json['access_token']}")[2]["roles"] == "finance,finance_lead"
    assert call(login, "DELETE", "/staff/sessions", staff=created.staff_id).status == 204
    assert decision(token)[1] == "Deny"


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Bearer x.y.z", "Basic YTpi", "x", "Bearer 中文"])
def test_nobody_else_is_admitted(header: str | None) -> None:
    signed_in()

    assert decision(header) == ("nobody", "Deny", {})


def test_an_access_token_ends_with_its_time_and_with_its_session(clock: SteppedClock) -> None:
    session = signed_in()
    other = signed_in()
    assert call(login, "DELETE", "/sessions", member=session["member_id"]).status == 204
    for one in (session, other):
        assert decision(f"Bearer {one['access_token']}")[1] == "Deny"

    token = f"Bearer {signed_in()['access_token']}"
    clock.advance(timedelta(minutes=29))
    assert decision(token)[1] == "Allow"
    clock.advance(timedelta(minutes=1))
    assert decision(token)[1] == "Deny"


def test_a_spent_refresh_token_is_a_problem() -> None:
    body = {"refresh_token": signed_in()["refresh_token"]}
    answer = call(login, "POST", "/sessions/refresh", body=body)
    again = call(login, "POST", "/sessions/refresh", body=body)

    assert answer.status == 200
    assert decision(f"Bearer {answer.json['access_token']}")[1] == "Deny"
    assert (again.status, again.json["code"]) == (401, "invalid_token")


def test_ones_own_account() -> None:
    member = signed_in()["member_id"]
    before = call(login, "GET", "/members/me", member=member).json
    assert call(login, "PATCH", "/members/me", body={"nickname": "小 美🌸"}, member=member).status == 204
    assert call(login, "PUT", "/members/me/phone", body={"code": "13800138000"}, member=member).status == 204
    after = call(login, "GET", "/members/me", member=member).json

    assert (before["nickname"], before["phone"]) == ("", None)
    assert (before["standing"], before["tier"]) == ("shopper", "standard")
    assert (after["nickname"], after["phone"]) == ("小 美🌸", "138****8000")
    assert after["joined_at"] == "2026-03-01T04:00:00Z"


@pytest.mark.parametrize("nickname", ["", " ", " a", "a ", "a\n", "a\tb", "a\x00b", "x" * 33, None, 1])
def test_a_nickname_that_cannot_be_is_refused(nickname: object) -> None:
    member = signed_in()["member_id"]
    answer = call(login, "PATCH", "/members/me", body={"nickname": nickname}, member=member)

    assert (answer.status, answer.json["code"]) == (400, "invalid_body")
    assert call(login, "GET", "/members/me", member=member).json["nickname"] == ""


@pytest.mark.parametrize("nickname", ["very risky", "for review"])
def test_a_nickname_that_wechat_does_not_pass_is_refused(nickname: str) -> None:
    member = signed_in()["member_id"]
    answer = call(login, "PATCH", "/members/me", body={"nickname": nickname}, member=member)

    assert (answer.status, answer.json["code"]) == (422, "nickname_refused")
    assert call(login, "GET", "/members/me", member=member).json["nickname"] == ""


def test_a_nickname_of_32_characters_is_kept() -> None:
    member = signed_in()["member_id"]

    assert call(login, "PATCH", "/members/me", body={"nickname": "名" * 32}, member=member).status == 204


def test_a_phone_of_another_member_is_a_conflict() -> None:
    amy, ben = signed_in("amy")["member_id"], signed_in("ben")["member_id"]
    call(login, "PUT", "/members/me/phone", body={"code": "13800138000"}, member=amy)
    answer = call(login, "PUT", "/members/me/phone", body={"code": "13800138000"}, member=ben)

    assert (answer.status, answer.json["code"]) == (409, "phone_taken")


def test_wrong_keys_of_staff_are_unauthorised_and_then_too_many(clock: SteppedClock) -> None:
    order = CreateStaff(name="财务小林", roles=[Role.FINANCE])
    created = create_staff(order, wiring.staff(), wiring.members(), wiring.token_keys(), clock)
    body = {"staff_id": created.staff_id, "sign_in_key": "wrong"}
    answers = [call(login, "POST", "/staff/sessions", body=body) for _ in range(6)]

    assert [(answer.status, answer.json["code"]) for answer in answers] == [
        *[(401, "sign_in_failed")] * 5,
        (429, "too_many_attempts"),
    ]


def test_members_and_staff_stay_apart() -> None:
    member = signed_in()["member_id"]

    assert call(login, "DELETE", "/staff/sessions", member=member).status == 403
    assert call(login, "GET", "/members/me", staff="S1").status == 403
    assert call(login, "GET", "/members/me").status == 401
    assert call(login, "GET", "/members/me", member="M01HZZZZZZZZZZZZZZZZZZZZZZZ").status == 404
