"""Whatever happens to orders, in whatever order: the books end at what is left of them (M1 to M5, M16, M17)."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import add

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from fenxiao.commission.plan import Settlement, collection_of
from fenxiao.commission.rules import RuleSet, SelfPurchase
from fenxiao.commission.sale import left_of, sale_of
from fenxiao.commission.split import rulebook, split
from fenxiao.ledger.model import Bucket, Entry, Journal, Movement, Platform, TaxClass, Wallet, WalletKey
from fenxiao.money import allocate_fen
from fenxiao.order.model import Denial, Order, Refund
from fenxiao.relation.model import Standing, Tier
from tests.support.world import NOW, Books, line, paid_order, refund, rule_set, shares

# Usual values come often, so that histories reach debts and releases; all others come too.
rates = st.sampled_from([(1000, 500, 200), (3000, 2000, 1000), (250,), ()]) | st.lists(
    st.integers(0, 3000), max_size=3
).map(tuple)
paid_fens = st.sampled_from([10_000, 33_333, 199_999, 1]) | st.integers(1, 200_000) | st.integers(1, 300)
thoroughly = settings(max_examples=4 * settings().max_examples)
"""The algebra is what everything else stands on: 20 000 examples of each of its properties in the thorough profile."""
portions = st.sampled_from([0, 1, 250, 500, 999, 1000, 1000]) | st.integers(0, 1000)
"""Thousandths of what there is."""
PEOPLE = ("A", "B", "C", "D")
RESERVE, END, WRITE_OFF = 5, 6, 7
KEYS = [WalletKey(member_id, tax_class) for member_id in PEOPLE for tax_class in TaxClass]


@st.composite
def orders(draw: st.DrawFn, order_id: str = "T1") -> Order:
    """An order of D under C under B under A, of whom some are no promoters."""
    paid = draw(st.lists(paid_fens, min_size=1, max_size=4))
    categories = st.sampled_from(["tea", "tea", "tea", "ware", "ware", "freight", "card"])
    lines = [line(fen, name, is_virtual=name == "card") for fen, name in ((fen, draw(categories)) for fen in paid)]
    chain = ("C", "B", "A")[: draw(st.sampled_from([3, 3, 3, 2, 1, 0]))]
    standing = st.sampled_from([*[Standing.PROMOTER] * 6, Standing.SUSPENDED, Standing.SHOPPER])
    return paid_order(
        lines=lines,
        chain=chain,
        order_id=order_id,
        buyer_standing=draw(standing),
        standings={member_id: draw(standing) for member_id in chain},
        tiers={member_id: draw(st.sampled_from(Tier)) for member_id in ("D", *chain)},
        first_order=draw(st.booleans()),
    )


@st.composite
def rule_sets(draw: st.DrawFn) -> RuleSet:
    return rule_set(
        base_bps=draw(rates),
        category_bps={"ware": draw(rates)},
        tier_bps={Tier.GOLD: draw(rates)},
        cap_bps=draw(st.sampled_from([5000, 2000, 300]) | st.integers(1, 5000)),
        cashback_bps=draw(st.sampled_from([0, 1, 777, 3000])),
        min_order_fen=draw(st.sampled_from([0, 0, 0, 1, 5_000, 150_000])),
        self_purchase=draw(st.sampled_from(SelfPurchase)),
    )


@st.composite
def refunds_of(draw: st.DrawFn, order: Order) -> list[Refund]:
    """Refunds one after the other, each by line or by amount, the last perhaps of all that is left."""
    left = [one.paid_fen for one in order.lines]
    refunds = []
    for number in range(draw(st.sampled_from([0, 1, 2, 3, 5]))):
        if draw(st.booleans()):
            taken = [fen * draw(portions) // 1000 for fen in left]
        else:
            taken = allocate_fen(sum(left) * draw(portions) // 1000, left)
        left = [fen - part for fen, part in zip(left, taken, strict=True)]
        refunds.append(refund(order, *taken, refund_id=f"R{number}"))
    return refunds


@dataclass
class Story:
    """An order and what happens to it: which refunds, whether a case rejects its commissions."""

    order: Order
    refunds: list[Refund]
    denied: bool
    known: list[Refund] = field(default_factory=list)
    """The refunds of which WeChat has told so far."""

    def tell(self, turn: int) -> None:
        """WeChat tells of one more refund, in any order."""
        unknown = [one for one in self.refunds if one not in self.known]
        if unknown:
            self.known.append(unknown[turn % len(unknown)])

    def deny(self) -> None:
        if self.denied:
            self.order = replace(self.order, denial=self.order.denial or Denial(case_id="C1", at=NOW))

    def target(self, rules: RuleSet) -> dict[WalletKey, int]:
        """What an order that was bought without what was refunded earns; nothing if a case said so."""
        left = left_of(self.order, self.refunds)
        lines = [replace(one, paid_fen=fen) for one, fen in zip(self.order.lines, left, strict=True)]
        without = replace(self.order, lines=tuple(lines))
        return {} if self.denied else split(sale_of(without), left, rules)


@st.composite
def stories(draw: st.DrawFn, order_id: str) -> Story:
    order = draw(orders(order_id))
    return Story(order, draw(refunds_of(order)), denied=draw(st.sampled_from([False, False, False, True])))


class World:
    """The books, in which two orders of the same people and their withdrawals happen step by step."""

    def __init__(self, stories: Sequence[Story], rules: RuleSet) -> None:
        self.books = Books()
        self.stories = stories
        self.rules = rules
        self.withdrawals: list[tuple[str, WalletKey, int]] = []
        self.ended = 0
        self.write_offs = 0

    def step(self, kind: int, which: int, portion: int) -> None:
        """One thing happens; `which` order or wallet, and a portion that also stands for whatever else is free."""
        if kind >= RESERVE:
            self.draw(kind, which, portion)
            return
        story = self.stories[which % len(self.stories)]
        reserved = {key: self.books.wallet(*_of(key)).reserved_fen for key in KEYS}
        match kind:
            case 0:
                story.tell(portion)
                self.follow(story, portion)
            case 1:
                story.tell(portion)  # and the ledger hears of it with what comes next
            case 2:
                self.follow(story, portion)
            case 3:
                suspended = frozenset(name for bit, name in enumerate(PEOPLE) if portion % 7 >> bit & 1)
                self.follow(story, portion, Settlement(NOW, suspended))
            case _:
                story.deny()
                self.follow(story, portion)
        assert reserved == {key: self.books.wallet(*_of(key)).reserved_fen for key in KEYS}, "M5"

    def draw(self, kind: int, which: int, portion: int) -> None:
        """A withdrawal is asked for or ends, or debts are written off."""
        wallets = {key: self.books.wallet(*_of(key)) for key in KEYS}
        if kind == RESERVE:
            full = [key for key, wallet in wallets.items() if wallet.available_fen]
            for key in full[which % 3 :][:1]:
                self.reserve(key, wallets[key].available_fen * portion // 1000)
        elif kind == END:
            self.end(paid=portion % 2 == 0)
        else:
            for key, wallet in wallets.items():
                self.forgive(key, wallet.debt_fen * portion // 1000)

    def finish(self) -> None:
        """Everything that is still to come."""
        for story in self.stories:
            for _ in story.refunds:
                story.tell(0)
            story.deny()
            self.follow(story, 0, Settlement(NOW))
            self.follow(story, 0, Settlement(NOW))  # whom a settlement before withheld
        while self.ended < len(self.withdrawals):
            self.end(paid=True)

    def follow(self, story: Story, turn: int, settlement: Settlement | None = None) -> None:
        """What is known is handed over in any order, and again and again."""
        cut = turn % (len(story.known) + 1)
        self.books.follow(story.order, [*story.known[cut:], *story.known[:cut]], self.rules, settlement)

    def reserve(self, key: WalletKey, fen: int) -> None:
        number = len(self.withdrawals)
        self.withdrawals.append((f"withdrawal#{number}", key, fen))
        self.post(f"withdrawal#{number}", 0, Movement(wallet=key, free_fen=-fen, reserved_fen=fen))

    def end(self, *, paid: bool) -> None:
        if self.ended == len(self.withdrawals):
            return
        name, key, fen = self.withdrawals[self.ended]
        self.ended += 1
        if paid:
            self.post(name, 1, Movement(wallet=key, reserved_fen=-fen), Platform.PAID_OUT)
        else:
            self.post(name, 1, Movement(wallet=key, reserved_fen=-fen, free_fen=fen))

    def forgive(self, key: WalletKey, fen: int) -> None:
        self.write_offs += 1
        self.post(f"writeoff#{self.write_offs}", 0, Movement(wallet=key, forgiven_fen=fen), Platform.WRITTEN_OFF)

    def post(self, name: str, number: int, move: Movement, account: Platform | None = None) -> None:
        platform = {account: -move.sum_fen} if account else {}
        self.books.post(
            Entry(collection=name, number=number, event="e", cause={}, at=NOW, movements=(move,), platform=platform)
        )

    # --- what must hold

    def check_always(self) -> None:
        """Wallets are the fold of the journals and obey M4; no order holds or has given less than nothing."""
        for key in KEYS:
            wallet = self.books.wallet(*_of(key))
            assert min(wallet.held_fen, wallet.available_fen, wallet.reserved_fen, wallet.debt_fen) >= 0
            assert wallet.available_fen == 0 or wallet.debt_fen == 0
        assert {key: self.books.wallet(*_of(key)) for key in KEYS} == folded(
            [journal for journals in self.books.journals.values() for journal in journals]
        )
        for story in self.stories:
            sums = sums_of(self.books.collection(collection_of(story.order.order_id)))
            for key in KEYS:
                assert sums[key, Bucket.HELD] >= 0
                assert sum(sums[key, bucket] for bucket in Bucket) >= 0

    def check_end(self) -> None:
        """Each order has given what it should, holds nothing, and costs what it gave, by kind of expense."""
        for story in self.stories:
            journals = self.books.collection(collection_of(story.order.order_id))
            events = [journal.event for journal in journals]
            assert events[0] == "earn"
            assert len(set(events)) == len(events)
            assert sum(journal.sale_fen for journal in journals) == sum(left_of(story.order, story.refunds))
            sums, target = sums_of(journals), story.target(self.rules)
            for key in KEYS:
                assert sum(sums[key, bucket] for bucket in Bucket) == target.get(key, 0)
                assert sums[key, Bucket.HELD] == sums[key, Bucket.RESERVED] == 0
            costs = Counter[str]()
            for key, fen in target.items():
                rebate = key.tax_class is TaxClass.REBATE
                costs[Platform.CAMPAIGN_EXPENSE if rebate else Platform.COMMISSION_EXPENSE] += fen
            assert {str(account): -sums[None, account] for account in Platform if sums[None, account]} == dict(+costs)


def _of(key: WalletKey) -> tuple[str, TaxClass]:
    return key.member_id, key.tax_class


def sums_of(journals: Sequence[Journal]) -> Counter[tuple[WalletKey | None, str]]:
    """The sums of a collection's postings; each journal sums to zero."""
    sums = Counter[tuple[WalletKey | None, str]]()
    for journal in journals:
        assert sum(posting.amount_fen for posting in journal.postings) == 0
        for one in journal.postings:
            key = WalletKey(one.member_id, TaxClass(one.tax_class)) if one.member_id else None
            sums[key, one.account] += one.amount_fen
    return sums


