from typing import Annotated

import msgspec
import pytest

from fenxiao.errors import ConflictError
from fenxiao.http.api import Api, Auth, Binary, Request, Role
from tests.support.http import Answer, call

PROBLEM = "application/problem+json"


class Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    amount_fen: Annotated[int, msgspec.Meta(ge=1)]


class Echo(msgspec.Struct, frozen=True):
    amount_fen: int
    caller: str
    key: str


class TakenError(ConflictError):
    code = "taken"
    title = "已被占用"


class FullError(ConflictError):
    code = "full"

    @property
    def extensions(self) -> dict[str, object]:
        return {"places": [{"seat": "A1"}]}


PICTURE = "image/png"
api = Api("test", PICTURE)


@api.route("POST", "/things/{thing_id}", "x", Auth.MEMBER, body=Body, returns=Echo, idempotent=True)
def create(request: Request[Body]) -> Echo:
    if request.path["thing_id"] == "taken":
        raise TakenError("thing")
    if request.path["thing_id"] == "full":
        raise FullError
    if request.path["thing_id"] == "broken":
        raise KeyError("secret")
    return Echo(request.body.amount_fen, request.principal.id, request.idempotency_key)


@api.route("DELETE", "/things", "x", Auth.STAFF, roles=frozenset({Role.FINANCE}))
def clear(_request: Request[None]) -> None:
    return None


@api.route("GET", "/picture", "x", Auth.PUBLIC)
def picture(_request: Request[None]) -> Binary:
    return Binary(b"\x89PNG\xff\x00", PICTURE, {"Content-Disposition": "attachment"})


def post(thing: str = "t", raw: str = '{"amount_fen": 5}', member: str | None = "M1", key: str = "key-12345") -> Answer:
    headers = {"Idempotency-Key": key} if key else {}
    return call(
        api.handler, "POST", "/things/{thing_id}", path={"thing_id": thing}, raw=raw, headers=headers, member=member
    )


def test_a_view_gets_the_decoded_body_the_caller_and_the_key() -> None:
    answer = post()
    assert (answer.status, answer.json) == (200, {"amount_fen": 5, "caller": "M1", "key": "key-12345"})


def test_nothing_to_say_is_204() -> None:
    assert call(api.handler, "DELETE", "/things", staff="S1", roles="finance").status == 204


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "{",
        "[]",
        '{"amount_fen": "5"}',
        '{"amount_fen": 5.0}',
        '{"amount_fen": 0}',
        '{"amount_fen":1,"x":2}',
        "\ud83d",
    ],
)
def test_a_body_that_breaks_the_contract_is_a_problem(raw: str) -> None:
    answer = post(raw=raw)
    assert (answer.status, answer.json["code"]) == (400, "invalid_body")
    assert answer.headers["Content-Type"] == PROBLEM


def test_a_domain_error_is_a_problem_with_its_code_title_and_request_id() -> None:
    answer = post("taken")
    assert answer.status == 409
    assert answer.json == {
        "type": "https://fenxiao.invalid/problems/taken",
        "title": "已被占用",
        "status": 409,
        "detail": "thing",
        "code": "taken",
        "request_id": "request-1",
    }


def test_a_domain_error_may_bring_extension_members() -> None:
    answer = post("full").json
    assert (answer.pop("code"), answer.pop("places")) == ("full", [{"seat": "A1"}])
    assert answer.keys() == {"type", "title", "status", "detail", "request_id"}


def test_an_unexpected_error_says_nothing_of_itself() -> None:
    answer = post("broken")
    assert (answer.status, answer.json["code"], answer.json["detail"]) == (500, "internal_error", "")
    assert "secret" not in answer.text


@pytest.mark.parametrize("key", ["", "short", "x" * 65])
def test_a_write_that_moves_money_needs_a_usable_key(key: str) -> None:
    assert post(key=key).json["code"] == "idempotency_key_required"


def test_nobody_is_401_and_the_wrong_kind_or_role_is_403() -> None:
    assert post(member=None).status == 401
    assert call(api.handler, "DELETE", "/things", member="M1").status == 403
    assert call(api.handler, "DELETE", "/things", staff="S1", roles="operations").status == 403


def test_chalices_own_refusals_become_problems() -> None:
    wrong_method = call(api.handler, "GET", "/things", member="M1")
    assert (wrong_method.status, wrong_method.json["code"]) == (404, "route_not_found")
    wrong_type = call(
        api.handler,
        "POST",
        "/things/{thing_id}",
        path={"thing_id": "t"},
        raw="<x/>",
        headers={"content-type": "text/xml", "Idempotency-Key": "key-12345"},
        member="M1",
    )
    assert (wrong_type.status, wrong_type.json["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize("accept", [PICTURE, "image/PNG", f"{PICTURE};q=1", f"{PICTURE}, */*"])
def test_bytes_are_given_to_who_asks_for_their_media_type_first(accept: str) -> None:
    answer = call(api.handler, "GET", "/picture", headers={"Accept": accept})
    assert (answer.status, answer.content, answer.is_base64) == (200, b"\x89PNG\xff\x00", True)
    assert (answer.headers["Content-Type"], answer.headers["Content-Disposition"]) == (PICTURE, "attachment")


@pytest.mark.parametrize("accept", ["", "*/*", "image/*", f"*/*, {PICTURE}", "application/json"])
def test_bytes_that_the_gateway_would_give_out_as_base64_are_refused(accept: str) -> None:
    answer = call(api.handler, "GET", "/picture", headers={"Accept": accept} if accept else {})
    assert (answer.status, answer.json["code"], answer.is_base64) == (406, "not_acceptable", False)
    assert answer.headers["Content-Type"] == PROBLEM


def test_every_answer_carries_cors_and_the_request_id() -> None:
    for answer in (post(), post("taken"), call(api.handler, "GET", "/things")):
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert answer.headers["X-Request-Id"] == "request-1"
