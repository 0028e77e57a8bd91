"""A close may stop before any write, or after it with the answer lost: the next run ends where it should (M19)."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import cast

import pytest
from msgspec.structs import replace

from fenxiao.aws.dynamodb import Transaction
from fenxiao.commission.close import MonthCloser
from fenxiao.commission.lake import LakeDay, LakeOrder
from fenxiao.commission.lake_store import Lake
from fenxiao.commission.month_result import LineState, MonthState, View
from fenxiao.commission.month_store import MonthStore
from fenxiao.commission.rules import Step, TeamBonus
from fenxiao.commission.sale import sale_of
from fenxiao.commission.store import RuleStore
from fenxiao.ledger.model import Wallet, WalletKey
from fenxiao.ledger.statement import PAID_DAY_FIGURES
from fenxiao.ledger.statement_store import StatementStore, add_paid_day
from fenxiao.ledger.store import LedgerStore
from fenxiao.relation.store import MemberStore
from fenxiao.review.docket import Docket
from fenxiao.review.store import CaseStore
from tests.support.engines import memory_tables
from tests.support.memory_engine import WRITES, MemoryEngine
from tests.support.world import FrozenClock, paid_order, released, rule_set

pytestmark = pytest.mark.rule("M1", "M19")

MONTH = "2026-03"
LEASE = timedelta(minutes=16)
RULES = rule_set(
    ladder=(Step(from_fen=10_000, rate_bps=100), Step(from_fen=20_000, rate_bps=300)),
    team_bonus=TeamBonus(steps=(Step(from_fen=15_000, rate_bps=50),)),
)


class CrashError(BaseException):
    """The process is gone: no code of ours runs after it."""


@dataclass
class Death:
    """Stops the process at its n-th write; whatever it still tries after that has no effect."""

    nth: int
    when: str
    writes: int = 0
    dead: bool = False

    def before(self, operation: str, _params: object) -> None:
        self.writes += operation in WRITES
        self.dead |= self.when == "before" and self.writes == self.nth
        if self.dead:
            raise CrashError

    def after(self, _operation: str, _params: object) -> None:
        self.dead |= self.when == "after" and self.writes == self.nth
        if self.dead:
            raise CrashError


@dataclass
class MemoryLake:
    """Two orders under C, B and A, without the lake's objects."""

    orders: list[LakeOrder] = field(
        default_factory=lambda: [
            LakeOrder(sale_of(paid_order(fen, order_id=f"T{fen}")), (fen,), settled=False, denied=False)
            for fen in (12_000, 9_000)
        ]
    )

    def refresh(self, _from: date, _to: date, _max_orders: int, settled_since: datetime | None = None) -> bool:
        return settled_since is not None

    def days(self, from_day: date, _to: date) -> list[LakeDay]:
        return [LakeDay(day=from_day, revision=1, parts=(), exported_at=datetime.now(UTC), unsettled=False)]

    def orders_of(self, _day: LakeDay) -> Iterator[LakeOrder]:
        return iter(self.orders)


class Process:
    """The close over tables in memory; a process that stopped is followed by another one, later."""

    def __init__(self) -> None:
        self.clock = FrozenClock(datetime(2026, 4, 2, 4, tzinfo=UTC))
        self.lake, self.ledger, self.months = MemoryLake(), LedgerStore(self.clock), MonthStore()
        rules = RuleStore()
        rules.publish(released(RULES))
        self.closer = MonthCloser(
            lake=cast("Lake", self.lake),
            statements=StatementStore(),
            rules=rules,
            members=MemberStore(),
            ledger=self.ledger,
            months=self.months,
            docket=Docket(CaseStore(), self.clock, timedelta(hours=48)),
            last_reconciled=lambda: date(2026, 3, 31),
            clock=self.clock,
        )
        self.move()

    def move(self) -> None:
        """The books of the month's orders move."""
        transaction = Transaction()
        add_paid_day(transaction, date(2026, 3, 1), dict.fromkeys(PAID_DAY_FIGURES, 0) | {"sales_fen": 100_000})
        transaction.commit()

    def refund(self) -> None:
        self.lake.orders[1] = replace(self.lake.orders[1], left_fens=(7_000,))
        self.move()

    def settle(self) -> None:
        self.lake.orders = [replace(order, settled=True) for order in self.lake.orders]
        self.move()

    def life(self) -> Iterator[Callable[[], None]]:
        """Yield what runs, one after the other: a preview, the close, an adjustment, the settlement."""
        yield lambda: self.closer.preview(MONTH)
        yield self.closer.run
        self.refund()
        yield self.closer.run
        yield lambda: self.closer.preview(MONTH)
        self.settle()
        yield self.closer.run
        yield self.closer.run


