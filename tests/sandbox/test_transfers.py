from typing import Any

import pytest

from .conftest import REPORTS, Merchant, World

PATH = "/wechat/notifications/transfers"


def state(merchant: Merchant) -> str:
    found: str = merchant.query_transfer()[1]["state"]
    return found


def test_transfer_waits_for_the_payee_then_succeeds_and_is_notified(world: World, merchant: Merchant) -> None:
    openid = world.user(real_name="张三")
    status, bill = merchant.transfer(openid, user_name="张三")
    assert (status, bill["state"]) == (200, "WAIT_USER_CONFIRM")
    assert "package_info" not in merchant.query_transfer()[1]
    assert world.call("POST", "/_transfers/BILL1/confirm", {"package_info": "other"})[0] == 400
    assert state(merchant) == "WAIT_USER_CONFIRM"
    world.control("POST", "/_transfers/BILL1/confirm", {"package_info": bill["package_info"], "openid": openid})
    (received,) = world.notified(PATH)
    content = merchant.opened(received)
    assert content["event_type"] == "MCHTRANSFER.BILL.FINISHED"
    found = merchant.query_transfer()[1]
    assert content["resource"] == {
        "mch_id": world.sandbox.keys.mchid,
        "out_bill_no": "BILL1",
        "transfer_bill_no": bill["transfer_bill_no"],
        "state": "SUCCESS",
        "transfer_amount": 1000,
        "openid": openid,
        "create_time": bill["create_time"],
        "update_time": found["update_time"],
    }
    assert (found["state"], found["transfer_remark"]) == ("SUCCESS", "佣金")


def test_same_number_gives_the_same_bill_although_the_name_is_encrypted_anew(world: World, merchant: Merchant) -> None:
    openid = world.user()
    first = merchant.transfer(openid, user_name="张三")
    assert merchant.transfer(openid, user_name="张三") == first
    changes: list[dict[str, Any]] = [
        {"fen": 1001},
        {"user_name": "李四"},
        {"transfer_remark": "其他"},
        {"user_name": None},
    ]
    for changed in changes:
        status, answer = merchant.transfer(openid, **{"user_name": "张三", **changed})
        assert (status, answer["code"]) == (400, "INVALID_REQUEST")
    assert world.control("GET", "/_knobs")["merchant_balance_fen"] == 1_000_000_000 - 1000


def test_unconfirmed_transfer_fails_after_24_hours_of_the_clock(world: World, merchant: Merchant) -> None:
    merchant.transfer(world.user())
    world.advance(hours=23)
    assert state(merchant) == "WAIT_USER_CONFIRM"
    assert world.advance(hours=1)["expired"]["transfers_overdue"] == 1
    found = merchant.query_transfer()[1]
    assert (found["state"], found["fail_reason"]) == ("FAIL", "OVERDUE_CLOSE")
    content = merchant.opened(world.notified(PATH)[0])
    assert (content["resource"]["state"], content["resource"]["fail_reason"]) == ("FAIL", "OVERDUE_CLOSE")
    assert world.call("POST", "/_transfers/BILL1/confirm", {})[0] == 400
    assert world.control("GET", "/_knobs")["merchant_balance_fen"] == 1_000_000_000


def test_cancel_works_before_the_confirmation_only(world: World, merchant: Merchant) -> None:
    openid = world.user()
    merchant.transfer(openid)
    status, cancelled = merchant.cancel_transfer()
    assert (status, cancelled["state"]) == (200, "CANCELING")
    assert merchant.opened(world.notified(PATH)[0])["resource"]["state"] == "CANCELLED"
    assert merchant.cancel_transfer()[1]["state"] == "CANCELLED"
    assert world.call("POST", "/_transfers/BILL1/confirm", {})[0] == 400
    merchant.transfer(openid, "BILL2")
    world.control("POST", "/_transfers/BILL2/confirm", {})
    status, refused = merchant.cancel_transfer("BILL2")
    assert (status, refused["code"]) == (400, "INVALID_REQUEST")


def test_early_states_are_seen_one_by_one(world: World, merchant: Merchant) -> None:
    world.control("PUT", "/_knobs", {"transfer_first_state": "ACCEPTED"})
    openid = world.user()
    bill = merchant.transfer(openid)[1]
    assert bill["state"] == "ACCEPTED"
    assert "package_info" not in bill
    assert world.call("POST", "/_transfers/BILL1/confirm", {})[0] == 400
    assert state(merchant) == "PROCESSING"
    again = merchant.transfer(openid)[1]
    assert again["state"] == "WAIT_USER_CONFIRM"
    world.control("POST", "/_transfers/BILL1/confirm", {"package_info": again["package_info"]})


def test_held_transfer_ends_when_told(world: World, merchant: Merchant) -> None:
    world.control("PUT", "/_knobs", {"transfer_mode": "hold"})
    merchant.transfer(world.user())
    world.control("POST", "/_transfers/BILL1/confirm", {})
    assert state(merchant) == "TRANSFERING"
    assert world.advance(days=2)["expired"]["transfers_overdue"] == 0
    assert world.call("POST", "/_transfers/BILL1/finish", {"state": "CANCELLED"})[0] == 400
    world.control("POST", "/_transfers/BILL1/finish", {"state": "FAIL", "fail_reason": "ACCOUNT_FROZEN"})
    assert merchant.opened(world.notified(PATH)[0])["resource"]["fail_reason"] == "ACCOUNT_FROZEN"


