"""Who may call what, and what every refusal looks like."""

import base64
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from fenxiao.http.api import Auth
from infra.local.api_client import ApiError, send
from infra.openapi import operations
from tests.stack.support import TIMEOUT_SECONDS, Json, World, assert_refused, refusal

ORIGIN = "https://servicewechat.com"


def request(world: World, method: str, path: str, token: str | None = None, **more: Any) -> requests.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    headers |= more.pop("headers", {})
    url = world.stack.api_url + path
    return requests.request(method, url, headers=headers, timeout=TIMEOUT_SECONDS, **more)


def session(world: World, name: str) -> Json:
    """Sign in anew; a token that nobody has used yet is in no cache of API Gateway's."""
    opened: Json = send("POST", f"{world.stack.api_url}/sessions", {"code": world.sandbox.login_code(name)})
    return opened


def part(content: Json) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


def forged(token: str) -> Iterator[tuple[str, str]]:
    """Return tokens that only look like a good one."""
    head, payload, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    other = part(claims | {"sub": "M" + "0" * 26})
    yield "another's id under the old signature", f"{head}.{other}.{signature}"
    yield "longer life", f"{head}.{part(claims | {'exp': claims['exp'] + 10**6})}.{signature}"
    yield "staff", f"{head}.{part(claims | {'kind': 'staff', 'roles': ['administrator']})}.{signature}"
    yield "no algorithm", f"{part({'alg': 'none', 'typ': 'JWT'})}.{payload}."
    yield "no signature", f"{head}.{payload}."
    yield "turned signature", f"{head}.{payload}.{signature[::-1]}"
    yield "half", token[: len(token) // 2]
    yield "nonsense", secrets.token_hex(20)


def test_missing_token_is_401(world: World) -> None:
    assert_refused(request(world, "GET", "/wallet"), 401, "unauthenticated", "no token")
    answer = request(world, "GET", "/wallet", headers={"Authorization": "Basic YTpi"})
    assert_refused(answer, 401, "unauthenticated", "another scheme")


def test_forged_token_is_401(world: World) -> None:
    token = session(world, world.person().name)["access_token"]
    for what, bad in forged(token):
        assert_refused(request(world, "GET", "/wallet", bad), 401, "unauthenticated", what)
    assert request(world, "GET", "/wallet", token).status_code == 200


def test_expired_token_is_401(world: World) -> None:
    token = session(world, world.person().name)["access_token"]
    assert_refused(request(world, "GET", "/wallet", expired(world, token)), 401, "unauthenticated", "expired")


def expired(world: World, token: str) -> str:
    """Return the token as the deployment itself would have issued it an hour ago."""
    secret = secret_of(world, "TokenSecretArn")
    head, payload, _ = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    old = part(claims | {name: claims[name] - 3600 for name in ("iat", "exp")})
    mac = hmac.digest(base64.b64decode(secret["signing_key"]), f"{head}.{old}".encode(), hashlib.sha256)
    return f"{head}.{old}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def secret_of(world: World, parameter: str) -> Json:
    client: Any = world.stack.client("cloudformation")
    (stack,) = client.describe_stacks(StackName=world.stack.stack_name)["Stacks"]
    arn = next(one["ParameterValue"] for one in stack["Parameters"] if one["ParameterKey"] == parameter)
    secrets_manager: Any = world.stack.client("secretsmanager")
    found: Json = json.loads(secrets_manager.get_secret_value(SecretId=arn)["SecretString"])
    return found


def test_signing_out_ends_every_session(world: World) -> None:
    name = world.person().name
    here, there = session(world, name), session(world, name)
    assert request(world, "DELETE", "/sessions", here["access_token"]).status_code == 204
    assert_refused(request(world, "GET", "/wallet", there["access_token"]), 401, "unauthenticated", "signed out")
    for one in (here, there):
        refresh = {"refresh_token": one["refresh_token"]}
        answer = request(world, "POST", "/sessions/refresh", json=refresh)
        assert_refused(answer, 401, "invalid_token", "signed out")


def test_refresh_token_serves_once_and_a_copy_ends_the_session(world: World) -> None:
    first = session(world, world.person().name)
    url = f"{world.stack.api_url}/sessions/refresh"
    second = send("POST", url, {"refresh_token": first["refresh_token"]})
    assert refusal(lambda: send("POST", url, {"refresh_token": first["refresh_token"]})) == (401, "invalid_token")
    assert refusal(lambda: send("POST", url, {"refresh_token": second["refresh_token"]})) == (401, "invalid_token")
    assert_refused(request(world, "GET", "/wallet", second["access_token"]), 401, "unauthenticated", "ended")


def test_login_code_serves_once(world: World) -> None:
    code = world.sandbox.login_code(world.person().name)
    url = f"{world.stack.api_url}/sessions"
    assert send("POST", url, {"code": code})["access_token"]
    assert refusal(lambda: send("POST", url, {"code": code})) == (400, "wechat_code_refused")
    assert refusal(lambda: send("POST", url, {"code": "made-up"})) == (400, "wechat_code_refused")


def test_wrong_sign_in_key_is_401(world: World) -> None:
    logins: Any = world.stack.seed["staff"]
    login = {"staff_id": logins["operations"]["staff_id"], "sign_in_key": "wrong"}
    url = f"{world.stack.api_url}/staff/sessions"
    assert refusal(lambda: send("POST", url, login)) == (401, "sign_in_failed")
    assert refusal(lambda: send("POST", url, login | {"staff_id": "S" + "0" * 26})) == (401, "sign_in_failed")
    assert send("POST", url, logins["operations"])["access_token"]


def test_member_may_not_do_what_staff_do(world: World) -> None:
    member = world.person()
    assert refusal(lambda: member.get("/staff/cases")) == (403, "forbidden")
    assert refusal(lambda: member.get("/staff/orders/T" + "0" * 26)) == (403, "forbidden")
    product = {"title": "货", "category": "c", "skus": [{"title": "标准", "price_fen": 1, "stock": 1}]}
    assert refusal(lambda: member.post("/staff/products", product)) == (403, "forbidden")
    assert member.get("/wallet") is not None  # the denial is the route's, not the token's


def test_staff_may_not_do_what_members_do(world: World) -> None:
    assert refusal(lambda: world.operations.get("/wallet")) == (403, "forbidden")


def test_staff_without_the_role_is_refused(world: World) -> None:
    product = {"title": "货", "category": "c", "skus": [{"title": "标准", "price_fen": 1, "stock": 1}]}
    assert refusal(lambda: world.finance.post("/staff/products", product)) == (403, "forbidden")
    assert refusal(lambda: world.operations.get("/staff/cases")) == (403, "forbidden")
    draft = {"title": "规则", "terms": {"base_bps": [900], "cap_bps": 1000, "hold_days": 7}}
    assert refusal(lambda: world.finance.post("/rules/drafts", draft)) == (403, "forbidden")


@pytest.mark.parametrize("path", ["/nothing", "/staff/nothing", "/wallet/nothing", "/"])
def test_unknown_route_is_404(world: World, path: str) -> None:
    assert_refused(request(world, "GET", path), 404, "route_not_found", path)


def test_unknown_method_of_a_route_is_404(world: World) -> None:
    assert_refused(request(world, "DELETE", "/wallet"), 404, "route_not_found", "DELETE")


@pytest.mark.parametrize("media_type", ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data"])
def test_another_content_type_is_415(world: World, media_type: str) -> None:
    member = world.person()
    assert member.wallet
    answer = request(
        world, "POST", "/addresses", member.caller.token, data=b"a=b", headers={"Content-Type": media_type}
    )
    assert_refused(answer, 415, "unsupported_media_type", media_type)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "invalid_body"),
        (b"{", 400, "invalid_body"),
        (b"[]", 400, "invalid_body"),
        (b"null", 400, "invalid_body"),
        (b"\xff\xfe", 400, "invalid_body"),
        (b'{"recipient":1}', 400, "invalid_body"),
        (b'{"recipient":"' + b"x" * 70_000 + b'"}', 413, "body_too_large"),
    ],
)
def test_unreadable_body_is_refused(world: World, body: bytes, status: int, code: str) -> None:
    member = world.person()
    assert member.wallet
    headers = {"Content-Type": "application/json"}
    answer = request(world, "POST", "/addresses", member.caller.token, data=body, headers=headers)
    assert_refused(answer, status, code, repr(body[:20]))