@pytest.fixture
def engine() -> Iterator[MemoryEngine]:
    with memory_tables() as engine:
        yield engine


@pytest.mark.parametrize("moves_meanwhile", [False, True])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_life_that_stops_at_any_write_ends_as_one_that_never_stopped(
    engine: MemoryEngine, when: str, *, moves_meanwhile: bool
) -> None:
    nth = 0
    while True:
        nth += 1
        engine.faults = None
        engine.clear()
        process, death = Process(), Death(nth, when)
        for run in process.life():
            engine.faults = death
            try:
                run()
            except CrashError:
                engine.faults = None
                process.clock.moment += LEASE + timedelta(seconds=1)
                if moves_meanwhile:
                    process.refund()
                run()
            engine.faults = None
        _check(process)
        if not moves_meanwhile:
            assert _events(process, "C") == ["close", "adjust#1", "settle"]
        if not death.dead:
            break
    assert nth > 25, "each run takes the month, writes lines, posts, marks, notes the result, lets the month go"


@pytest.mark.parametrize("when", ["before", "after"])
def test_whoever_was_given_something_by_a_run_that_stopped_is_found_again_when_nothing_is_left(
    engine: MemoryEngine, when: str
) -> None:
    nth, posted = 0, set[int]()
    while True:
        nth += 1
        engine.faults = None
        engine.clear()
        process, death = Process(), Death(nth, when)
        engine.faults = death
        with suppress(CrashError):
            process.closer.run()
        engine.faults = None
        posted.add(sum(len(_events(process, member_id)) for member_id in "ABC"))
        process.clock.moment += LEASE + timedelta(seconds=1)
        process.lake.orders = [replace(order, left_fens=(0,)) for order in process.lake.orders]
        process.move()
        process.closer.run()
        for member_id in "ABC":
            assert process.ledger.wallet(WalletKey(member_id)) == Wallet()
        if not death.dead:
            break
    assert posted == {0, 3}, "it stopped before the postings, and after them"


def _events(process: Process, member_id: str) -> list[str]:
    return [journal.event for journal in process.ledger.collection(f"bonus#{MONTH}#{member_id}")]


def _check(process: Process) -> None:
    # 19 000 of net sales: 1 % for C, and 0.5 % for the teams of C, B and A.
    due = {"A": 95, "B": 95, "C": 190 + 95}
    for member_id, fen in due.items():
        events = _events(process, member_id)
        assert (events[0], events[-1], events.count("settle")) == ("close", "settle", 1)
        assert process.ledger.wallet(WalletKey(member_id)) == Wallet(available_fen=fen)
    closed = {line.award.promoter_id: line for line in process.months.lines(MONTH, View.CLOSE)}
    assert {name: line.award.bonus.total_fen for name, line in closed.items()} == due
    assert {line.state for line in closed.values()} == {LineState.SETTLED}
    previewed = {line.award.promoter_id: line.award for line in process.months.lines(MONTH, View.PREVIEW)}
    assert previewed == {name: line.award for name, line in closed.items()}
    result = process.months.result(MONTH, View.CLOSE)
    assert result is not None
    assert (result.state, result.ladder_fen, result.team_bonus_fen) == (MonthState.SETTLED, 190, 285)
