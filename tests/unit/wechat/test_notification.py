import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from fenxiao.wechat.errors import NotificationRefusedError
from fenxiao.wechat.facts import PaymentResult, RefundResult, TransferState
from fenxiao.wechat.notification import MAX_BODY_BYTES, Notifications
from fenxiao.wechat.settings import WeChatSettings
from tests.unit.wechat.wechat_side import Platform

WALL = 1_772_337_600.0
PAID_AT = "2026-03-01T12:00:00+08:00"


@pytest.fixture
def notifications(settings: Callable[[], WeChatSettings]) -> Notifications:
    return Notifications(settings, wall=lambda: WALL)


def payment(platform: Platform, **changed: object) -> dict[str, object]:
    return {
        "appid": platform.settings.appid,
        "mchid": platform.settings.mchid,
        "out_trade_no": "T1",
        "trade_state": "SUCCESS",
        "transaction_id": "4200001",
        "success_time": PAID_AT,
        "payer": {"openid": "oBuyer"},
        "amount": {"total": 1234, "payer_total": 1234, "currency": "CNY", "payer_currency": "CNY"},
        **changed,
    }


def paid(platform: Platform, **changed: object) -> bytes:
    return platform.notification("TRANSACTION.SUCCESS", payment(platform, **changed))


def refused(notifications: Notifications, headers: dict[str, str], body: bytes) -> str:
    with pytest.raises(NotificationRefusedError) as caught:
        notifications.open_payment(headers, body)
    assert caught.value.status == 401
    assert caught.value.__cause__ is None
    return caught.value.code


def test_genuine_payment_is_opened(platform: Platform, notifications: Notifications) -> None:
    body = paid(platform)
    assert notifications.open_payment(platform.headers(body, WALL), body) == PaymentResult(
        out_trade_no="T1",
        success=True,
        trade_state="SUCCESS",
        transaction_id="4200001",
        success_time=datetime(2026, 3, 1, 4, 0, tzinfo=UTC),
        payer_openid="oBuyer",
        total_fen=1234,
    )


def test_genuine_refund_is_opened(platform: Platform, notifications: Notifications) -> None:
    resource = {
        "mchid": platform.settings.mchid,
        "out_trade_no": "T1",
        "out_refund_no": "R1",
        "refund_status": "ABNORMAL",
        "amount": {"total": 1234, "refund": 34, "payer_total": 1234, "payer_refund": 34},
    }
    body = platform.notification("REFUND.ABNORMAL", resource)
    assert notifications.open_refund(platform.headers(body, WALL), body) == RefundResult(
        out_refund_no="R1", out_trade_no="T1", status="ABNORMAL", refund_fen=34
    )


def test_genuine_transfer_is_opened(platform: Platform, notifications: Notifications) -> None:
    resource = {
        "mch_id": platform.settings.mchid,
        "out_bill_no": "W1",
        "transfer_bill_no": "1330001",
        "state": "SUCCESS",
        "transfer_amount": 1000,
        "openid": "oPayee",
        "create_time": PAID_AT,
        "update_time": PAID_AT,
    }
    body = platform.notification("MCHTRANSFER.BILL.FINISHED", resource)
    bill = notifications.open_transfer(platform.headers(body, WALL), body)
    assert (bill.out_bill_no, bill.state, bill.amount_fen) == ("W1", TransferState.SUCCESS, 1000)


@pytest.mark.parametrize(
    "missing",
    [
        "wechatpay-serial",
        "wechatpay-signature",
        "wechatpay-signature-type",
        "wechatpay-timestamp",
        "wechatpay-nonce",
    ],
)
def test_unsigned_is_refused(platform: Platform, notifications: Notifications, missing: str) -> None:
    body = paid(platform)
    headers = platform.headers(body, WALL)
    del headers[missing]
    assert refused(notifications, headers, body) == "notification_unsigned"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"wechatpay-signature-type": "WECHATPAY2-SM2-WITH-SM3"}, "notification_unsigned"),
        ({"wechatpay-signature": "no base64!"}, "notification_bad_signature"),
        ({"wechatpay-signature": base64.b64encode(bytes(256)).decode()}, "notification_bad_signature"),
        ({"wechatpay-nonce": "another"}, "notification_bad_signature"),
        ({"wechatpay-timestamp": str(int(WALL) + 1)}, "notification_bad_signature"),
        ({"wechatpay-serial": "PUB_KEY_ID_02"}, "notification_unknown_serial"),
        ({"wechatpay-serial": "5157F09EFDC096DE15EBE81A47057A72"}, "notification_unknown_serial"),
        ({"wechatpay-timestamp": "soon"}, "notification_stale"),
        ({"wechatpay-timestamp": "-5"}, "notification_stale"),
        ({"wechatpay-timestamp": "٣"}, "notification_stale"),
        ({"wechatpay-timestamp": "9" * 5000}, "notification_stale"),
    ],
)
def test_forged_headers_are_refused(
    platform: Platform, notifications: Notifications, changed: dict[str, str], code: str
) -> None:
    body = paid(platform)
    assert refused(notifications, {**platform.headers(body, WALL), **changed}, body) == code


