import threading
import time
from typing import Any

import pytest

from infra.local.wechat_sandbox.exchange import encode
from infra.local.wechat_sandbox.forgeries import KINDS

from .conftest import Merchant, Received, World

PATH = "/wechat/notifications/payments"


def only(world: World) -> Any:
    (notification,) = world.control("GET", "/_state")["notifications"]
    return notification


def failing(times: int, status: int = 500) -> Any:
    """Return an answer that fails so many times and then succeeds."""
    left = [times]

    def answer(got: Received) -> tuple[int, bytes]:
        left[0] -= 1
        return (status, b'{"code":"FAIL","message":"no"}') if left[0] >= 0 else (204, b"")

    return answer


def test_attempt_is_recorded_with_its_answer(world: World, merchant: Merchant) -> None:
    world.receiver.answer = lambda _: (200, "好的".encode())
    merchant.paid(world.user())
    world.idle()
    notification = only(world)
    assert (notification["state"], notification["path"], notification["subject"]) == ("delivered", PATH, "ORDER0001")
    (attempt,) = notification["attempts"]
    assert (attempt["kind"], attempt["status"], attempt["body"]) == ("first", 200, "好的")
    assert attempt["acknowledged"] is True
    assert attempt["duration_ms"] < 5000


def test_failed_delivery_is_retried_with_the_same_body_and_a_new_signature(world: World, merchant: Merchant) -> None:
    world.control("PUT", "/_knobs", {"retry_scale": 0.001})
    world.receiver.answer = failing(2)
    merchant.paid(world.user())
    received = world.notified(PATH)
    assert len(received) == 3
    assert len({got.body for got in received}) == 1
    assert len({got.headers["Wechatpay-Nonce"] for got in received}) == 3
    assert all(merchant.opened(got) for got in received)
    assert [attempt["status"] for attempt in only(world)["attempts"]] == [500, 500, 204]


def test_other_2xx_answers_do_not_count_as_received(world: World, merchant: Merchant) -> None:
    world.control("PUT", "/_knobs", {"retry_scale": 0.001})
    world.receiver.answer = failing(1, status=202)
    merchant.paid(world.user())
    assert len(world.notified(PATH)) == 2


def test_retries_end_after_the_documented_schedule(world: World, merchant: Merchant) -> None:
    world.control("PUT", "/_knobs", {"retry_scale": 0})
    world.receiver.answer = lambda _: (500, b"")
    merchant.paid(world.user())
    assert len(world.notified(PATH)) == 16
    assert only(world)["state"] == "gave_up"


def test_retry_comes_when_the_clock_passes_its_time(world: World, merchant: Merchant) -> None:
    world.control("PUT", "/_knobs", {"retry_scale": 1})
    world.receiver.answer = failing(1)
    merchant.paid(world.user())
    wait_until(lambda: len(world.receiver.of(PATH)) == 1)
    assert world.control("GET", "/_wait?idle=1&timeout_seconds=0") == {"idle": False, "pending": 1}
    world.advance(seconds=10)
    assert len(world.receiver.of(PATH)) == 1
    world.advance(seconds=5)
    assert len(world.receiver.of(PATH)) == 2
    assert only(world)["state"] == "delivered"


def wait_until(condition: Any) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_duplicates_are_delivered_so_many_extra_times(world: World, merchant: Merchant) -> None:
    world.control("PUT", "/_knobs", {"duplicates": 2})
    merchant.paid(world.user())
    received = world.notified(PATH)
    assert len(received) == 3
    assert len({merchant.opened(got)["id"] for got in received}) == 1


def test_duplicates_that_fail_are_not_retried(world: World, merchant: Merchant) -> None:
    world.control("PUT", "/_knobs", {"duplicates": 2, "retry_scale": 0.001})
    world.receiver.answer = failing(3)
    merchant.paid(world.user())
    world.idle()
    assert [attempt["kind"] for attempt in only(world)["attempts"]] == ["first", "duplicate", "duplicate", "retry"]


def test_dropped_notifications_are_lost_for_good(world: World, merchant: Merchant) -> None:
    world.control("PUT", "/_knobs", {"drop": 1})
    openid = world.user()
    merchant.paid(openid, "ORDER0001")
    merchant.paid(openid, "ORDER0002")
    (received,) = world.notified(PATH)
    assert merchant.opened(received)["resource"]["out_trade_no"] == "ORDER0002"
    assert world.control("GET", "/_knobs")["drop"] == 0
    lost = world.control("GET", "/_state")["notifications"][0]
    assert (lost["state"], lost["attempts"][0]["kind"]) == ("lost", "dropped")


def test_shuffle_sends_a_window_in_reverse(world: World, merchant: Merchant) -> None:
    world.control("PUT", "/_knobs", {"shuffle": 3})
    openid = world.user()
    numbers = ["ORDER0001", "ORDER0002", "ORDER0003"]
    for number in numbers:
        merchant.paid(openid, number)
    received = world.notified(PATH)
    assert [merchant.opened(got)["resource"]["out_trade_no"] for got in received] == numbers[::-1]


def test_incomplete_window_is_sent_all_the_same(world: World, merchant: Merchant) -> None:
    world.control("PUT", "/_knobs", {"shuffle": 3})
    merchant.paid(world.user())
    assert len(world.notified(PATH)) == 1


