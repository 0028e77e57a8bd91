"""Any refunds, in any order, around any settlement, end at the commission of the order bought without them (M2, M5)."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from fenxiao.commission.plan import Settlement
from fenxiao.commission.rules import RuleSet
from fenxiao.commission.split import split
from fenxiao.ledger.model import Bucket, Platform
from fenxiao.order.model import Order, Refund
from tests.support.world import NOW, Books, line, paid_order, refund, rule_set

rates = st.lists(st.integers(0, 3000), max_size=3).map(tuple)


@st.composite
def orders(draw: st.DrawFn) -> Order:
    paid = draw(st.lists(st.integers(1, 200_000), min_size=1, max_size=5))
    categories = [draw(st.sampled_from(["tea", "ware", "freight"])) for _ in paid]
    chain = ("C", "B", "A")[: draw(st.integers(0, 3))]
    return paid_order(lines=[line(fen, name) for fen, name in zip(paid, categories, strict=True)], chain=chain)


@st.composite
def rule_sets(draw: st.DrawFn) -> RuleSet:
    return rule_set(base_bps=draw(rates), category_bps={"ware": draw(rates)}, cap_bps=draw(st.integers(1, 5000)))


@st.composite
def refund_sequences(draw: st.DrawFn, order: Order) -> list[Refund]:
    left = [one.paid_fen for one in order.lines]
    refunds = []
    for number in range(draw(st.integers(0, 6))):
        taken = [draw(st.integers(0, fen)) for fen in left]
        left = [fen - part for fen, part in zip(left, taken, strict=True)]
        refunds.append(refund(order, *taken, refund_id=f"R{number}"))
    return refunds


@given(data=st.data(), order=orders(), rules=rule_sets())
def test_any_sequence_of_refunds_equals_the_order_bought_without_them(
    data: st.DataObject, order: Order, rules: RuleSet
) -> None:
    refunds = data.draw(refund_sequences(order))
    settle_after = data.draw(st.integers(0, len(refunds)))
    drawn = data.draw(st.booleans())
    books = Books()
    known: list[Refund] = []
    for number, one in enumerate([None, *refunds]):
        known += [one] if one else []
        # Notifications come in any order and more than once: what is known is handed over shuffled, repeatedly.
        books.follow(order, data.draw(st.permutations(known)), rules)
        if number == settle_after:
            books.follow(order, known, rules, Settlement(NOW))
            for member_id in split(order, _left(order, known), rules) if drawn else ():
                books.draw(member_id, books.wallet(member_id).available_fen)
    _assert_ends_right(books, order, known, rules)


def _left(order: Order, refunds: list[Refund]) -> list[int]:
    return [one.paid_fen - sum(refund.line_fens[i] for refund in refunds) for i, one in enumerate(order.lines)]


def _assert_ends_right(books: Books, order: Order, refunds: list[Refund], rules: RuleSet) -> None:
    target = split(order, _left(order, refunds), rules)
    journals = books.journals["order#T1"]
    assert all(sum(posting.amount_fen for posting in journal.postings) == 0 for journal in journals)
    for member_id in ("A", "B", "C"):
        postings = [one for journal in journals for one in journal.postings if one.member_id == member_id]
        assert sum(one.amount_fen for one in postings) == target.get(member_id, 0)
        assert sum(one.amount_fen for one in postings if one.account == Bucket.HELD) == 0
        wallet = books.wallet(member_id)
        assert min(wallet.held_fen, wallet.available_fen, wallet.reserved_fen, wallet.debt_fen) >= 0
        assert wallet.available_fen == 0 or wallet.debt_fen == 0
    expense = sum(
        one.amount_fen for journal in journals for one in journal.postings if one.account == Platform.COMMISSION_EXPENSE
    )
    assert -expense == sum(target.values())


@given(order=orders(), rules=rule_sets())
def test_commission_of_a_line_stays_under_its_cap_and_within_a_fen_of_each_rate(order: Order, rules: RuleSet) -> None:
    for i, one in enumerate(order.lines):
        alone = [fen.paid_fen if j == i else 0 for j, fen in enumerate(order.lines)]
        shares = split(order, alone, rules)
        assert sum(shares.values()) * 10_000 <= one.paid_fen * rules.cap_bps
        if sum(rules.rates(one)) <= rules.cap_bps:
            for upline, rate in zip(order.chain, rules.rates(one), strict=False):
                exact = one.paid_fen * rate
                assert exact - 10_000 < shares.get(upline.member_id, 0) * 10_000 <= exact


@given(data=st.data(), order=orders(), rules=rule_sets())
def test_refunding_one_line_never_changes_what_another_earned(
    data: st.DataObject, order: Order, rules: RuleSet
) -> None:
    i = data.draw(st.integers(0, len(order.lines) - 1))
    full = [one.paid_fen for one in order.lines]
    without = [0 if j == i else fen for j, fen in enumerate(full)]
    only = [fen if j == i else 0 for j, fen in enumerate(full)]
    whole, rest, part = split(order, full, rules), split(order, without, rules), split(order, only, rules)
    assert whole == {member: rest.get(member, 0) + part.get(member, 0) for member in whole}


@given(order=orders(), rules=rule_sets(), max_levels=st.integers(1, 3))
def test_a_lowered_number_of_levels_only_takes_the_upper_ones_away(
    order: Order, rules: RuleSet, max_levels: int
) -> None:
    uncapped = replace(rules, cap_bps=10_000)
    full = [one.paid_fen for one in order.lines]
    lowered = split(replace(order, max_levels=max_levels), full, uncapped)
    allowed = {upline.member_id for upline in order.chain[:max_levels]}
    assert lowered == {member: fen for member, fen in split(order, full, uncapped).items() if member in allowed}
