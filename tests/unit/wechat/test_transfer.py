import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from fenxiao.wechat.errors import WeChatRefusedError, WeChatUnavailableError
from fenxiao.wechat.facts import TransferResult, TransferState
from fenxiao.wechat.settings import WeChatSettings
from fenxiao.wechat.transfer import TransferTerms, WeChatTransfers
from tests.unit.wechat.conftest import PUBLIC_BASE_URL
from tests.unit.wechat.test_pay import sign, signed_by_merchant
from tests.unit.wechat.wechat_side import Platform, Reply, Server

BILL = "W01J00000000000000000000000"
PATH = "/v3/fund-app/mch-transfer/transfer-bills"


@pytest.fixture
def transfers(settings: Callable[[], WeChatSettings]) -> WeChatTransfers:
    return WeChatTransfers(settings, TransferTerms(scene_id="1005", job="推广员", remark="推广佣金"))


def body_of(transfers: WeChatTransfers, name: str | None = None) -> str:
    return transfers.build_body(out_bill_no=BILL, openid="oPayee", amount_fen=200_000, user_name_cipher=name)


def test_stored_body_is_what_is_signed_and_sent_every_time(
    platform: Platform, server: Server, transfers: WeChatTransfers
) -> None:
    stored = body_of(transfers, transfers.encrypt("张三"))
    for _ in range(2):
        sign(platform, server, {"out_bill_no": BILL, "state": "WAIT_USER_CONFIRM", "package_info": "abc"})
        result = transfers.send(stored)
    assert (result.state, result.package_info) == (TransferState.WAIT_USER_CONFIRM, "abc")
    for seen in server.seen:
        assert seen.body == stored.encode()
        assert (seen.method, seen.target) == ("POST", PATH)
        assert seen.headers["Wechatpay-Serial"] == platform.settings.platform_public_key_id
        signed_by_merchant(platform, seen)


def test_body_says_who_gets_how_much_and_why(platform: Platform, server: Server, transfers: WeChatTransfers) -> None:
    assert json.loads(body_of(transfers)) == {
        "appid": platform.settings.appid,
        "out_bill_no": BILL,
        "transfer_scene_id": "1005",
        "openid": "oPayee",
        "transfer_amount": 200_000,
        "transfer_remark": "推广佣金",
        "notify_url": f"{PUBLIC_BASE_URL}/wechat/notifications/transfers",
        "transfer_scene_report_infos": [
            {"info_type": "岗位类型", "info_content": "推广员"},
            {"info_type": "报酬说明", "info_content": "推广佣金"},
        ],
    }
    assert json.loads(body_of(transfers, "cipher"))["user_name"] == "cipher"


@pytest.mark.parametrize("body", ['{"out_bill_no":"W01"}', '{"out_bill_no": "佣金"}', '{"a": 1, "a": 2}', "nothing"])
def test_body_that_would_be_sent_differently_is_not_sent(server: Server, transfers: WeChatTransfers, body: str) -> None:
    with pytest.raises(ValueError):
        transfers.send(body)
    assert server.seen == []


def test_name_is_encrypted_for_wechat_alone(platform: Platform, server: Server, transfers: WeChatTransfers) -> None:
    one, other = transfers.encrypt("张三"), transfers.encrypt("张三")
    assert one != other
    scheme = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)  # noqa: S303 - the wire format
    assert platform.wechat.decrypt(base64.b64decode(one), scheme).decode() == "张三"


@pytest.mark.parametrize("reply", [Reply(None), Reply(500), Reply(429)])
def test_send_without_an_answer_is_not_repeated_by_itself(
    server: Server, transfers: WeChatTransfers, reply: Reply
) -> None:
    server.replies.append(reply)
    with pytest.raises(WeChatUnavailableError):
        transfers.send(body_of(transfers))
    assert len(server.seen) == 1


def test_refusals_keep_their_code(server: Server, transfers: WeChatTransfers) -> None:
    server.reply({"code": "NOT_ENOUGH", "message": "商户账户余额不足"}, status=403)
    with pytest.raises(WeChatRefusedError) as caught:
        transfers.send(body_of(transfers))
    assert caught.value.code == "NOT_ENOUGH"


def test_query_returns_the_bill_or_none(platform: Platform, server: Server, transfers: WeChatTransfers) -> None:
    content = {
        "mch_id": platform.settings.mchid,
        "out_bill_no": BILL,
        "transfer_bill_no": "1330001",
        "state": "FAIL",
        "transfer_amount": 200_000,
        "fail_reason": "OVERDUE_CLOSE",
        "create_time": "2026-03-01T12:00:00+08:00",
        "update_time": "2026-03-02T12:00:00+08:00",
    }
    sign(platform, server, content)
    server.reply({"code": "NOT_FOUND", "message": "记录不存在"}, status=404)
    assert transfers.query(BILL) == TransferResult(
        out_bill_no=BILL,
        state=TransferState.FAIL,
        transfer_bill_no="1330001",
        amount_fen=200_000,
        fail_reason="OVERDUE_CLOSE",
        updated_at=datetime(2026, 3, 2, 4, 0, tzinfo=UTC),
    )
    assert server.seen[0].target == f"{PATH}/out-bill-no/{BILL}"
    assert transfers.query(BILL) is None


@pytest.mark.parametrize("content", [{"out_bill_no": "W02", "state": "SUCCESS"}, {"out_bill_no": BILL, "state": "NEW"}])
def test_answer_about_another_bill_or_in_an_unknown_state_is_no_answer(
    platform: Platform, server: Server, transfers: WeChatTransfers, content: dict[str, str]
) -> None:
    sign(platform, server, content)
    with pytest.raises(WeChatUnavailableError):
        transfers.query(BILL)


def test_cancel_asks_for_this_bill(platform: Platform, server: Server, transfers: WeChatTransfers) -> None:
    sign(platform, server, {"out_bill_no": BILL, "state": "CANCELING"})
    transfers.cancel(BILL)
    assert (server.seen[0].method, server.seen[0].target) == ("POST", f"{PATH}/out-bill-no/{BILL}/cancel")
    signed_by_merchant(platform, server.seen[0])
