import http.client
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from infra.local.wechat_sandbox.keys import generate
from infra.local.wechat_sandbox.server import MAX_BODY_BYTES

from .conftest import Merchant, World

ROOT = Path(__file__).parents[2]


class _LambdaHandler(BaseHTTPRequestHandler):
    """The Lambda API's Invoke: `good` answers a payload, `bad` raises, others do not exist."""

    def do_POST(self) -> None:
        name = unquote(self.path.split("/")[3])
        event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.invoked.append((name, event))  # type: ignore[attr-defined]
        known = name in ("good", "bad")
        body = json.dumps({"done": name} if known else {"Message": "no such function"}).encode()
        self.send_response(200 if known else 404)
        if name == "bad":
            self.send_header("X-Amz-Function-Error", "Unhandled")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def lambda_api() -> Iterator[Any]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _LambdaHandler)
    server.invoked = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_clock_moves_forward_only_and_within_bounds(world: World) -> None:
    assert world.control("GET", "/_clock")["offset_seconds"] == 0
    answer = world.advance(days=3)
    assert answer["offset_seconds"] == 3 * 86_400
    shown = datetime.fromisoformat(world.control("GET", "/_clock")["now"])
    assert abs(shown.timestamp() - time.time() - 3 * 86_400) < 5
    for seconds in (0, -1, 1.5, "1", True, 400 * 86_400 + 1):
        assert world.call("POST", "/_clock/advance", {"seconds": seconds})[0] == 400
    assert world.control("GET", "/_clock")["offset_seconds"] == 3 * 86_400


def test_business_times_follow_the_clock(world: World, merchant: Merchant) -> None:
    world.advance(days=10)
    paid = merchant.paid(world.user())
    success = datetime.fromisoformat(paid["success_time"]).timestamp()
    assert abs(success - time.time() - 10 * 86_400) < 10


def test_advance_invokes_the_scheduled_functions_in_order_and_tells_what_they_did(
    world: World, lambda_api: Any
) -> None:
    endpoint = f"http://127.0.0.1:{lambda_api.server_port}"
    config = {"lambda_endpoint": endpoint, "scheduled_functions": ["good", "bad", "missing"]}
    world.control("PUT", "/_config", config)
    answer = world.advance(hours=1)
    good, bad, missing = answer["functions"]
    assert good == {"function_name": "good", "function_error": None, "payload": {"done": "good"}}
    assert (bad["function_name"], bad["function_error"]) == ("bad", "Unhandled")
    assert "no such function" in missing["function_error"]
    assert [name for name, _ in lambda_api.invoked] == ["good", "bad", "missing"]
    event = lambda_api.invoked[0][1]
    assert event["detail-type"] == "Scheduled Event"
    moved = datetime.fromisoformat(event["time"]).timestamp() - time.time()
    assert abs(moved - 3600) < 10


def test_functions_are_invoked_after_what_was_due_was_delivered(
    world: World, merchant: Merchant, lambda_api: Any
) -> None:
    order: list[str] = []

    class Invoked(list[Any]):
        def append(self, _entry: Any) -> None:
            order.append("function")

    lambda_api.invoked = Invoked()
    endpoint = f"http://127.0.0.1:{lambda_api.server_port}"
    world.control("PUT", "/_config", {"lambda_endpoint": endpoint, "scheduled_functions": ["good"]})
    merchant.transfer(world.user())

    def answer(got: Any) -> tuple[int, bytes]:
        order.append(got.path)
        return 200, b""

    world.receiver.answer = answer
    world.advance(days=1)
    assert order == ["/wechat/notifications/transfers", "function"]


def test_unreachable_lambda_api_is_told(world: World) -> None:
    world.control("PUT", "/_config", {"lambda_endpoint": "http://127.0.0.1:1", "scheduled_functions": ["good"]})
    (told,) = world.advance(hours=1)["functions"]
    assert "EndpointConnectionError" in told["function_error"]


def test_next_calls_fail_as_told_without_effect(world: World, merchant: Merchant) -> None:
    fault = {"path_prefix": "/v3/pay/transactions/jsapi", "method": "POST", "status": 500, "code": "SYSTEM_ERROR"}
    world.control("PUT", "/_knobs", {"fail_next": [fault]})
    openid = world.user()
    status, answer = merchant.prepay(openid)
    assert (status, answer["code"]) == (500, "SYSTEM_ERROR")
    assert merchant.query()[0] == 404
    assert merchant.prepay(openid)[0] == 200


def test_mini_program_calls_fail_with_an_errcode(world: World) -> None:
    world.control("PUT", "/_knobs", {"fail_next": [{"path_prefix": "/sns/", "status": 200, "code": "45011"}]})
    assert world.call("GET", "/sns/jscode2session")[1]["errcode"] == 45011
    assert world.call("GET", "/sns/jscode2session")[1]["errcode"] == 40002


def test_lost_answer_takes_effect_and_closes_the_connection(world: World, merchant: Merchant) -> None:
    import requests

    path = "/v3/fund-app/mch-transfer/transfer-bills"
    world.control("PUT", "/_knobs", {"lose_answer": [{"path_prefix": path, "method": "POST"}]})
    openid = world.user()
    with pytest.raises(requests.ConnectionError):
        merchant.transfer(openid)
    assert merchant.query_transfer()[1]["state"] == "WAIT_USER_CONFIRM"
    assert merchant.transfer(openid)[1]["package_info"]


