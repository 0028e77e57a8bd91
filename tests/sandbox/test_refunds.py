from typing import Any

import pytest

from .conftest import Merchant, World, parsed

PATH = "/wechat/notifications/refunds"


@pytest.fixture
def paid(world: World, merchant: Merchant) -> Any:
    return merchant.paid(world.user())


def test_refund_is_processing_then_succeeds_and_is_notified(world: World, merchant: Merchant, paid: Any) -> None:
    status, refund = merchant.refund(reason="七天无理由")
    assert (status, refund["status"]) == (200, "PROCESSING")
    assert refund["amount"]["refund"] == 345
    (received,) = world.notified(PATH)
    content = merchant.opened(received)
    assert content["event_type"] == "REFUND.SUCCESS"
    assert content["resource"]["refund_status"] == "SUCCESS"
    assert content["resource"]["out_refund_no"] == "REFUND1"
    assert content["resource"]["transaction_id"] == paid["transaction_id"]
    status, found = parsed(merchant.library.query_refund("REFUND1"))
    assert (status, found["status"]) == (200, "SUCCESS")
    assert found["success_time"] == content["resource"]["success_time"]
    assert merchant.query()[1]["trade_state"] == "REFUND"


def test_refund_by_transaction_id_is_the_same_refund(merchant: Merchant, paid: Any) -> None:
    by_number = merchant.refund()[1]
    by_transaction = merchant.refund(transaction_id=paid["transaction_id"], out_trade_no=None)[1]
    assert by_number["refund_id"] == by_transaction["refund_id"]


def test_same_refund_number_with_other_content_is_refused(merchant: Merchant, paid: Any) -> None:
    first = merchant.refund()[1]
    assert merchant.refund()[1]["refund_id"] == first["refund_id"]
    for answer in (merchant.refund(fen=346), merchant.refund(reason="其他")):
        assert (answer[0], answer[1]["code"]) == (400, "INVALID_REQUEST")


def test_refunds_never_exceed_what_was_paid(merchant: Merchant, paid: Any) -> None:
    assert merchant.refund("R1", 12_000)[0] == 200
    assert merchant.refund("R2", 346)[1]["message"] == "申请退款金额超过订单可退金额"
    assert merchant.refund("R3", 345)[0] == 200
    assert merchant.refund("R4", 1)[0] == 400


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"total": 12_344}, "INVALID_REQUEST"),
        ({"fen": 0}, "PARAM_ERROR"),
        ({"reason": "长" * 81}, "PARAM_ERROR"),
        ({"number": "R" * 65}, "PARAM_ERROR"),
        ({"notify_url": "https://pay.example.invalid/a?b=1"}, "PARAM_ERROR"),
    ],
)
def test_wrong_refunds_are_refused(merchant: Merchant, paid: Any, changed: dict[str, Any], code: str) -> None:
    status, answer = merchant.refund(**changed)
    assert (status, answer["code"]) == (400, code)


def test_refund_of_an_unknown_or_unpaid_order_is_refused(world: World, merchant: Merchant) -> None:
    assert merchant.refund()[1]["code"] == "RESOURCE_NOT_EXISTS"
    merchant.prepay(world.user())
    assert merchant.refund()[1]["message"] == "订单未支付，不可退款"
    assert parsed(merchant.library.query_refund("REFUND1"))[0] == 404


def test_refund_after_a_year_is_refused(world: World, merchant: Merchant, paid: Any) -> None:
    world.advance(days=364)
    assert merchant.refund("R1")[0] == 200
    world.advance(days=2)
    assert merchant.refund("R2")[1]["message"] == "订单已超过一年的退款期限"


def test_refund_mode_abnormal_is_notified_as_such(world: World, merchant: Merchant, paid: Any) -> None:
    world.control("PUT", "/_knobs", {"refund_mode": "abnormal"})
    merchant.refund()
    content = merchant.opened(world.notified(PATH)[0])
    assert (content["event_type"], content["resource"]["refund_status"]) == ("REFUND.ABNORMAL", "ABNORMAL")
    assert "success_time" not in content["resource"]


def test_held_refund_ends_when_told_and_a_closed_one_gives_its_amount_back(
    world: World, merchant: Merchant, paid: Any
) -> None:
    world.control("PUT", "/_knobs", {"refund_mode": "hold"})
    merchant.refund("R1", 12_345)
    assert world.notified(PATH) == []
    assert parsed(merchant.library.query_refund("R1"))[1]["status"] == "PROCESSING"
    world.control("POST", "/_refunds/R1/finish", {"status": "CLOSED"})
    assert merchant.opened(world.notified(PATH)[0])["event_type"] == "REFUND.CLOSED"
    assert world.call("POST", "/_refunds/R1/finish", {"status": "SUCCESS"})[0] == 400
    assert merchant.refund("R2", 12_345)[0] == 200