def folded(journals: Sequence[Journal]) -> dict[WalletKey, Wallet]:
    sums = sums_of(journals)
    return {
        key: Wallet(
            sums[key, Bucket.HELD], sums[key, Bucket.AVAILABLE], sums[key, Bucket.RESERVED], -sums[key, Bucket.DEBT]
        )
        for key in KEYS
    }


SETTLED = [(3, 0, 0), (3, 1, 0)]
WITHDRAWN = [*SETTLED, *[(RESERVE, 0, 1000)] * 4, *[(END, 0, 0)] * 2]
KINDS = (0, 0, 0, 1, 2, 3, 3, 4, RESERVE, RESERVE, END, END, WRITE_OFF)
steps = st.builds(
    add,
    st.sampled_from([WITHDRAWN, SETTLED, []]),
    st.lists(st.tuples(st.sampled_from(KINDS), st.sampled_from(range(8)), portions), min_size=6, max_size=24),
)


@pytest.mark.rule("M1", "M2", "M4", "M5", "M9", "M13", "M14", "M15", "M16", "M17")
@thoroughly
@given(stories=st.tuples(stories("T1"), stories("T2")), rules=rule_sets(), steps=steps)
def test_any_history_ends_at_the_orders_bought_without_what_was_refunded(
    stories: tuple[Story, Story], rules: RuleSet, steps: list[tuple[int, int, int]]
) -> None:
    world = World(stories, rules)
    for step in steps:
        world.step(*step)
        world.check_always()
    world.finish()
    world.check_always()
    world.check_end()