def test_slow_api_answers_late(world: World, merchant: Merchant) -> None:
    world.control("PUT", "/_knobs", {"slow_seconds": 0.2})
    started = time.monotonic()
    merchant.query()
    assert time.monotonic() - started >= 0.2
    started = time.monotonic()
    world.control("GET", "/_clock")
    assert time.monotonic() - started < 0.2


def test_knobs_change_together_or_not_at_all_and_can_be_reset(world: World) -> None:
    before = world.control("GET", "/_knobs")
    for wrong in ({"duplicates": -1}, {"unknown": 1}, {"refund_mode": "later"}, {"fail_next": [{"path_prefix": "/"}]}):
        assert world.call("PUT", "/_knobs", {"drop": 3, **wrong})[0] == 400
    assert world.control("GET", "/_knobs") == before
    world.control("PUT", "/_knobs", {"drop": 3, "lose_answer": [{"path_prefix": "/v3"}]})
    assert world.control("PUT", "/_knobs", {"duplicates": 1})["drop"] == 3
    assert world.control("POST", "/_reset_knobs") == before
    assert world.control("GET", "/_knobs") == before


def test_page_shows_everything_and_escapes_it(world: World, merchant: Merchant) -> None:
    openid = world.user("<script>alert(1)</script>")
    merchant.paid(openid)
    merchant.refund(reason="<b>坏了</b>")
    merchant.transfer(openid)
    world.idle()
    world.receiver.answer = lambda _: (500, b"<i>broken</i>")
    notification_id = world.control("GET", "/_state")["notifications"][0]["id"]
    world.control("POST", f"/_notifications/{notification_id}/redeliver")
    status, page = world.call("GET", "/")
    assert status == 200
    for text in ("ORDER0001", "REFUND1", "BILL1", "TRANSACTION.SUCCESS", "123.45", "retry_scale", openid):
        assert text in page
    assert "&lt;script&gt;" in page
    assert "<script" not in page
    assert "<b>" not in page
    assert "&lt;i&gt;broken" in page
    assert "<i>" not in page


def test_state_holds_no_secrets(world: World, merchant: Merchant) -> None:
    merchant.transfer(world.user(real_name="张三丰"), user_name="张三丰")
    text = json.dumps(world.control("GET", "/_state"), ensure_ascii=False)
    keys = world.sandbox.keys
    for secret in ("张三丰", keys.app_secret, keys.apiv3_key, keys.encoding_aes_key, keys.message_token, "PRIVATE KEY"):
        assert secret not in text


def test_unknown_routes_and_oversized_bodies_are_refused(world: World) -> None:
    assert world.call("GET", "/nowhere")[0] == 404
    assert world.call("GET", "/_pay")[0] == 404
    assert world.call("POST", "/_users", raw=b"{")[0] == 400
    assert world.call("POST", "/_users", raw=b"[]")[0] == 400
    assert world.call("POST", "/_users", raw=b'{"name":"\\ud800"}')[0] == 400
    connection = http.client.HTTPConnection(urlsplit(world.url).netloc, timeout=5)
    connection.putrequest("POST", "/_users")
    connection.putheader("Content-Length", str(MAX_BODY_BYTES + 1))
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


def test_connection_is_kept_alive_over_calls(world: World) -> None:
    connection = http.client.HTTPConnection(urlsplit(world.url).netloc, timeout=5)
    for _ in range(3):
        connection.request("GET", "/_clock")
        answer = connection.getresponse()
        answer.read()
        assert not answer.will_close
    connection.close()


def test_sandbox_keeps_working_when_many_call_at_once(world: World, merchant: Merchant) -> None:
    openid = world.user()
    answers: list[int] = []

    def order(number: int) -> None:
        answers.append(merchant.prepay(openid, f"ORDER{number:04}")[0])

    threads = [threading.Thread(target=order, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 20


def test_keys_are_made_once(tmp_path: Path) -> None:
    first = generate(tmp_path / "wechat")
    again = generate(tmp_path / "wechat")
    assert first == again
    path = tmp_path / "wechat" / "keys.json"
    assert path.stat().st_mode & 0o077 == 0
    assert first.platform_private_key not in repr(first)
    assert (len(first.appid), len(first.apiv3_key), len(first.encoding_aes_key)) == (18, 32, 43)
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(ValueError, match="does not hold"):
        generate(tmp_path / "wechat")


def test_command_writes_its_address_and_stops_when_told(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    port_file = tmp_path / "port.json"
    wanted = {"keys_directory": str(tmp_path / "keys"), "port": 0, "port_file": str(port_file)}
    config.write_text(json.dumps(wanted), encoding="utf-8")
    command = [sys.executable, "-m", "infra.local.wechat_sandbox", "--config", str(config)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:  # noqa: S603 - our own module
        try:
            assert process.stdout is not None
            announced = json.loads(process.stdout.readline())
            assert announced == json.loads(port_file.read_text(encoding="utf-8"))
            parts = urlsplit(announced["sandbox_url"])
            assert parts.hostname == "127.0.0.1"
            connection = http.client.HTTPConnection(parts.netloc, timeout=5)
            connection.request("GET", "/_clock")
            assert connection.getresponse().status == 200
            connection.close()
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=10) == 0