def test_payee_whose_real_name_differs_is_not_paid(world: World, merchant: Merchant) -> None:
    merchant.transfer(world.user(real_name="李四"), user_name="张三")
    answer = world.control("POST", "/_transfers/BILL1/confirm", {})
    assert (answer["state"], answer["fail_reason"]) == ("FAIL", "NAME_NOT_CORRECT")


def test_auto_confirm_pays_at_once(world: World, merchant: Merchant) -> None:
    world.control("PUT", "/_knobs", {"transfer_auto_confirm": True})
    assert merchant.transfer(world.user())[1]["state"] == "WAIT_USER_CONFIRM"
    assert merchant.opened(world.notified(PATH)[0])["resource"]["state"] == "SUCCESS"


def test_transfers_draw_on_the_merchants_balance(world: World, merchant: Merchant) -> None:
    openid = world.user()
    world.control("PUT", "/_knobs", {"merchant_balance_fen": 1500})
    assert merchant.transfer(openid, "BILL1")[0] == 200
    status, answer = merchant.transfer(openid, "BILL2")
    assert (status, answer["code"]) == (403, "NOT_ENOUGH")
    assert merchant.query_transfer("BILL2")[0] == 404
    merchant.cancel_transfer("BILL1")
    assert merchant.transfer(openid, "BILL2")[0] == 200


def test_query_reaches_thirty_days_back(world: World, merchant: Merchant) -> None:
    merchant.transfer(world.user())
    world.advance(days=29)
    assert state(merchant) == "FAIL"
    world.advance(days=1)
    assert merchant.query_transfer()[1]["code"] == "NOT_FOUND"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"transfer_scene_id": "1000"}, "NO_AUTH"),
        ({"number": "BILL-1"}, "PARAM_ERROR"),
        ({"number": "B" * 33}, "PARAM_ERROR"),
        ({"transfer_remark": "佣" * 33}, "PARAM_ERROR"),
        ({"notify_url": "https://pay.example.invalid/a?b=1"}, "PARAM_ERROR"),
        ({"transfer_scene_report_infos": REPORTS[:1]}, "PARAM_ERROR"),
        ({"transfer_scene_report_infos": [REPORTS[0], REPORTS[0]]}, "PARAM_ERROR"),
        (
            {"transfer_scene_report_infos": [REPORTS[0], {"info_type": "报酬说明", "info_content": "长" * 33}]},
            "PARAM_ERROR",
        ),
        (
            {"transfer_scene_report_infos": [REPORTS[0], {"info_type": "活动名称", "info_content": "活动"}]},
            "PARAM_ERROR",
        ),
        ({"fen": 9}, "INVALID_REQUEST"),
        ({"fen": 20_001}, "INVALID_REQUEST"),
        ({"appid": "wxother"}, "INVALID_REQUEST"),
        ({"openid": "oNobody"}, "INVALID_REQUEST"),
    ],
)
def test_wrong_transfers_are_refused_and_leave_nothing(
    world: World, merchant: Merchant, changed: dict[str, Any], code: str
) -> None:
    _, answer = merchant.transfer(**{"openid": world.user(), **changed})
    assert answer["code"] == code
    assert world.control("GET", "/_state")["transfers"] == []


def request_with_name(merchant: Merchant, openid: str, fen: int, user_name: str | None, *, cipher: bool = True) -> Any:
    from wechatpayv3.type import RequestType

    core = merchant.library._core
    body = {
        "appid": merchant.world.sandbox.keys.appid,
        "out_bill_no": "BILL1",
        "transfer_scene_id": "1005",
        "openid": openid,
        "transfer_amount": fen,
        "transfer_remark": "佣金",
        "transfer_scene_report_infos": REPORTS,
    }
    if user_name is not None:
        body["user_name"] = core.encrypt(user_name) if cipher else user_name
    return core.request("/v3/fund-app/mch-transfer/transfer-bills", RequestType.POST, data=body, cipher_data=True)


def test_name_is_required_from_2000_yuan_forbidden_below_030_and_must_be_readable(
    world: World, merchant: Merchant
) -> None:
    world.control("PUT", "/_knobs", {"transfer_max_fen": 1_000_000})
    openid = world.user()
    assert request_with_name(merchant, openid, 200_000, None)[0] == 400
    assert request_with_name(merchant, openid, 29, "张三")[0] == 400
    assert request_with_name(merchant, openid, 1000, "bm90IGVuY3J5cHRlZA==", cipher=False)[0] == 400
    assert request_with_name(merchant, openid, 200_000, "张三")[0] == 200


def test_name_encrypted_under_another_platform_key_is_refused(
    monkeypatch: pytest.MonkeyPatch, world: World, merchant: Merchant
) -> None:
    monkeypatch.setattr(merchant.library._core, "_public_key_id", "PUB_KEY_ID_OTHER")
    assert merchant.transfer(world.user(), user_name="张三")[1]["code"] == "PARAM_ERROR"


def test_amount_range_is_a_knob(world: World, merchant: Merchant) -> None:
    openid = world.user()
    world.control("PUT", "/_knobs", {"transfer_min_fen": 100, "transfer_max_fen": 200})
    assert [merchant.transfer(openid, f"B{fen}", fen)[0] for fen in (99, 100, 200, 201)] == [400, 200, 200, 400]
