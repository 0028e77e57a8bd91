import hashlib
import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import pytest
import requests
from wechatpayv3.type import RequestType

from infra.local.wechat_sandbox.clock import SHANGHAI

from .conftest import Merchant, World, parsed

TRADES: Final = "/v3/bill/tradebill?bill_type=ALL&bill_date="
PAYOUTS: Final = "/v3/bill/fundflowbill?account_type=OPERATION&bill_date="


def ask(merchant: Merchant, path: str) -> tuple[int, Any]:
    return parsed(merchant.library._core.request(path))


def download(merchant: Merchant, ticket: dict[str, str]) -> str:
    """Download a bill as the client library does, and check the hash that was told."""
    status, content = merchant.library.download_bill(ticket["download_url"])
    assert (status, type(content)) == (200, bytes)
    assert ticket["hash_type"] == "SHA1"
    assert ticket["hash_value"] == hashlib.sha1(content).hexdigest()  # noqa: S324 - the wire format
    text: str = content.decode()
    return text


def rows(merchant: Merchant, path: str) -> tuple[list[dict[str, str]], dict[str, str]]:
    """Return a bill's rows and its row of sums, each by its headers."""
    status, ticket = ask(merchant, path)
    assert status == 200, ticket
    text = download(merchant, ticket)
    assert text.startswith("\ufeff")
    assert text.endswith("\r\n")
    header, *lines, sums_header, sums = text.removeprefix("\ufeff").removesuffix("\r\n").split("\r\n")
    return [by_header(header, one) for one in lines], by_header(sums_header, sums)


def by_header(header: str, line: str) -> dict[str, str]:
    assert line.startswith("`")
    return dict(zip(header.split(","), line[1:].split(",`"), strict=True))


def refusal(merchant: Merchant, path: str) -> tuple[int, str]:
    status, answer = ask(merchant, path)
    return status, answer["code"]


def noon(world: World) -> date:
    """Move the clock to the next noon in Shanghai and return the day."""
    now = world.sandbox.clock.now().astimezone(SHANGHAI)
    at = now.replace(hour=12, minute=0, second=0, microsecond=0)
    world.advance(seconds=int(((at if at > now else at + timedelta(days=1)) - now).total_seconds()) + 1)
    return at.date() if at > now else at.date() + timedelta(days=1)


def next_morning(world: World) -> None:
    """Move the clock from noon to a quarter past ten."""
    world.advance(hours=22, minutes=15)


def test_payments_and_refunds_of_a_day_stand_in_its_trade_bill(world: World, merchant: Merchant) -> None:
    day, openid = noon(world), world.user()
    paid = merchant.paid(openid, "ORDER0001", 12_345)
    merchant.paid(openid, "ORDER0002", 100)
    merchant.prepay(openid, "ORDER0003", 7)
    _, refund = merchant.refund("REFUND1", 345)
    next_morning(world)

    listed, sums = rows(merchant, f"{TRADES}{day}")

    assert [(one["商户订单号"], one["交易状态"]) for one in listed] == [
        ("ORDER0001", "SUCCESS"),
        ("ORDER0002", "SUCCESS"),
        ("ORDER0001", "REFUND"),
    ]
    payment, _, refunded = listed
    assert payment["交易时间"] == paid["success_time"][:19].replace("T", " ")
    assert (payment["公众账号ID"], payment["商户号"]) == (world.sandbox.keys.appid, world.sandbox.keys.mchid)
    assert (payment["微信订单号"], payment["用户标识"]) == (paid["transaction_id"], openid)
    assert (payment["应结订单金额"], payment["订单金额"], payment["申请退款金额"]) == ("123.45", "123.45", "0.00")
    assert (payment["商户退款单号"], payment["手续费"], payment["费率"]) == ("0", "0.74000", "0.60%")
    assert (refunded["微信退款单号"], refunded["商户退款单号"]) == (refund["refund_id"], "REFUND1")
    assert (refunded["退款金额"], refunded["申请退款金额"], refunded["订单金额"]) == ("3.45", "3.45", "0.00")
    assert (refunded["退款类型"], refunded["退款状态"], refunded["手续费"]) == ("ORIGINAL", "SUCCESS", "-0.02000")
    assert sums == {
        "总交易单数": "3",
        "应结订单总金额": "124.45",
        "退款总金额": "3.45",
        "充值券退款总金额": "0.00",
        "手续费总金额": "0.73000",
        "订单总金额": "124.45",
        "申请退款总金额": "3.45",
    }


