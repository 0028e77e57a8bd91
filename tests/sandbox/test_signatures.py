import time
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from .conftest import Merchant, World, parsed

PATH = "/v3/pay/transactions/out-trade-no/ORDER0001"


def authorization(merchant: Merchant, **changed: Any) -> str:
    from wechatpayv3.utils import build_authorization

    keys = merchant.world.sandbox.keys
    parts: dict[str, Any] = {
        "path": f"{PATH}?mchid={keys.mchid}",
        "method": "GET",
        "mchid": keys.mchid,
        "serial_no": keys.merchant_serial,
        "private_key": merchant.library._core._private_key,
        **changed,
    }
    header: str = build_authorization(**parts)
    return header


def get(merchant: Merchant, header: str | None) -> tuple[int, Any]:
    import requests

    url = f"{merchant.world.url}{PATH}?mchid={merchant.world.sandbox.keys.mchid}"
    answer = requests.get(url, headers={"Authorization": header} if header else {}, timeout=10)
    core = merchant.library._core
    assert core._verify_signature(answer.headers, answer.text), "every answer is signed, refusals too"
    return answer.status_code, answer.json()


def test_request_that_the_merchant_signed_is_accepted(merchant: Merchant) -> None:
    assert get(merchant, authorization(merchant))[1]["code"] == "ORDER_NOT_EXIST"


@pytest.mark.parametrize(
    "changed",
    [
        {"path": PATH},
        {"method": "POST"},
        {"data": {"a": 1}},
        {"mchid": "1900000000"},
        {"serial_no": "AB" * 20},
        {"private_key": rsa.generate_private_key(65537, 2048)},
    ],
)
def test_request_signed_otherwise_is_refused(merchant: Merchant, changed: dict[str, Any]) -> None:
    status, answer = get(merchant, authorization(merchant, **changed))
    assert (status, answer["code"]) == (401, "SIGN_ERROR")


@pytest.mark.parametrize(
    "header", [None, "Basic abc", 'WECHATPAY2-SHA256-RSA2048 mchid="1"', "WECHATPAY2-SHA256-RSA2048"]
)
def test_request_without_a_proper_header_is_refused(merchant: Merchant, header: str | None) -> None:
    assert get(merchant, header)[0] == 401


@pytest.mark.parametrize(("age_seconds", "status"), [(290, 404), (301, 401), (-290, 404), (-301, 401)])
def test_skew_of_300_seconds_is_refused(
    monkeypatch: pytest.MonkeyPatch, merchant: Merchant, age_seconds: int, status: int
) -> None:
    now = time.time()
    with monkeypatch.context() as patched:
        patched.setattr("wechatpayv3.utils.time.time", lambda: now - age_seconds)
        header = authorization(merchant)
    assert get(merchant, header)[0] == status


def test_nonce_cannot_be_used_again(merchant: Merchant) -> None:
    header = authorization(merchant)
    assert get(merchant, header)[0] == 404
    assert get(merchant, header)[1]["detail"]["issue"] == "随机串重复使用"


def test_signatures_stay_on_wall_time_when_the_clock_moves(world: World, merchant: Merchant) -> None:
    world.advance(days=40)
    paid = merchant.paid(world.user())
    (received,) = world.notified("/wechat/notifications/payments")
    assert abs(int(received.headers["Wechatpay-Timestamp"]) - time.time()) < 60
    assert merchant.opened(received)["resource"] == paid
    assert merchant.query() == (200, paid)


def test_stored_body_can_be_sent_again_unchanged(world: World, merchant: Merchant) -> None:
    from wechatpayv3.type import RequestType

    core = merchant.library._core
    body = {
        "appid": world.sandbox.keys.appid,
        "out_bill_no": "BILL1",
        "transfer_scene_id": "1005",
        "openid": world.user(),
        "user_name": core.encrypt("张三"),
        "transfer_amount": 1000,
        "transfer_remark": "佣金",
        "transfer_scene_report_infos": [
            {"info_type": "岗位类型", "info_content": "推广员"},
            {"info_type": "报酬说明", "info_content": "佣金"},
        ],
    }
    path = "/v3/fund-app/mch-transfer/transfer-bills"
    answers = [parsed(core.request(path, RequestType.POST, data=body, cipher_data=True)) for _ in range(2)]
    assert answers[0] == answers[1]
    assert answers[0][0] == 200