def test_every_refusal_is_a_problem_document_with_its_request_id(world: World) -> None:
    member = world.person()
    assert member.wallet
    token = member.caller.token
    refusals = [
        request(world, "GET", "/wallet"),
        request(world, "GET", "/wallet", "forged"),
        request(world, "GET", "/nothing"),
        request(world, "GET", "/staff/cases", token),
        request(world, "GET", "/orders/T" + "0" * 26, token),
        request(world, "GET", "/orders?limit=0", token),
        request(world, "POST", "/orders", token, json={}),
        request(world, "POST", "/wechat/notifications/payments", json={}),
    ]
    ids = set()
    for answer in refusals:
        problem = answer.json()
        assert set(problem) == {"type", "title", "status", "detail", "code", "request_id"}
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert problem["status"] == answer.status_code
        assert problem["type"].endswith(f"/{problem['code']}")
        assert re.search(r"[\u4e00-\u9fff]", problem["title"])
        assert "Traceback" not in answer.text
        assert answer.headers.get("X-Request-Id", problem["request_id"]) == problem["request_id"]
        ids.add(problem["request_id"])
    assert len(ids) == len(refusals)
    assert "" not in ids


def test_preflight_needs_no_token_and_allows_what_the_api_takes(world: World) -> None:
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
    for path in ("/withdrawals", "/orders/x/prepay", "/staff/products"):
        answer = request(world, "OPTIONS", path, headers=asked)
        assert answer.status_code == 200, path
        allowed = {name.lower() for name in answer.headers["Access-Control-Allow-Headers"].split(",")}
        assert allowed >= {"authorization", "content-type", "idempotency-key"}
        assert "POST" in answer.headers["Access-Control-Allow-Methods"]
        assert answer.headers["Access-Control-Allow-Origin"] == "*"


