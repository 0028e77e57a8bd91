"""Refunds: parts sum to what was asked, and no sequence of refunds takes more of a line than was paid (M15)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from fenxiao.order.allocation import by_amount, by_line, whole
from fenxiao.order.course import pending, refunded, released
from fenxiao.order.errors import RefundTooLargeError
from fenxiao.order.model import Order, OrderLine, RefundStatus
from tests.support.world import line, paid_order, refund

fens = st.integers(0, 100_000)
paid_lines = st.lists(st.integers(1, 100_000), min_size=1, max_size=6)


@st.composite
def used_lines(draw: st.DrawFn) -> list[OrderLine]:
    """Lines of which a part is refunded and a part is set aside."""
    lines = []
    for paid_fen in draw(paid_lines):
        refunded_fen = draw(st.integers(0, paid_fen))
        lines.append(
            replace(
                line(paid_fen),
                refunded_fen=refunded_fen,
                refund_pending_fen=draw(st.integers(0, paid_fen - refunded_fen)),
            )
        )
    return lines


@pytest.mark.rule("M15")
@given(used_lines(), fens)
def test_an_amount_is_spread_to_the_fen_and_never_above_what_is_left(lines: list[OrderLine], amount_fen: int) -> None:
    left = [one.refundable_fen for one in lines]
    if amount_fen > sum(left):
        with pytest.raises(RefundTooLargeError):
            by_amount(lines, amount_fen)
        return

    parts = by_amount(lines, amount_fen)

    assert sum(parts) == amount_fen
    assert all(0 <= part <= fen for part, fen in zip(parts, left, strict=True))
    for part, fen in zip(parts, left, strict=True):
        assert abs(part * sum(left) - amount_fen * fen) < max(sum(left), 1)


@given(used_lines(), st.dictionaries(st.integers(0, 5), st.integers(1, 100_000), min_size=1))
def test_amounts_by_line_stay_where_they_were_put(lines: list[OrderLine], amounts: dict[int, int]) -> None:
    amounts = {i: fen for i, fen in amounts.items() if i < len(lines)}
    if any(fen > lines[i].refundable_fen for i, fen in amounts.items()):
        with pytest.raises(RefundTooLargeError):
            by_line(lines, amounts)
    else:
        assert {i: fen for i, fen in enumerate(by_line(lines, amounts)) if fen} == amounts


steps = st.lists(st.tuples(st.sampled_from(["ask", "all", "succeed", "fail"]), st.integers(1, 50_000)), max_size=20)


@given(paid_lines, steps)
def test_no_course_of_refunds_takes_more_than_was_paid(paid_fens: list[int], course: list[tuple[str, int]]) -> None:
    order: Order = paid_order(*paid_fens)
    open_refunds = []
    succeeded_fen = 0
    for step, number in course:
        if step in {"ask", "all"}:
            try:
                parts = by_amount(order.lines, number) if step == "ask" else whole(order.lines)
            except RefundTooLargeError:
                continue
            asked = refund(order, *parts, status=RefundStatus.PENDING)
            order = pending(order, asked)
            open_refunds.append(asked)
        elif open_refunds:
            ended = open_refunds.pop(number % len(open_refunds))
            order = (refunded if step == "succeed" else released)(order, ended)
            succeeded_fen += ended.amount_fen if step == "succeed" else 0

    assert sum(one.refunded_fen for one in order.lines) == succeeded_fen
    assert sum(one.refund_pending_fen for one in order.lines) == sum(one.amount_fen for one in open_refunds)
    assert order.refundable_fen + succeeded_fen + sum(one.amount_fen for one in open_refunds) == sum(paid_fens)
    assert all(one.refundable_fen >= 0 for one in order.lines)