@pytest.mark.rule("M12", "M13", "M14")
@given(order=orders(), rules=rule_sets())
def test_commission_of_a_line_stays_under_its_cap_and_within_a_fen_of_each_rate(order: Order, rules: RuleSet) -> None:
    book, sale = rulebook(rules), sale_of(order)
    levels = book.levels(sale)
    for i, (one, sold) in enumerate(zip(order.lines, sale.lines, strict=True)):
        alone = [one.paid_fen if j == i else 0 for j in range(len(order.lines))]
        given_fens = split(sale, alone, rules)
        assert sum(given_fens.values()) * 10_000 <= one.paid_fen * rules.cap_bps
        of_level = [book.rates(sold, level.tier)[place : place + 1] for place, level in enumerate(levels)]
        bps = [0 if level.barrier else sum(rate) for level, rate in zip(levels, of_level, strict=True)]
        cashback_bps = rules.cashback_bps if sale.first_order else 0
        if not sold.earns or not book.reaches_minimum(sale, alone):
            assert given_fens == {}
        elif sum(bps) + cashback_bps <= rules.cap_bps:
            exact = {WalletKey(level.member_id): one.paid_fen * rate for level, rate in zip(levels, bps, strict=True)}
            exact[WalletKey("D", TaxClass.REBATE)] = one.paid_fen * cashback_bps
            for key, fen in exact.items():
                assert fen - 10_000 < given_fens.get(key, 0) * 10_000 <= fen