def test_answers_are_readable_across_origins_and_not_kept(world: World) -> None:
    member = world.person()
    assert member.wallet
    answer = request(world, "GET", "/wallet", member.caller.token, headers={"Origin": ORIGIN})
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Request-Id"]


def test_every_declared_operation_is_deployed_behind_its_door(world: World) -> None:
    wrong = []
    for function, declared in operations().items():
        for one in declared:
            path = re.sub(r"{\w+}", "X", one.path)
            answer = request(world, one.method, path)
            code = answer.json().get("code") if "json" in answer.headers.get("Content-Type", "") else None
            shut = answer.status_code == 401 and code == "unauthenticated"
            if code == "route_not_found" or answer.status_code >= 500 or shut is (one.auth is Auth.PUBLIC):
                wrong.append(f"{function}: {one.method} {one.path} answers {answer.status_code} {code}")
    assert wrong == []


def test_documentation_is_served_and_names_the_deployed_operations(world: World) -> None:
    document = request(world, "GET", "/openapi.json").json()
    described = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert described == {(one.method, one.path) for declared in operations().values() for one in declared}
    page = request(world, "GET", "/docs")
    assert page.headers["Content-Type"].startswith("text/html")


def test_many_wrong_keys_lock_the_account_for_a_while(world: World) -> None:
    client: Any = world.stack.client("lambda")
    order = {"action": "create", "name": "新同事", "roles": ["operations"]}
    function = world.stack.outputs["StaffAdminFunctionName"]
    created = json.loads(client.invoke(FunctionName=function, Payload=json.dumps(order))["Payload"].read())
    url = f"{world.stack.api_url}/staff/sessions"
    codes = []
    for _ in range(6):
        with pytest.raises(ApiError) as refused:
            send("POST", url, {"staff_id": created["staff_id"], "sign_in_key": "wrong"})
        codes.append(refused.value.code)
    assert codes == ["sign_in_failed"] * 5 + ["too_many_attempts"]
    right = {"staff_id": created["staff_id"], "sign_in_key": created["sign_in_key"]}
    assert refusal(lambda: send("POST", url, right)) == (429, "too_many_attempts")
