import hashlib
import json
from collections.abc import Callable

import pytest

from fenxiao.wechat import bills as bills_module
from fenxiao.wechat.bills import WeChatBills
from fenxiao.wechat.errors import BillMalformedError, WeChatRefusedError, WeChatUnavailableError
from fenxiao.wechat.facts import FundFlowBill, TradeBill
from fenxiao.wechat.settings import WeChatSettings
from tests.unit.wechat.bill_texts import DAY, Flow, Trade, flow_bill, trade_bill
from tests.unit.wechat.test_pay import sign, signed_by_merchant
from tests.unit.wechat.wechat_side import Platform, Reply, Server

TARGET = "/v3/billdownload/file?token=a%2Fb_c&x=1"
ASK = "/v3/bill/tradebill?bill_date=2026-03-01&bill_type=ALL"


@pytest.fixture
def bills(settings: Callable[[], WeChatSettings]) -> WeChatBills:
    return WeChatBills(settings)


def offer(platform: Platform, server: Server, content: bytes, **changed: str) -> None:
    """Let WeChat have a bill: the signed answer, then the download without a signature."""
    ticket = {
        "hash_type": "SHA1",
        "hash_value": hashlib.sha1(content, usedforsecurity=False).hexdigest(),
        "download_url": f"https://api.mch.weixin.qq.com{TARGET}",
    }
    sign(platform, server, ticket | changed)
    server.replies.append(Reply(200, content, {"Content-Type": "text/plain"}))


def test_trade_bill_is_asked_for_then_downloaded_and_both_are_signed_by_the_merchant(
    platform: Platform, server: Server, bills: WeChatBills
) -> None:
    offer(platform, server, trade_bill(Trade()))
    bill = bills.trades(DAY)
    assert bill is not None
    assert [(one.out_trade_no, one.amount_fen) for one in bill.payments] == [("T1", 1234)]
    assert [(seen.method, seen.target) for seen in server.seen] == [("GET", ASK), ("GET", TARGET)]
    for seen in server.seen:
        signed_by_merchant(platform, seen)


def test_fund_flow_bill_is_that_of_the_account_that_pays_transfers(
    platform: Platform, server: Server, bills: WeChatBills
) -> None:
    offer(platform, server, flow_bill(Flow()), hash_value=hashlib.sha1(flow_bill(Flow())).hexdigest().upper())  # noqa: S324
    bill = bills.payouts(DAY)
    assert bill is not None
    assert [(one.voucher, one.out_fen) for one in bill.moves] == [("W1", 850)]
    assert server.seen[0].target == "/v3/bill/fundflowbill?bill_date=2026-03-01&account_type=OPERATION"


@pytest.mark.parametrize(
    ("code", "trades", "payouts"),
    [("STATEMENT_CREATING", None, None), ("NO_STATEMENT_EXIST", TradeBill(), FundFlowBill())],
)
def test_bill_that_is_being_made_is_not_one_of_a_day_without_trades(
    server: Server, bills: WeChatBills, code: str, trades: TradeBill | None, payouts: FundFlowBill | None
) -> None:
    for _ in range(2):
        server.reply({"code": code, "message": "…"}, status=400)
    assert bills.trades(DAY) == trades
    assert bills.payouts(DAY) == payouts


def test_other_refusals_keep_their_code(server: Server, bills: WeChatBills) -> None:
    server.reply({"code": "NO_AUTH", "message": "…"}, status=403)
    with pytest.raises(WeChatRefusedError, match="NO_AUTH"):
        bills.trades(DAY)


def test_content_with_another_hash_is_no_bill(platform: Platform, server: Server, bills: WeChatBills) -> None:
    for hash_value in ("0" * 40, "", "秘密"):
        offer(platform, server, trade_bill(Trade()), hash_value=hash_value)
    with pytest.raises(WeChatUnavailableError):
        bills.trades(DAY)
    assert len(server.seen) == 6


def test_address_that_has_ended_is_asked_for_anew(platform: Platform, server: Server, bills: WeChatBills) -> None:
    offer(platform, server, trade_bill(Trade()))
    server.replies[-1] = Reply(None)
    offer(platform, server, trade_bill(Trade()))
    assert bills.trades(DAY) is not None
    assert [seen.target for seen in server.seen] == [ASK, TARGET, ASK, TARGET]


def test_larger_bill_than_the_limit_is_not_read(
    platform: Platform, server: Server, bills: WeChatBills, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = trade_bill(Trade())
    monkeypatch.setattr(bills_module, "MAX_BILL_BYTES", len(content))
    offer(platform, server, content)
    assert bills.trades(DAY) is not None
    monkeypatch.setattr(bills_module, "MAX_BILL_BYTES", len(content) - 1)
    for _ in range(3):
        offer(platform, server, content)
    with pytest.raises(WeChatUnavailableError):
        bills.trades(DAY)


@pytest.mark.parametrize(
    "changed",
    [
        {"download_url": "https://api.mch.weixin.qq.com/v3/refund/domestic/refunds"},
        {"download_url": "http://169.254.169.254/latest/meta-data"},
        {"download_url": ""},
        {"hash_type": "MD5"},
    ],
)
def test_merchants_signature_goes_to_no_other_address(
    platform: Platform, server: Server, bills: WeChatBills, changed: dict[str, str]
) -> None:
    for _ in range(3):
        offer(platform, server, b"", **changed)
        server.replies.pop()
    with pytest.raises(WeChatUnavailableError):
        bills.trades(DAY)
    assert {seen.target for seen in server.seen} == {ASK}


def test_download_follows_no_redirection(platform: Platform, server: Server, bills: WeChatBills) -> None:
    for _ in range(3):
        offer(platform, server, trade_bill(Trade()))
        server.replies[-1] = Reply(302, b"", {"Location": f"{server.url}/elsewhere"})
    with pytest.raises(WeChatUnavailableError):
        bills.trades(DAY)
    assert {seen.target for seen in server.seen} == {ASK, TARGET}


def test_answer_without_wechats_signature_names_no_bill(server: Server, bills: WeChatBills) -> None:
    ticket = {"hash_type": "SHA1", "hash_value": "0" * 40, "download_url": f"{server.url}{TARGET}"}
    for _ in range(3):
        server.replies.append(Reply(200, json.dumps(ticket).encode(), {"Content-Type": "application/json"}))
    with pytest.raises(WeChatUnavailableError):
        bills.trades(DAY)
    assert {seen.target for seen in server.seen} == {ASK}


def test_bill_that_cannot_be_read_is_not_asked_for_again(
    platform: Platform, server: Server, bills: WeChatBills
) -> None:
    offer(platform, server, b"something else")
    with pytest.raises(BillMalformedError):
        bills.trades(DAY)
    assert len(server.seen) == 2


@pytest.mark.parametrize("status", [429, 500, 503])
def test_fault_that_passes_is_no_answer(server: Server, bills: WeChatBills, status: int) -> None:
    for _ in range(3):
        server.reply({"code": "SYSTEM_ERROR", "message": "…"}, status=status)
    with pytest.raises(WeChatUnavailableError):
        bills.payouts(DAY)