def test_transfers_that_succeeded_stand_in_the_fund_flow_bill(world: World, merchant: Merchant) -> None:
    day, openid = noon(world), world.user()
    for number, fen in (("BILL1", 1000), ("BILL2", 30), ("BILL3", 500)):
        merchant.transfer(openid, number, fen)
    for number in ("BILL2", "BILL1"):
        world.control("POST", f"/_transfers/{number}/confirm", {})
    merchant.cancel_transfer("BILL3")
    next_morning(world)

    listed, sums = rows(merchant, f"{PAYOUTS}{day}")

    assert [one["业务凭证号"] for one in listed] == ["BILL2", "BILL1"]
    assert {(one["业务名称"], one["收支类型"]) for one in listed} == {("商家转账", "支出")}
    assert [(one["收支金额(元)"], one["账户结余(元)"]) for one in listed] == [
        ("0.30", "9999999.70"),
        ("10.00", "9999989.70"),
    ]
    assert sums == {"资金流水总笔数": "2", "收入笔数": "0", "收入金额": "0.00", "支出笔数": "2", "支出金额": "10.30"}


def test_bill_is_there_from_ten_on_the_next_day_and_for_three_months(world: World, merchant: Merchant) -> None:
    day = noon(world)
    merchant.paid(world.user())
    assert refusal(merchant, f"{TRADES}{day}") == (400, "STATEMENT_CREATING")
    assert refusal(merchant, f"{TRADES}{day + timedelta(days=1)}") == (400, "INVALID_REQUEST")
    world.advance(hours=21, minutes=59)
    assert refusal(merchant, f"{TRADES}{day}") == (400, "STATEMENT_CREATING")
    assert refusal(merchant, f"{PAYOUTS}{day}") == (400, "STATEMENT_CREATING")
    world.advance(minutes=1)
    assert len(rows(merchant, f"{TRADES}{day}")[0]) == 1
    world.advance(days=89)
    assert len(rows(merchant, f"{TRADES}{day}")[0]) == 1
    world.advance(days=1)
    assert refusal(merchant, f"{TRADES}{day}") == (400, "INVALID_REQUEST")


def test_day_without_a_movement_has_no_bill(world: World, merchant: Merchant) -> None:
    day = noon(world)
    merchant.paid(world.user())
    next_morning(world)
    assert refusal(merchant, f"{PAYOUTS}{day}") == (400, "NO_STATEMENT_EXIST")
    assert refusal(merchant, f"{TRADES}{day - timedelta(days=1)}") == (400, "NO_STATEMENT_EXIST")


def test_refund_stands_under_the_day_of_its_acceptance_with_the_status_it_had_then(
    world: World, merchant: Merchant
) -> None:
    world.control("PUT", "/_knobs", {"refund_mode": "hold"})
    day = noon(world)
    merchant.paid(world.user())
    merchant.refund("REFUND1", 345)
    merchant.refund("REFUND2", 345)
    world.advance(hours=12)
    world.control("POST", "/_refunds/REFUND1/finish", {"status": "SUCCESS"})
    world.advance(hours=11)
    world.control("POST", "/_refunds/REFUND2/finish", {"status": "SUCCESS"})

    listed = {one["商户退款单号"]: one["退款状态"] for one in rows(merchant, f"{TRADES}{day}")[0]}

    assert listed == {"0": "", "REFUND1": "SUCCESS", "REFUND2": "PROCESSING"}
    world.advance(days=1)
    assert refusal(merchant, f"{TRADES}{day + timedelta(days=1)}") == (400, "NO_STATEMENT_EXIST")


def test_knobs_leave_out_change_and_add_rows(world: World, merchant: Merchant) -> None:
    day, openid = noon(world), world.user()
    merchant.paid(openid, "ORDER0001", 12_345)
    merchant.paid(openid, "ORDER0002", 100)
    merchant.refund("REFUND1", 345)
    merchant.transfer(openid, "BILL1")
    world.control("POST", "/_transfers/BILL1/confirm", {})
    added: list[dict[str, object]] = [
        {"bill_date": str(day), "kind": "payment", "reference": "FOREIGN1", "amount_fen": 1},
        {"bill_date": str(day), "kind": "refund", "reference": "FOREIGN2", "amount_fen": 2, "out_trade_no": "X1"},
        {"bill_date": str(day), "kind": "transfer", "reference": "FOREIGN3", "amount_fen": 3},
        {"bill_date": "2020-01-01", "kind": "payment", "reference": "FOREIGN4", "amount_fen": 4},
    ]
    world.control(
        "PUT",
        "/_knobs",
        {"bill_leave_out": ["ORDER0002", "BILL1"], "bill_amounts": {"REFUND1": 346}, "bill_add": added},
    )
    next_morning(world)

    listed, sums = rows(merchant, f"{TRADES}{day}")
    assert {(one["商户订单号"], one["商户退款单号"], one["订单金额"], one["申请退款金额"]) for one in listed} == {
        ("ORDER0001", "0", "123.45", "0.00"),
        ("ORDER0001", "REFUND1", "0.00", "3.46"),
        ("FOREIGN1", "0", "0.01", "0.00"),
        ("X1", "FOREIGN2", "0.00", "0.02"),
    }
    assert (sums["总交易单数"], sums["订单总金额"], sums["申请退款总金额"]) == ("4", "123.46", "3.48")
    moved, _ = rows(merchant, f"{PAYOUTS}{day}")
    assert [(one["业务凭证号"], one["收支金额(元)"]) for one in moved] == [("FOREIGN3", "0.03")]

    world.control("POST", "/_reset_knobs")
    assert len(rows(merchant, f"{TRADES}{day}")[0]) == 3


