"""What the launcher repairs in MiniStack's import of an OpenAPI document: all that SAM writes into it takes effect."""

import base64
import json

import pytest
import requests

from tests.canary.conftest import Canary

TIMEOUT_SECONDS = 10


def send(canary: Canary, method: str, path: str, **options: object) -> requests.Response:
    url = canary.outputs["ApiUrl"] + path
    return requests.request(method, url, timeout=TIMEOUT_SECONDS, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_route_of_any_method_takes_each(canary: Canary, method: str) -> None:
    response = send(canary, method, "/any")

    assert (response.status_code, response.json()["method"]) == (200, method)


def test_binary_media_type_reaches_the_function_as_base64(canary: Canary) -> None:
    response = send(canary, "POST", "/any", data=b"\xff\x00", headers={"Content-Type": "application/octet-stream"})

    answer = response.json()
    assert answer["is_base64"] is True
    assert base64.b64decode(answer["body"]) == b"\xff\x00"


@pytest.mark.parametrize(("body", "status"), [({"amount_fen": 1}, 200), ({"amount_fen": "1"}, 400), ({}, 400)])
def test_body_is_held_against_its_model(canary: Canary, body: dict[str, object], status: int) -> None:
    response = send(canary, "POST", "/validated", data=json.dumps(body), headers={"Content-Type": "application/json"})

    assert response.status_code == status


def test_unknown_route_gets_the_gateway_response_of_the_template(canary: Canary) -> None:
    response = send(canary, "GET", "/nowhere")

    assert response.status_code == 404
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json() == {"code": "not_found"}


def test_preflight_is_answered_with_the_cors_headers(canary: Canary) -> None:
    response = send(canary, "OPTIONS", "/validated")

    assert response.status_code == 200
    assert response.headers["Access-Control-Allow-Origin"] == "https://shop.example"
    assert response.headers["Access-Control-Allow-Headers"] == "content-type,idempotency-key"
    assert response.headers["Access-Control-Allow-Methods"] == "GET,POST"