@pytest.mark.rule("M14")
@thoroughly
@given(data=st.data(), order=orders(), rules=rule_sets())
def test_refunding_one_line_never_changes_what_another_earned(
    data: st.DataObject, order: Order, rules: RuleSet
) -> None:
    rules = replace(rules, min_order_fen=0)  # the only rule that looks at the order as a whole
    i = data.draw(st.integers(0, len(order.lines) - 1))
    full = [one.paid_fen for one in order.lines]
    without = [0 if j == i else fen for j, fen in enumerate(full)]
    only = [fen if j == i else 0 for j, fen in enumerate(full)]
    whole, rest, part = (split(sale_of(order), left, rules) for left in (full, without, only))
    assert whole == dict(Counter(rest) + Counter(part))


@pytest.mark.rule("M14")
@thoroughly
@given(data=st.data(), order=orders(), rules=rule_sets())
def test_refund_gives_nobody_more_but_for_the_fen_of_a_line_that_a_caps_rounding_moves(
    data: st.DataObject, order: Order, rules: RuleSet
) -> None:
    before = [one.paid_fen for one in order.lines]
    after = [fen * data.draw(portions) // 1000 for fen in before]
    earned = split(sale_of(order), before, rules)
    for key, fen in split(sale_of(order), after, rules).items():
        assert fen <= earned.get(key, 0) + len(order.lines)


@given(order=orders(), rules=rule_sets(), max_levels=st.integers(1, 3))
def test_a_lowered_number_of_levels_only_takes_the_upper_ones_away(
    order: Order, rules: RuleSet, max_levels: int
) -> None:
    uncapped = replace(rules, cap_bps=20_000, self_purchase=SelfPurchase.NONE)
    full = [one.paid_fen for one in order.lines]
    lowered = shares(replace(order, max_levels=max_levels), full, uncapped)
    allowed = {upline.member_id for upline in order.chain[:max_levels]}
    assert lowered == {member: fen for member, fen in shares(order, full, uncapped).items() if member in allowed}
