from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fenxiao.wechat.bill_text import read_fund_flow_bill, read_trade_bill
from fenxiao.wechat.errors import BillMalformedError
from fenxiao.wechat.facts import AccountMove, BilledPayment, BilledRefund, TradeBill
from tests.unit.wechat.bill_texts import (
    DAY,
    FLOW_HEADER,
    TRADE_HEADER,
    TRADE_SUMS,
    Flow,
    Trade,
    flow_bill,
    refund_row,
    trade_bill,
)

OURS = Trade()
PAYMENT = BilledPayment(out_trade_no="T1", transaction_id="4200001", state="SUCCESS", amount_fen=1234)
MOVE = AccountMove(business="商家转账", voucher="W1", out_fen=850)


def trades(content: bytes) -> TradeBill:
    return read_trade_bill(content, DAY, OURS.appid, OURS.mchid)


def moves(content: bytes) -> tuple[AccountMove, ...]:
    return read_fund_flow_bill(content, DAY).moves


def test_payments_and_refunds_are_read() -> None:
    bill = trades(trade_bill(OURS, refund_row(), refund_row(refund="R2", status="PROCESSING"), refunded="4.00"))
    assert bill.payments == (PAYMENT,)
    assert bill.refunds == (
        BilledRefund(out_trade_no="T1", out_refund_no="R1", status="SUCCESS", amount_fen=200),
        BilledRefund(out_trade_no="T1", out_refund_no="R2", status="PROCESSING", amount_fen=200),
    )


def test_movements_are_read_with_their_direction() -> None:
    back = Flow(voucher="W2", amount="3.00", direction="收入")
    nameless = Flow(voucher="", amount="1", number="FLOW3", business="手续费")
    assert moves(flow_bill(Flow(), back, nameless, incoming="3.00", outgoing="9.50")) == (
        MOVE,
        AccountMove(business="商家转账", voucher="W2", out_fen=-300),
        AccountMove(business="手续费", voucher="FLOW3", out_fen=100),
    )


@pytest.mark.parametrize("title", ["a,b", "a,`b", "`,`0.00,`0.60%,`99.00,`0.00,`", "`", ",`" * 30, "a\u2028b", "=1+1"])
def test_product_title_can_forge_no_column(title: str) -> None:
    assert trades(trade_bill(replace(OURS, title=title))).payments == (PAYMENT,)
    assert moves(flow_bill(Flow(remark=title))) == (MOVE,)


def test_trades_of_the_merchants_other_apps_are_left_out_but_counted() -> None:
    other = replace(OURS, appid="wxffffffffffffffff", number="X1", paid="1.00")
    assert trades(trade_bill(OURS, other, paid="13.34")).payments == (PAYMENT,)


def test_refund_of_an_older_payment_may_bear_that_ones_time() -> None:
    assert trades(trade_bill(replace(refund_row(), at="2026-02-01 12:00:00"), paid="0.00", refunded="2.00")).refunds


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\r\n", "\n"),
        lambda text: text.removesuffix("\r\n"),
        lambda text: text.removeprefix("\ufeff"),
        lambda text: text.replace("`1,`12.34,`0.00,`0.00", "`1.0,`12.34,`0.00,`0.00"),
    ],
)
def test_forms_that_occur_are_taken(change: object) -> None:
    assert callable(change)
    assert trades(change(trade_bill(OURS).decode()).encode()).payments == (PAYMENT,)


def test_full_width_brackets_of_older_headers_are_taken() -> None:
    assert moves(flow_bill(Flow()).decode().replace("(元)", "（元）").encode()) == (MOVE,)


@given(fen=st.integers(0, 10**14 - 1))
def test_yuan_become_the_same_fen(fen: int) -> None:
    yuan = f"{fen // 100}.{fen % 100:02d}"
    (payment,) = trades(trade_bill(replace(OURS, paid=yuan), paid=yuan)).payments
    assert payment.amount_fen == fen


@pytest.mark.parametrize(("yuan", "fen"), [("0", 0), ("0.0", 0), ("7", 700), ("7.5", 750), ("007.05", 705)])
def test_shorter_forms_of_yuan_are_exact(yuan: str, fen: int) -> None:
    (payment,) = trades(trade_bill(replace(OURS, paid=yuan), paid=yuan)).payments
    assert payment.amount_fen == fen


