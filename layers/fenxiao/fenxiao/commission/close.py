"""The month's close: bonuses by the books of the month's orders, posted as target − posted, held, settled (M19).

Lines are written before anything is posted, so that everybody who was ever given something is found again by the next
run, whatever ended this one; a line is marked as posted after its journals, and only lines that are not marked are read
against the books.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime, time, timedelta
from itertools import batched, chain
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from fenxiao.clock import SHANGHAI, Clock, shanghai_day, shanghai_month
from fenxiao.commission.breaker import Answer
from fenxiao.commission.lake_store import Lake
from fenxiao.commission.month import Bonus, bonuses, month_after, month_sales, month_start, possible_leaders
from fenxiao.commission.month_plan import plan_award
from fenxiao.commission.month_result import (
    MAX_MONTHS_BACK,
    Line,
    LineState,
    MonthResult,
    MonthState,
    View,
    moved_lines,
    state_of,
)
from fenxiao.commission.month_store import MonthStore, MonthTakenError
from fenxiao.commission.parking import Gate
from fenxiao.commission.plan import SETTLE, Settlement
from fenxiao.commission.rules import RuleSet, in_force
from fenxiao.commission.sale import Sale
from fenxiao.commission.store import RuleStore
from fenxiao.errors import BusyError
from fenxiao.ledger.model import Journal
from fenxiao.ledger.post import post_batch
from fenxiao.ledger.statement_store import StatementStore
from fenxiao.ledger.store import LedgerStore
from fenxiao.ledger.target import position
from fenxiao.observability import count, logger
from fenxiao.relation.model import Standing
from fenxiao.relation.store import MemberStore
from fenxiao.review.docket import Docket

_MAX_ORDERS: Final = 1_000_000
"""Orders that one run exports to the lake; the next run goes on from there."""
_CLOSES_AT: Final = time(12)
_LINES_AT_ONCE: Final = 40
"""As many as fit into one transaction, with two journals each where a close settles at once."""
_MAX_REPLANS: Final = 5
_TO_BE_COMPUTED: Final = -1
"""A revision that the books never have."""
_FINAL: Final = frozenset({MonthState.SETTLED, MonthState.DENIED})


class MonthFaultError(Exception):
    """These months could not be brought to where they should be."""


class Reckoning(Struct, frozen=True):
    """What the lake says of a month."""

    bonuses: dict[str, Bonus]
    rule_version: int
    on_hold: bool
    """Whether an order has something left that is not settled."""


class MonthCloser(Struct, frozen=True):
    """What it takes to close and to preview months."""

    lake: Lake
    statements: StatementStore
    rules: RuleStore
    members: MemberStore
    ledger: LedgerStore
    months: MonthStore
    docket: Docket
    last_reconciled: Callable[[], date | None]
    """Says up to which Shanghai day the books are reconciled with WeChat."""
    clock: Clock

    def run(self) -> None:
        """Close, adjust and settle what is due, and preview the current month.

        A fault of one month does not hold up the others.

        Raises:
            MonthFaultError: months had a fault; the next run tries them again.
        """
        now, gate = self.clock.now(), Gate(self.statements, self.docket)
        current = shanghai_month(now)
        known = self.months.results(View.CLOSE)
        recent = [month_after(current, -back) for back in range(1, MAX_MONTHS_BACK + 1)]
        unfinished = [month for month, result in known.items() if result.state not in _FINAL]
        failed = [
            month
            for month in sorted({*recent, *unfinished})
            if not _done(month, lambda name: self._attend(name, known.get(name), gate, now))
        ]
        if not _done(current, self._renew_preview):
            failed.append(current)
        if failed:
            raise MonthFaultError(", ".join(failed))

    def preview(self, month: str) -> None:
        """Compute what a close of the month would give now, and keep that as its preview; nothing is posted.

        Raises:
            MonthTakenError: another preview of the month is under way.
            PassingError: the lake was behind or moved meanwhile.
        """
        now = self.clock.now()
        with self.months.alone(month, View.PREVIEW, self.clock):
            revision = self._revision(month)
            closed = self.months.result(month, View.CLOSE)
            reckoning = self._reckon(month, now, denied=closed is not None and closed.denied)
            before = {line.award.promoter_id: line for line in self.months.lines(month, View.PREVIEW)}
            gone = [line for promoter_id, line in before.items() if promoter_id not in reckoning.bonuses]
            kept = {promoter_id: before[promoter_id] for promoter_id in before.keys() & reckoning.bonuses.keys()}
            self.months.put_lines(View.PREVIEW, moved_lines(month, reckoning.bonuses, reckoning.rule_version, kept))
            self.months.drop_lines(View.PREVIEW, gone)
            self.months.put(_result(month, View.PREVIEW, reckoning, revision, now))

    def _renew_preview(self, month: str) -> None:
        """Preview a month if its orders' books have moved since."""
        known = self.months.result(month, View.PREVIEW)
        if self._revision(month) != (known.revision if known else 0):
            self.preview(month)

    def _attend(self, month: str, known: MonthResult | None, gate: Gate, now: datetime) -> None:
        """Bring one month to where it should be; what is final and has not moved, or may not close yet, is left."""
        revision = self._revision(month)
        if known is None and not (revision and self._may_close(month, now)):
            return
        if known is not None and known.state in _FINAL and known.revision == revision:
            return
        with self.months.alone(month, View.CLOSE, self.clock):
            result = self.months.result(month, View.CLOSE)
            if result is None or result.on_hold or result.revision != revision:
                result, posted = self._close(month, result, revision, now)
                if posted:
                    return  # Settled by a later run: the breaker must have seen what was posted now (M16).
            if not result.on_hold:
                self._settle(result, gate, now)

    def _may_close(self, month: str, now: datetime) -> bool:
        """Tell whether it is noon of the 2nd, and the month's last day is reconciled."""
        first_day_after = shanghai_day(month_start(month_after(month)))
        second = datetime.combine(first_day_after + timedelta(days=1), _CLOSES_AT, SHANGHAI)
        last = self.last_reconciled()
        return now >= second and last is not None and last + timedelta(days=1) >= first_day_after

    def _revision(self, month: str) -> int:
        """Return how often the books of the month's orders have moved."""
        return sum(figures["revision"] for figures in self.statements.paid_days(month).values())

    def _rules(self, month: str) -> RuleSet | None:
        return in_force(self.rules.versions(), month_start(month))

    def _reckon(self, month: str, now: datetime, *, denied: bool) -> Reckoning:
        rules = self._rules(month)
        if rules is None or denied or not (rules.ladder or rules.team_bonus):
            return Reckoning({}, rules.version if rules else 0, on_hold=False)
        begins_at = month_start(month)
        first, last = shanghai_day(begins_at), shanghai_day(month_start(month_after(month))) - timedelta(days=1)
        if not self.lake.refresh(first, last, _MAX_ORDERS, settled_since=now):
            raise BusyError
        on_hold = False

        def counted() -> Iterator[tuple[Sale, Sequence[int]]]:
            nonlocal on_hold
            for order in chain.from_iterable(map(self.lake.orders_of, self.lake.days(first, last))):
                if not order.denied:
                    on_hold = on_hold or (not order.settled and any(order.left_fens))
                    yield order.sale, order.left_fens

        sales = month_sales(counted(), rules, begins_at)
        leaders = self.members.get_many(possible_leaders(sales, rules))
        tiers = {member_id: member.tier_at(begins_at) for member_id, member in leaders.items()}
        return Reckoning(bonuses(sales, rules, tiers), rules.version, on_hold)

    def _close(self, month: str, before: MonthResult | None, revision: int, now: datetime) -> tuple[MonthResult, bool]:
        """Post what the month's figures ask for; return its result, and whether anything had to be posted."""
        reckoning = self._reckon(month, now, denied=before is not None and before.denied)
        lines = {line.award.promoter_id: line for line in self.months.lines(month, View.CLOSE)}
        moved = moved_lines(month, reckoning.bonuses, reckoning.rule_version, lines)
        self.months.put_lines(View.CLOSE, moved)
        lines |= {line.award.promoter_id: line for line in moved}
        waiting = [line for line in lines.values() if line.state is LineState.COMPUTED]
        lines |= {line.award.promoter_id: line for line in self._post(waiting, now)}
        result = _result(month, View.CLOSE, reckoning, revision, now)
        if before is not None:
            result = replace(result, parked_case=before.parked_case, denied=before.denied, let_go_at=before.let_go_at)
        result = replace(result, state=state_of(result, lines.values()))
        self.months.put(result)
        return result, bool(waiting)

    def _settle(self, result: MonthResult, gate: Gate, now: datetime) -> None:
        """Settle a month that holds nothing any more, unless the breaker has it wait for a person (M16)."""
        lines = {line.award.promoter_id: line for line in self.months.lines(result.month, View.CLOSE)}
        open_lines = [line for line in lines.values() if line.state is not LineState.SETTLED]
        if result.let_go_at is None and any(line.award.bonus.total_fen for line in open_lines):
            result = self._asked(result, gate, now)
            if result.let_go_at is None:
                return
        lines |= {line.award.promoter_id: line for line in self._post(open_lines, now, settling=True)}
        state = state_of(result, lines.values())
        if state is not result.state:
            self.months.put(replace(result, state=state))

    def _asked(self, result: MonthResult, gate: Gate, now: datetime) -> MonthResult:
        """Ask the breaker and keep what it says; the month is let go if it says nothing against that."""
        rules = self._rules(result.month)
        if rules is None:
            raise ValueError(f"{result.month} gives bonuses without rules")
        match gate.ask(result.month, rules.breaker, result.parked_case):
            case Answer.WAIT:
                return result
            case Answer.PARK:
                case_id = gate.park(result.month, rules.breaker)
                result = replace(result, parked_case=case_id, state=MonthState.PARKED)
            case Answer.DENY:
                # Computed anew by the next run, to nothing, and settled after that.
                result = replace(result, denied=True, revision=_TO_BE_COMPUTED)
            case Answer.SETTLE:
                result = replace(result, let_go_at=now)
        self.months.put(result)
        return result

    def _post(self, lines: Iterable[Line], now: datetime, *, settling: bool = False) -> Iterator[Line]:
        """Bring the books to the lines, and settle them if asked for; yield the lines with their new states."""
        for some in batched(lines, _LINES_AT_ONCE, strict=False):
            settlement = Settlement(now, self._suspended(some)) if settling else None
            done = self._post_some(some, settlement, now)
            self.months.put_lines(View.CLOSE, [line for line, before in zip(done, some, strict=True) if line != before])
            yield from done

    def _post_some(self, lines: Sequence[Line], settlement: Settlement | None, now: datetime) -> list[Line]:
        """Plan and post until nothing is missing; each round reads anew what another writer may have moved on."""
        for _ in range(_MAX_REPLANS):
            books = [self.ledger.collection(line.award.collection) for line in lines]
            entries = [
                entry
                for line, journals in zip(lines, books, strict=True)
                for entry in plan_award(line.award, journals, now, settlement)
            ]
            if not entries:
                return [replace(line, state=_state(line, own)) for line, own in zip(lines, books, strict=True)]
            post_batch(self.ledger, entries)
        raise BusyError

    def _suspended(self, lines: Iterable[Line]) -> frozenset[str]:
        now = self.clock.now()
        members = self.members.get_many(line.award.promoter_id for line in lines)
        return frozenset(one.member_id for one in members.values() if one.standing_at(now) is Standing.SUSPENDED)


