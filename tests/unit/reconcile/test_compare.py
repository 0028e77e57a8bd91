from collections.abc import Callable
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from fenxiao.reconcile.compare import absent, compare, tally
from fenxiao.reconcile.model import Billed, Course, Finding, Key, Own, Subject, Sums, Tally

DAY = date(2026, 3, 1)
YESTERDAY, TOMORROW = DAY - timedelta(days=1), DAY + timedelta(days=1)
DONE = frozenset({Course.DONE})


def own(subject: Subject = Subject.PAYMENT, reference: str = "T1", amount_fen: int = 1000) -> Own:
    number = f"4200-{reference}" if subject is Subject.PAYMENT else ""
    return Own(
        subject=subject,
        reference=reference,
        number=number,
        amount_fen=amount_fen,
        course=Course.DONE,
        since=DAY,
        done_on=DAY,
    )


def billed(one: Own) -> Billed:
    return Billed(
        subject=one.subject,
        reference=one.reference,
        number=one.number,
        amount_fen=one.amount_fen,
        state="SUCCESS",
        fits=DONE,
    )


def keyed(*ones: Own) -> dict[Key, Own]:
    return {one.key: one for one in ones}


def findings(rows: list[Billed], ours: dict[Key, Own], earlier: set[Key] = set()) -> list[tuple[Finding, Key]]:  # noqa: B006
    return [(one.finding, one.key) for one in compare(DAY, rows, ours, earlier)]


DAYS = st.dictionaries(
    st.tuples(st.sampled_from(Subject), st.text("ABC123", min_size=1, max_size=4)),
    st.integers(1, 10**9),
    max_size=20,
).map(lambda found: [own(subject, reference, fen) for (subject, reference), fen in found.items()])


@given(ones=DAYS)
def test_day_on_which_both_sides_say_the_same_has_no_difference(ones: list[Own]) -> None:
    rows = [billed(one) for one in ones]
    assert compare(DAY, rows, keyed(*ones)) == []
    for subject in Subject:
        both = tally(DAY, subject, rows, keyed(*ones))
        assert both.wechat == both.ours


SPOILERS: dict[Finding, Callable[[Billed, Own], tuple[Billed | None, Own | None]]] = {
    Finding.MISSING: lambda _row, one: (None, one),
    Finding.UNKNOWN: lambda row, _one: (row, None),
    Finding.AMOUNT: lambda row, one: (replace(row, amount_fen=row.amount_fen + 1), one),
    Finding.STATE: lambda row, one: (row, replace(one, course=Course.VOID, done_on=None)),
}


@given(ones=DAYS.filter(bool), data=st.data(), finding=st.sampled_from(Finding))
def test_whatever_is_spoiled_is_the_one_difference_that_is_found(
    ones: list[Own], data: st.DataObject, finding: Finding
) -> None:
    spoiled = data.draw(st.sampled_from(ones))
    pairs = [SPOILERS[finding](billed(one), one) if one is spoiled else (billed(one), one) for one in ones]
    rows = [row for row, _ in pairs if row]
    assert findings(rows, keyed(*(one for _, one in pairs if one))) == [(finding, spoiled.key)]


def test_one_row_is_one_difference_however_much_differs() -> None:
    one = own()
    row = replace(billed(one), amount_fen=1)
    assert findings([row], keyed(replace(one, course=Course.NOT_BEGUN, done_on=None))) == [(Finding.AMOUNT, one.key)]


def test_second_row_under_one_number_is_money_that_we_know_nothing_of() -> None:
    one = own()
    assert findings([billed(one), billed(one)], keyed(one)) == [(Finding.UNKNOWN, one.key)]


@pytest.mark.parametrize("ours_first", [True, False])
def test_second_payment_of_an_order_is_unknown_and_the_first_is_not(*, ours_first: bool) -> None:
    one = own()
    rows = [billed(one), replace(billed(one), number="4200-other")]
    (difference,) = compare(DAY, rows if ours_first else rows[::-1], keyed(one))
    assert (difference.finding, difference.billed) == (Finding.UNKNOWN, rows[1])


def test_same_reference_of_another_subject_is_another_thing() -> None:
    payment, refund = own(Subject.PAYMENT, "X1"), own(Subject.REFUND, "X1")
    assert findings([billed(payment)], keyed(refund)) == [
        (Finding.UNKNOWN, payment.key),
        (Finding.MISSING, refund.key),
    ]


@pytest.mark.parametrize("day", [YESTERDAY, TOMORROW])
def test_what_succeeded_on_another_day_is_not_missing_on_this_one(day: date) -> None:
    assert findings([], keyed(replace(own(), done_on=day))) == []


@pytest.mark.parametrize("day", [YESTERDAY, DAY, TOMORROW])
def test_row_is_compared_with_our_record_whatever_day_that_has(day: date) -> None:
    one = replace(own(Subject.REFUND, "T1/R1"), done_on=day)
    assert findings([billed(one)], keyed(one)) == []


def test_what_stands_in_an_earlier_bill_is_not_missing() -> None:
    one = replace(own(Subject.REFUND, "T1/R1"), since=YESTERDAY)
    assert absent(DAY, [], keyed(one)) == [one]
    assert findings([], keyed(one)) == [(Finding.MISSING, one.key)]
    assert findings([], keyed(one), {one.key}) == []


def test_sums_are_those_of_the_bill_and_of_what_succeeded_on_the_day() -> None:
    here, there = own(amount_fen=700), replace(own(reference="T2", amount_fen=50), done_on=YESTERDAY)
    rows = [billed(here), billed(there), billed(own(Subject.REFUND, "T1/R1", 9))]
    assert tally(DAY, Subject.PAYMENT, rows, keyed(here, there)) == Tally(wechat=Sums(2, 750), ours=Sums(1, 700))
    assert tally(DAY, Subject.TRANSFER, rows, keyed(here, there)) == Tally(wechat=Sums(), ours=Sums())
