"""Statements of any history: their sums are the wallets, and however they are read, balances are those of the fold."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from operator import attrgetter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fenxiao.clock import shanghai_day
from fenxiao.ledger.apply import apply
from fenxiao.ledger.contract import LineView, statement_page, wanted_lines
from fenxiao.ledger.model import Entry, Journal, Movement, Platform, TaxClass, Wallet, WalletKey
from fenxiao.ledger.running import account, run_back
from fenxiao.ledger.statement import LineType, StatementLine, lines_of
from fenxiao.ledger.statement_store import Position, StatementStore, position_of
from fenxiao.ledger.store import LedgerStore
from tests.support.world import NOW, FrozenClock

type History = Sequence[tuple[dict[WalletKey, tuple[str, int]], int, str]]
"""What each journal does to which wallets, how many milliseconds after the one before, and as what event."""

BUCKETS = ("held_fen", "available_fen", "reserved_fen", "debt_fen")
KEYS = [WalletKey(member, tax_class) for member in "AB" for tax_class in TaxClass]
figures = attrgetter(*BUCKETS)

moves = st.tuples(st.sampled_from(["earn", "settle", "claw", "reserve", "pay", "return", "forgive"]), st.integers(1, 9))
steps = st.tuples(
    st.dictionaries(st.sampled_from(KEYS), moves, max_size=4),
    st.sampled_from([0, 0, 1, 3_600_000, 40_000_000]),
    st.sampled_from([*LineType, "refund#R1"]),
)
queries = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(list(LineType)),
        "from": st.sampled_from(["2026-02-28", "2026-03-01", "2026-03-02", "2026-03-03"]),
        "to": st.sampled_from(["2026-03-03", "2026-03-04", "2026-03-09"]),
    },
)


class Ledger(LedgerStore):
    """A ledger in memory."""

    def __init__(self, history: History) -> None:
        super().__init__(FrozenClock())
        self.journals: list[Journal] = []
        self.state = dict.fromkeys(KEYS, Wallet())
        moment = NOW
        for number, (actions, pause_ms, event) in enumerate(history):
            moment += timedelta(milliseconds=pause_ms)
            movements = tuple(self._movement(key, *action) for key, action in actions.items())
            self._post(f"order#T{number % 4}", number, event, movements, moment)

    def wallets(self, keys: Iterable[WalletKey]) -> dict[WalletKey, Wallet]:
        return {key: self.state[key] for key in keys}

    def _post(
        self, collection: str, number: int, event: str, movements: tuple[Movement, ...], moment: datetime
    ) -> None:
        entry = Entry(
            collection=collection,
            number=number,
            event=event,
            cause={},
            at=moment,
            movements=movements,
            platform={Platform.PAID_OUT: -sum(move.sum_fen for move in movements)},
            may_owe=True,
        )
        journals, changes = apply([entry], self.state, moment)
        self.journals += journals
        self.state |= {key: change.after for key, change in changes.items()}

    def _movement(self, key: WalletKey, action: str, fen: int) -> Movement:
        """What the action does, as far as the wallet can bear it."""
        wallet = self.state[key]
        held, available, reserved = (min(fen, one) for one in figures(wallet)[:3])
        return {
            "earn": Movement(wallet=key, held_fen=fen),
            "settle": Movement(wallet=key, held_fen=-held, free_fen=held),
            "claw": Movement(wallet=key, free_fen=-fen),
            "reserve": Movement(wallet=key, free_fen=-available, reserved_fen=available),
            "pay": Movement(wallet=key, reserved_fen=-reserved),
            "return": Movement(wallet=key, free_fen=reserved, reserved_fen=-reserved),
            "forgive": Movement(wallet=key, forgiven_fen=min(fen, wallet.debt_fen)),
        }[action]


class Statements(StatementStore):
    """Statements in memory."""

    def __init__(self, journals: Sequence[Journal]) -> None:
        self._lines = sorted((line for one in journals for line in lines_of(one)), key=position_of, reverse=True)

    def lines(self, member_id: str, before: Position | None, page_size: int) -> Iterator[StatementLine]:  # noqa: ARG002 - all is read already
        own = (line for line in self._lines if line.member_id == member_id)
        return (line for line in own if before is None or position_of(line) < before)


def read(ledger: Ledger, member: str, limits: Sequence[int], query: dict[str, str]) -> list[LineView]:
    """Read a statement to its end by pages of these sizes, over and over."""
    statements, found, cursor = Statements(ledger.journals), list[LineView](), ""
    for turn in range(10_000):
        limit = limits[turn % len(limits)]
        page = statement_page(member, {**query, "limit": str(limit), "cursor": cursor}, ledger, statements)
        assert len(page.items) <= limit
        found += page.items
        if page.next_cursor is None:
            return found
        cursor = page.next_cursor
    raise AssertionError("the statement does not end")


@pytest.mark.rule("M8")
@given(st.lists(steps, max_size=30))
def test_sums_of_the_lines_are_the_wallets(history: History) -> None:
    ledger = Ledger(history)
    sums: Counter[tuple[WalletKey, str]] = Counter()
    for journal in ledger.journals:
        for line in lines_of(journal):
            key = WalletKey(line.member_id, line.tax_class)
            sums.update(dict(zip(((key, bucket) for bucket in BUCKETS), figures(line), strict=True)))
    assert {(key, bucket): getattr(ledger.state[key], bucket) for key in KEYS for bucket in BUCKETS} == {
        (key, bucket): sums[key, bucket] for key in KEYS for bucket in BUCKETS
    }


@pytest.mark.rule("M8")
@given(st.lists(steps, max_size=30), st.lists(st.integers(1, 4), min_size=1, max_size=5))
def test_balances_over_all_pages_are_those_of_the_fold(history: History, limits: list[int]) -> None:
    ledger = Ledger(history)
    for member in "AB":
        balances: dict[TaxClass, tuple[int, ...]] = dict.fromkeys(TaxClass, (0, 0, 0, 0))
        for line in reversed(read(ledger, member, limits, {})):
            before = balances[line.tax_class]
            balances[line.tax_class] = tuple(map(sum, zip(before, figures(line), strict=True)))
            assert figures(line.after) == balances[line.tax_class]
        assert balances == {key.tax_class: figures(ledger.state[key]) for key in KEYS if key.member_id == member}


@given(st.lists(steps, max_size=30), st.lists(st.integers(1, 4), min_size=1, max_size=3), queries)
def test_filters_take_lines_away_and_change_none(history: History, limits: list[int], query: dict[str, str]) -> None:
    ledger = Ledger(history)
    first, last = query.get("from", "0"), query.get("to", "9")
    wanted = [
        line
        for line in read(ledger, "A", [100], {})
        if line.event == query.get("type", line.event) and first <= str(shanghai_day(line.posted_at)) <= last
    ]
    assert read(ledger, "A", limits, query) == wanted


@given(st.lists(steps, max_size=30), queries)
def test_export_is_what_the_pages_show_and_goes_from_its_opening_to_its_closing(
    history: History, query: dict[str, str]
) -> None:
    ledger = Ledger(history)
    now = {key.tax_class: ledger.state[key] for key in KEYS if key.member_id == "A"}
    lines = list(Statements(ledger.journals).lines("A", None, 1))

    found = account(lines, now, wanted_lines(query))

    pages = read(ledger, "A", [100], query)
    assert [figures(one.wallet) for one in reversed(found.shown)] == [figures(line.after) for line in pages]
    period = account(lines, now, wanted_lines({name: day for name, day in query.items() if name != "type"}))
    assert (found.opening, found.closing) == (period.opening, period.closing)
    for tax_class in TaxClass:
        own = [figures(one.line) for one in period.shown if one.line.tax_class is tax_class]
        assert tuple(map(sum, zip(figures(period.opening[tax_class]), *own, strict=True))) == figures(
            period.closing[tax_class]
        )
    assert [one.line for one in run_back(lines, now)] == lines