def test_delay_holds_notifications_back(world: World, merchant: Merchant) -> None:
    world.control("PUT", "/_knobs", {"delay_seconds": 0.3})
    started = time.monotonic()
    merchant.paid(world.user())
    assert len(world.notified(PATH)) == 1
    assert time.monotonic() - started >= 0.3


def test_answer_that_takes_too_long_counts_as_none(
    monkeypatch: pytest.MonkeyPatch, world: World, merchant: Merchant
) -> None:
    monkeypatch.setattr("infra.local.wechat_sandbox.notifications.TIMEOUT_SECONDS", 0.1)
    given_up = threading.Event()

    def answer(_: Received) -> tuple[int, bytes]:
        given_up.wait(5)
        return 200, b""

    world.receiver.answer = answer
    world.control("PUT", "/_knobs", {"retry_scale": 0.001})
    merchant.paid(world.user())
    wait_until(lambda: only(world)["attempts"])
    given_up.set()
    world.idle()
    first, *_ = only(world)["attempts"]
    assert (first["status"], first["acknowledged"]) == (None, False)
    assert "TimeoutError" in first["error"]
    assert only(world)["state"] == "delivered"


def test_notification_is_redelivered_on_demand(world: World, merchant: Merchant) -> None:
    merchant.paid(world.user())
    world.idle()
    world.receiver.answer = lambda _: (409, b"again?")
    answer = world.control("POST", f"/_notifications/{only(world)['id']}/redeliver")
    assert (answer["kind"], answer["status"], answer["body"]) == ("redelivery", 409, "again?")
    assert only(world)["state"] == "delivered"
    assert world.call("POST", "/_notifications/unknown/redeliver")[0] == 404


def test_notification_waits_for_the_api_address(world: World, merchant: Merchant) -> None:
    world.sandbox.deployment.api_url = ""
    world.control("PUT", "/_knobs", {"retry_scale": 0.01})
    merchant.paid(world.user())
    wait_until(lambda: only(world)["attempts"])
    assert "api_url" in only(world)["attempts"][0]["error"]
    world.control("PUT", "/_config", {"api_url": world.receiver.url})
    assert len(world.notified(PATH)) == 1


def test_addresses_outside_this_machine_are_refused(world: World) -> None:
    for url in ("https://127.0.0.1/", "http://example.com/", "http://127.0.0.1.example.com/", "ftp://localhost/"):
        assert world.call("PUT", "/_config", {"api_url": url})[0] == 400
    assert world.control("PUT", "/_config", {})["api_url"] == world.receiver.url


@pytest.mark.parametrize("kind", KINDS)
def test_forgery_is_delivered_once_and_its_answer_returned(world: World, merchant: Merchant, kind: str) -> None:
    world.receiver.answer = lambda _: (401, encode({"code": "FAIL"}))
    merchant.prepay(world.user())
    answer = world.control("POST", "/_forge", {"kind": kind, "out_trade_no": "ORDER0001"})
    assert (answer["status"], answer["body"]) == (401, '{"code":"FAIL"}')
    (received,) = world.notified(PATH)
    assert received.path == PATH
    assert merchant.query()[1]["trade_state"] == "NOTPAY"
    assert only(world)["state"] == "forged"
    check_forgery(world, merchant, kind, received)


def check_forgery(world: World, merchant: Merchant, kind: str, received: Received) -> None:
    """Check that the forgery is false in the point that its name says, and only there."""
    library = merchant.library
    age_seconds = time.time() - int(received.headers["Wechatpay-Timestamp"])
    assert (300 < age_seconds < 310) if kind == "stale" else age_seconds < 10
    match kind:
        case "bad_signature" | "probe":
            assert library.callback(received.headers, received.body) is None
            assert received.headers["Wechatpay-Signature"].startswith("WECHATPAY/SIGNTEST/") is (kind == "probe")
        case "unknown_serial":
            assert received.headers["Wechatpay-Serial"] != world.sandbox.keys.platform_public_key_id
        case "mangled_ciphertext":
            assert library._core._verify_signature(received.headers, received.body.decode())
            assert library.callback(received.headers, received.body) is None
        case _:
            resource = merchant.opened(received)["resource"]
            assert (resource["mchid"] != world.sandbox.keys.mchid) is (kind == "foreign_merchant")
            assert (resource["amount"]["total"] != 12_345) is (kind == "wrong_amount")
            assert (resource["out_trade_no"] != "ORDER0001") is (kind == "unknown_order")


def test_wrong_amount_can_be_chosen(world: World, merchant: Merchant) -> None:
    merchant.paid(world.user())
    world.idle()
    world.control("POST", "/_forge", {"kind": "wrong_amount", "out_trade_no": "ORDER0001", "amount": 7})
    assert merchant.opened(world.notified(PATH)[-1])["resource"]["amount"]["total"] == 7
    assert world.call("POST", "/_forge", {"kind": "other", "out_trade_no": "ORDER0001"})[0] == 400
    assert world.call("POST", "/_forge", {"kind": "stale", "out_trade_no": "UNKNOWN1"})[0] == 404