@pytest.mark.parametrize(
    "knobs",
    [
        {"bill_leave_out": [1]},
        {"bill_amounts": {"ORDER0001": 0}},
        {"bill_amounts": []},
        {"bill_add": [{"bill_date": "2026-02-30", "kind": "payment", "reference": "A", "amount_fen": 1}]},
        {"bill_add": [{"bill_date": "2026-02-03", "kind": "fee", "reference": "A", "amount_fen": 1}]},
        {"bill_add": [{"bill_date": "2026-02-03", "kind": "payment", "reference": "A`", "amount_fen": 1}]},
        {"bill_add": [{"bill_date": "2026-02-03", "kind": "refund", "reference": "A", "amount_fen": 1}]},
        {"bill_add": [{"bill_date": "2026-02-03", "kind": "payment", "reference": "A", "amount_fen": 1, "x": 1}]},
    ],
)
def test_knobs_that_make_no_row_are_refused(world: World, knobs: dict[str, object]) -> None:
    assert world.call("PUT", "/_knobs", knobs)[0] == 400
    assert world.control("GET", "/_knobs")["bill_add"] == []


@pytest.mark.parametrize(
    "path",
    [
        "/v3/bill/tradebill?bill_type=ALL",
        f"{TRADES}20260301",
        f"{TRADES}2026-02-30",
        f"{TRADES}2026-03-01&tar_type=GZIP",
        "/v3/bill/tradebill?bill_date=2026-03-01&bill_type=REFUND",
        "/v3/bill/fundflowbill?bill_date=2026-03-01&account_type=BASIC",
        "/v3/bill/fundflowbill?bill_date=2026-03-01",
    ],
)
def test_bill_that_the_sandbox_does_not_make_is_refused(merchant: Merchant, path: str) -> None:
    assert refusal(merchant, path) == (400, "PARAM_ERROR")


def test_download_wants_the_merchants_signature_and_bears_none_itself(world: World, merchant: Merchant) -> None:
    day = noon(world)
    merchant.paid(world.user())
    next_morning(world)
    url = ask(merchant, f"{TRADES}{day}")[1]["download_url"]
    assert url.startswith(f"{world.url}/v3/billdownload/file?token=")
    unsigned = requests.get(url, timeout=10)
    assert (unsigned.status_code, unsigned.json()["code"]) == (401, "SIGN_ERROR")
    status, content = merchant.library._core.request(url.removeprefix(world.url), RequestType.GET, skip_verify=True)
    assert (status, type(content)) == (200, bytes)
    with pytest.raises(Exception, match="does not support this algorithm"):
        merchant.library._core.request(url.removeprefix(world.url))


def test_download_address_ends_after_five_minutes_of_wall_time(world: World, merchant: Merchant) -> None:
    day = noon(world)
    merchant.paid(world.user())
    next_morning(world)
    ticket = ask(merchant, f"{TRADES}{day}")[1]
    world.advance(hours=1)
    download(merchant, ticket)
    files, token = world.sandbox.state.bill_files, ticket["download_url"].partition("token=")[2]
    now = datetime.now(UTC)
    assert timedelta(minutes=4) < files[token].expires_at - now <= timedelta(minutes=5)
    files[token] = replace(files[token], expires_at=now)
    status, content = merchant.library.download_bill(ticket["download_url"])
    assert (status, json.loads(content)["code"]) == (400, "INVALID_REQUEST")


def test_bills_fail_as_the_knobs_have_it(world: World, merchant: Merchant) -> None:
    day = noon(world)
    merchant.paid(world.user())
    next_morning(world)
    fault = {"path_prefix": "/v3/billdownload/", "status": 500, "code": "SYSTEM_ERROR"}
    world.control("PUT", "/_knobs", {"fail_next": [fault]})
    url = ask(merchant, f"{TRADES}{day}")[1]["download_url"]
    assert merchant.library.download_bill(url)[0] == 500
    assert merchant.library.download_bill(url)[0] == 200