@pytest.mark.parametrize(
    "yuan", ["", "-1.00", "+1.00", "1.", ".5", "1.234", "1e2", "1,00", "NaN", "０.５", "1.0 ", "1" * 13, "1.0\u0660"]
)
def test_amount_of_any_other_form_is_refused(yuan: str) -> None:
    with pytest.raises(BillMalformedError):
        trades(trade_bill(replace(OURS, paid=yuan), paid="0.00"))
    with pytest.raises(BillMalformedError):
        moves(flow_bill(Flow(amount=yuan), outgoing="0.00"))


@pytest.mark.parametrize(
    "row",
    [
        replace(OURS, mchid="1900000110"),
        replace(OURS, currency="USD"),
        replace(OURS, at="2026-03-02 00:00:00"),
        replace(OURS, at=""),
        replace(OURS, number=""),
        replace(OURS, number="T" * 65),
        replace(OURS, number="T/1"),
        replace(OURS, transaction_id=""),
        replace(OURS, state=""),
        replace(OURS, state="success"),
        replace(refund_row(), paid="12.34", refunded="0.00", refund=""),
        replace(refund_row(), paid="12.34", refunded="0.00", status=""),
    ],
)
def test_row_of_another_form_is_refused(row: Trade) -> None:
    with pytest.raises(BillMalformedError) as caught:
        trades(trade_bill(row))
    assert caught.value.line == 2


@pytest.mark.parametrize(
    "row",
    [
        Flow(direction="转出"),
        Flow(at="2026-02-28 23:59:59"),
        Flow(voucher="W" * 129),
        Flow(voucher="a\tb"),
        Flow(voucher="", number=""),
        Flow(business=""),
    ],
)
def test_movement_of_another_form_is_refused(row: Flow) -> None:
    with pytest.raises(BillMalformedError) as caught:
        moves(flow_bill(row))
    assert caught.value.line == 2


@pytest.mark.parametrize(
    "content",
    [
        trade_bill(OURS, paid="12.35"),
        trade_bill(OURS, refunded="0.01"),
        trade_bill(OURS).replace(b"\r\n`1,", b"\r\n`2,"),
        trade_bill(OURS, OURS),
    ],
)
def test_sums_that_are_not_those_of_the_rows_are_refused(content: bytes) -> None:
    with pytest.raises(BillMalformedError):
        trades(content)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"{}",
        TRADE_HEADER.encode(),
        f"{TRADE_HEADER}\n{TRADE_SUMS}\n".encode(),
        flow_bill(Flow()),
        trade_bill(OURS).replace("费率备注".encode(), b"x", 1),
        trade_bill(OURS).replace("手续费总金额".encode(), b"x"),
        trade_bill(OURS)[:-20],
        trade_bill(OURS).replace(b"\r\n`2026", b"\r\n\r\n`2026"),
        trade_bill(OURS).replace(b"`2026", b"2026"),
        trade_bill(OURS).replace(b",`CNY", b""),
        trade_bill(replace(OURS, title="a\nb")),
        FLOW_HEADER.encode() + b"\n`1\n`2",
    ],
)
def test_text_that_is_no_such_bill_is_refused(content: bytes) -> None:
    with pytest.raises(BillMalformedError):
        trades(content)


def test_bill_of_another_day_is_refused() -> None:
    tomorrow = DAY + timedelta(days=1)
    with pytest.raises(BillMalformedError):
        read_trade_bill(trade_bill(OURS), tomorrow, OURS.appid, OURS.mchid)
    with pytest.raises(BillMalformedError):
        read_fund_flow_bill(flow_bill(Flow()), tomorrow)


@given(content=st.binary(max_size=200) | st.text(max_size=200).map(lambda text: TRADE_HEADER.encode() + text.encode()))
def test_whatever_comes_is_read_or_refused(content: bytes) -> None:
    with pytest.raises(BillMalformedError):
        trades(content)


def test_refusal_repeats_nothing_of_the_bill() -> None:
    with pytest.raises(BillMalformedError) as caught:
        trades(trade_bill(replace(OURS, number="秘密")))
    assert "秘密" not in str(caught.value)