def test_probe_is_refused_although_the_rest_of_it_is_right(platform: Platform, notifications: Notifications) -> None:
    body = paid(platform)
    headers = platform.headers(body, WALL)
    headers["wechatpay-signature"] = "WECHATPAY/SIGNTEST/" + headers["wechatpay-signature"]
    assert refused(notifications, headers, body) == "notification_bad_signature"


@pytest.mark.parametrize("skew", [-300, 300, -86_400])
def test_stale_and_early_are_refused(platform: Platform, notifications: Notifications, skew: int) -> None:
    body = paid(platform)
    assert refused(notifications, platform.headers(body, WALL + skew), body) == "notification_stale"


@pytest.mark.parametrize("skew", [-299, 299])
def test_a_little_skew_is_let_through(platform: Platform, notifications: Notifications, skew: int) -> None:
    body = paid(platform)
    assert notifications.open_payment(platform.headers(body, WALL + skew), body).success


def test_changed_byte_breaks_the_signature_before_anything_is_parsed(
    platform: Platform, notifications: Notifications
) -> None:
    body = paid(platform)
    for changed in (body + b" ", b"", b"not json", b"\xff\xfe", body.replace(b"encrypt", b"Encrypt")):
        assert refused(notifications, platform.headers(body, WALL), changed) == "notification_bad_signature"


def test_signed_rubbish_is_mangled(platform: Platform, notifications: Notifications) -> None:
    for body in (b"", b"not json", b"\xff\xfe", b"[]", b"{}", b'"\xff"'):
        assert refused(notifications, platform.headers(body, WALL), body) == "notification_mangled"


def test_wrong_ciphertext_is_mangled(platform: Platform, notifications: Notifications) -> None:
    content = json.loads(paid(platform))
    sealed = bytearray(base64.b64decode(content["resource"]["ciphertext"]))
    sealed[7] ^= 1
    for changed in (
        {"ciphertext": base64.b64encode(sealed).decode()},
        {"ciphertext": "no base64!"},
        {"ciphertext": ""},
        {"nonce": "another nonce"},
        {"nonce": ""},
        {"associated_data": "another"},
    ):
        body = json.dumps({**content, "resource": {**content["resource"], **changed}}).encode()
        assert refused(notifications, platform.headers(body, WALL), body) == "notification_mangled"


@pytest.mark.parametrize(
    "changed",
    [
        {"amount": {"total": 12.5}},
        {"amount": {"total": 1, "currency": "USD"}},
        {"amount": None},
        {"success_time": "yesterday"},
        {"out_trade_no": None},
    ],
)
def test_genuine_but_senseless_payment_is_mangled(
    platform: Platform, notifications: Notifications, changed: dict[str, object]
) -> None:
    body = paid(platform, **changed)
    assert refused(notifications, platform.headers(body, WALL), body) == "notification_mangled"


@pytest.mark.parametrize("changed", [{"mchid": "1900000000"}, {"appid": "wxother"}])
def test_foreign_payment_is_refused(
    platform: Platform, notifications: Notifications, changed: dict[str, object]
) -> None:
    body = paid(platform, **changed)
    assert refused(notifications, platform.headers(body, WALL), body) == "notification_foreign_merchant"


def test_foreign_refund_and_transfer_are_refused(platform: Platform, notifications: Notifications) -> None:
    refund = {"out_trade_no": "T1", "out_refund_no": "R1", "refund_status": "SUCCESS", "amount": {"refund": 1}}
    bill = {"out_bill_no": "W1", "state": "SUCCESS"}
    body = platform.notification("REFUND.SUCCESS", {**refund, "mchid": "1900000000"})
    with pytest.raises(NotificationRefusedError) as caught:
        notifications.open_refund(platform.headers(body, WALL), body)
    assert caught.value.code == "notification_foreign_merchant"
    body = platform.notification("MCHTRANSFER.BILL.FINISHED", {**bill, "mch_id": "1900000000"})
    with pytest.raises(NotificationRefusedError) as caught:
        notifications.open_transfer(platform.headers(body, WALL), body)
    assert caught.value.code == "notification_foreign_merchant"


def test_genuine_notification_at_the_wrong_door_is_unexpected(platform: Platform, notifications: Notifications) -> None:
    for body in (
        platform.notification("REFUND.SUCCESS", payment(platform)),
        platform.notification("TRANSACTION.SUCCESS", payment(platform), resource_type="plain"),
    ):
        assert refused(notifications, platform.headers(body, WALL), body) == "notification_unexpected"


def test_other_algorithm_is_unexpected(platform: Platform, notifications: Notifications) -> None:
    content = json.loads(paid(platform))
    body = json.dumps({**content, "resource": {**content["resource"], "algorithm": "AEAD_SM4_GCM"}}).encode()
    assert refused(notifications, platform.headers(body, WALL), body) == "notification_unexpected"


def test_body_above_the_limit_is_refused_unread(platform: Platform, notifications: Notifications) -> None:
    body = b" " * (MAX_BODY_BYTES + 1)
    assert refused(notifications, {}, body) == "notification_mangled"