def _done(month: str, do: Callable[[str], None]) -> bool:
    """Do something with a month; false if that failed, which is logged and counted."""
    try:
        do(month)
    except MonthTakenError:
        logger.info("another run is at this month", extra={"month": month})
    except Exception:  # noqa: BLE001 - one month's fault must not hold up the others
        count("MonthCloseFault")
        logger.exception("month not closed", extra={"month": month})
        return False
    return True


def _state(line: Line, journals: Sequence[Journal]) -> LineState:
    books = position(journals, SETTLE)
    if not books.is_settled:
        return LineState.HELD
    return LineState.WITHHELD if line.award.promoter_id in books.withheld else LineState.SETTLED


def _result(month: str, view: View, reckoning: Reckoning, revision: int, now: datetime) -> MonthResult:
    found = reckoning.bonuses.values()
    return MonthResult(
        month=month,
        view=view,
        state=MonthState.PREVIEWED if view is View.PREVIEW else MonthState.HELD,
        rule_version=reckoning.rule_version,
        revision=revision,
        computed_at=now,
        on_hold=reckoning.on_hold,
        promoters=len(found),
        ladder_fen=sum(bonus.ladder_fen for bonus in found),
        team_bonus_fen=sum(bonus.team_bonus_fen for bonus in found),
    )
