"""Read models, rules, reports and WeChat's token on each engine."""

from collections.abc import Sequence
from datetime import date, timedelta
from functools import partial
from itertools import accumulate

import pytest
from msgspec.structs import replace

from fenxiao.http.pages import Page
from fenxiao.ledger.contract import BalancesView, LineView, statement_page, wallet_view
from fenxiao.ledger.evidence import leaf_bytes
from fenxiao.ledger.merkle import HASH_BYTES, leaf_hash
from fenxiao.ledger.model import Entry, Journal, TaxClass, WalletKey
from fenxiao.ledger.post import post_batch
from fenxiao.ledger.projection import ProjectionStore
from fenxiao.ledger.statement import CASHBACK, COMMISSION, ORDERS, REFUNDS, SALES, lines_of
from fenxiao.ledger.statement_store import StatementStore, put_lines
from fenxiao.ledger.store import LedgerStore
from fenxiao.report.daily import daily_report
from fenxiao.report.store import ReportNotFoundError, ReportStore
from fenxiao.wechat.token_store import TokenStore
from tests.contract.entries import NOW, claw_back, earn, reserve, settle
from tests.support.engines import Engine, patiently
from tests.support.world import FrozenClock

DAY = date(2026, 3, 1)
TOKEN = "wx1_access_token"
BUCKETS = ("held_fen", "available_fen", "reserved_fen", "debt_fen")


def journals(count: int = 3) -> list[Journal]:
    """Each order's earning, its settlement and a refund, as the ledger's stream tells of them."""
    entries = []
    for number in range(count):
        order, at = f"T{number}", NOW + timedelta(minutes=number)
        entries += [earn(order, at, A=10, B=5), settle(order, A=10, B=5), claw_back(order, 2, A=4)]
    return posted(entries)


def posted(entries: Sequence[Entry], at: timedelta = timedelta()) -> list[Journal]:
    """Post entries in one batch, some time after noon."""
    return post_batch(LedgerStore(FrozenClock(NOW + at)), entries).posted


def log() -> list[bytes]:
    """The leaves of the Merkle log, in order; checks that they have no gap."""
    projection, leaves = ProjectionStore(), list[bytes]()
    for first, hashes in projection.leaves(0, 1000):
        assert first == len(leaves)
        leaves += [hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES)]
    assert projection.log_size() == len(leaves)
    return leaves


def check_log(all_journals: Sequence[Journal]) -> None:
    """Check that each journal has one leaf, at the index that its mark names, and that nothing else is in the log."""
    leaves, projection = log(), ProjectionStore()
    places = {projection.log_index(one.collection, one.number): leaf_hash(leaf_bytes(one)) for one in all_journals}
    assert places == dict(enumerate(leaves))


def check_counted_once() -> None:
    """Check what `journals()` come to."""
    totals = StatementStore().totals(DAY)
    assert (totals[ORDERS], totals[SALES], totals[REFUNDS]) == (3, 30_000, 15_000)
    assert (totals["held_fen"], totals["available_fen"], totals["commission_expense_fen"]) == (0, 33, -33)
    assert len(list(StatementStore().lines("A", None, 99))) == 9


def page(member: str, **query: str) -> Page[LineView]:
    return statement_page(member, query, LedgerStore(FrozenClock()), StatementStore())


def pages(member: str, limit: int, **query: str) -> list[LineView]:
    """A statement to its end, page by page."""
    found = page(member, limit=str(limit), **query)
    lines = found.items
    while found.next_cursor:
        found = page(member, limit=str(limit), cursor=found.next_cursor, **query)
        assert len(found.items) <= limit
        lines = lines + found.items
    return lines


def balances(line: LineView) -> tuple[int, ...]:
    return tuple(getattr(line.after, bucket) for bucket in BUCKETS)


def changes(line: LineView) -> tuple[int, ...]:
    return tuple(getattr(line, bucket) for bucket in BUCKETS)


def folded(lines: Sequence[LineView], tax_class: TaxClass) -> list[tuple[int, ...]]:
    """The balances after each line of a class, oldest first, as the lines add up."""
    own = [changes(line) for line in reversed(lines) if line.tax_class is tax_class]
    return list(accumulate(own, lambda before, change: tuple(map(sum, zip(before, change, strict=True)))))


# --- the projection


@pytest.mark.rule("M30")
def test_journals_that_come_again_count_once(engine: Engine) -> None:
    projection, all_journals = ProjectionStore(), journals()
    projection.project(all_journals[:4])
    projection.project(all_journals)
    projection.project([*all_journals, *all_journals])
    check_counted_once()
    check_log(all_journals)
    assert set(StatementStore().totals(DAY + timedelta(days=1)).values()) == {0}


@pytest.mark.rule("M30")
def test_journals_may_come_in_any_order(engine: Engine) -> None:
    projection, all_journals = ProjectionStore(), journals()
    for start in (6, 0, 3):
        projection.project(all_journals[start : start + 3][::-1])
    check_counted_once()
    check_log(all_journals)
    assert log()[0] == leaf_hash(leaf_bytes(all_journals[8]))


@pytest.mark.rule("M8", "M30")
def test_crash_between_the_lines_and_what_counts_leaves_nothing_twice(engine: Engine) -> None:
    all_journals = journals()
    put_lines([line for journal in all_journals for line in lines_of(journal)])
    assert log() == []
    ProjectionStore().project(all_journals)
    check_counted_once()
    check_log(all_journals)


@pytest.mark.rule("M30")
def test_journal_that_moves_nobody_is_counted_once_too(engine: Engine) -> None:
    empty = posted([earn("T1")])
    for _ in range(2):
        ProjectionStore().project(empty)
    assert StatementStore().totals(DAY)[SALES] == 10_000
    check_log(empty)


def test_projectors_of_one_batch_at_once_count_once(engine: Engine) -> None:
    all_journals = journals()
    engine.at_once(*[partial(patiently, partial(ProjectionStore().project, all_journals))] * 3)
    check_counted_once()
    check_log(all_journals)


def test_projectors_of_overlapping_batches_at_once_leave_no_gap_in_the_log(engine: Engine) -> None:
    all_journals = journals()
    batches = [all_journals[:5], all_journals[3:], all_journals[2:7]]
    engine.at_once(*[partial(patiently, partial(ProjectionStore().project, batch)) for batch in batches])
    check_counted_once()
    check_log(all_journals)


def test_batch_that_fills_several_transactions_is_projected_whole(engine: Engine) -> None:
    entries = [earn(f"T{number}", NOW, **{f"M{number}": 1, "A": 1, "B": 1}) for number in range(120)]
    all_journals = posted(entries)
    ProjectionStore().project(all_journals)
    assert StatementStore().totals(DAY)["held_fen"] == 360
    assert LedgerStore(FrozenClock()).wallet(WalletKey("A")).held_fen == 120
    check_log(all_journals)


@pytest.mark.rule("M16")
def test_orders_count_on_the_day_of_their_payment_whenever_they_change(engine: Engine) -> None:
    early = replace(earn("T2", NOW, {"D": 7}, A=20), paid_day="2026-02-28")
    late = replace(claw_back("T1", 1, A=4), at=NOW + timedelta(days=40))
    ProjectionStore().project(posted([earn("T1", NOW, A=10), early]))
    before = StatementStore().paid_days("2026-03")[DAY]
    ProjectionStore().project([*posted([late]), *posted([reserve("W1", "A", 0)])])

    after = StatementStore().paid_days("2026-03")
    assert list(after) == [DAY]
    assert [after[DAY][name] for name in (SALES, REFUNDS, ORDERS, COMMISSION)] == [10_000, 5_000, 1, 6]
    assert after[DAY]["revision"] == before["revision"] + 1
    february = StatementStore().paid_days("2026-02")[date(2026, 2, 28)]
    assert (february[COMMISSION], february[CASHBACK]) == (20, 7)
    assert StatementStore().paid_days("2026-04") == {}


# --- the statement


def test_statement_is_paged_newest_first(engine: Engine) -> None:
    for number in range(3):
        order = f"T{number}"
        entries = [earn(order, A=10), settle(order, A=10), claw_back(order, 2, A=4)]
        ProjectionStore().project(posted(entries, timedelta(minutes=number)))
    lines = pages("A", 4)
    assert [(line.source, line.event) for line in lines] == [
        (order, event) for order in ("T2", "T1", "T0") for event in ("refund", "settle", "earn")
    ]
    assert page("A", limit="9").next_cursor is None
    assert page("X", limit="5") == Page([], None)


def test_running_balances_go_on_over_pages_and_end_at_nothing(engine: Engine) -> None:
    """Lines of one instant and of two classes, with borders of pages between them wherever they may be."""
    first = [earn("T1", NOW, {"A": 3}, A=10, B=5), earn("T2", NOW, {"B": 1}, A=20)]
    second = [settle("T1", {"A": 3}, A=10, B=5), reserve("W1", "A", 8), claw_back("T1", 2, A=6, B=5)]
    for number, entries in enumerate((first, second)):
        ProjectionStore().project(posted(entries, timedelta(minutes=number)))
    for member in "AB":
        view = wallet_view(member, LedgerStore(FrozenClock()))
        for limit in range(1, 9):
            lines = pages(member, limit)
            assert len(lines) == {"A": 7, "B": 4}[member]
            for tax_class in TaxClass:
                own = [line for line in lines if line.tax_class is tax_class]
                assert [balances(line) for line in reversed(own)] == folded(lines, tax_class)
        last = {line.tax_class: line.after for line in reversed(lines)}
        assert last[TaxClass.REBATE] == view.rebate
        commission = BalancesView(view.held_fen, view.available_fen, view.reserved_fen, view.debt_fen)
        assert last[TaxClass.COMMISSION] == commission


def test_filters_leave_running_balances_as_they_are(engine: Engine) -> None:
    for number in range(3):
        order = f"T{number}"
        entries = [earn(order, A=10), settle(order, A=10), claw_back(order, 2, A=4)]
        ProjectionStore().project(posted(entries, timedelta(days=number)))
    everything = pages("A", 100)
    assert [line for line in everything if line.event == "refund"] == pages("A", 2, type="refund")
    for first, last in ((1, 3), (2, 2), (3, 9), (0, 1)):
        period = {"from": f"2026-03-{first or 1:02d}", "to": f"2026-03-{last:02d}"}
        wanted = [line for line in everything if first <= line.posted_at.day <= last]
        assert len(wanted) == 3 * (min(last, 3) - (first or 1) + 1)
        assert pages("A", 2, **period) == wanted
        assert pages("A", 1, type="settle", **period) == [line for line in wanted if line.event == "settle"]


def test_journal_without_its_lines_yet_shifts_the_balances_until_it_has_them(engine: Engine) -> None:
    ProjectionStore().project(posted([earn("T1", A=10)]))
    late = posted([earn("T2", A=5)], timedelta(minutes=1))
    assert [balances(line)[0] for line in pages("A", 9)] == [15]
    ProjectionStore().project(late)
    assert [balances(line)[0] for line in pages("A", 9)] == [15, 10]


def test_line_that_comes_late_does_not_disturb_the_pages_after_it(engine: Engine) -> None:
    for number in range(3):
        ProjectionStore().project(posted([earn(f"T{number}", A=10)], timedelta(minutes=number)))
    first = page("A", limit="1")
    ProjectionStore().project(posted([earn("T9", A=5)], timedelta(minutes=9)))
    assert first.next_cursor
    rest = page("A", limit="9", cursor=first.next_cursor)
    assert [(line.source, balances(line)[0]) for line in (*first.items, *rest.items)] == [
        ("T2", 30),
        ("T1", 20),
        ("T0", 10),
    ]


# --- reports, tokens


def test_report_replaces_itself_and_the_newest_day_is_known(engine: Engine) -> None:
    reports = ReportStore()
    assert reports.last_day() is None
    report = daily_report(DAY, StatementStore().totals(DAY), NOW)
    for one in (report, replace(report, day=DAY - timedelta(days=1)), replace(report, orders=7)):
        reports.put(one)
    assert reports.get(DAY).orders == 7
    assert reports.last_day() == DAY
    with pytest.raises(ReportNotFoundError):
        reports.get(DAY + timedelta(days=1))


def test_token_near_its_end_is_renewed_by_one_process(engine: Engine) -> None:
    TokenStore("wx1", lambda: 1_000_000.0).set(TOKEN, "token-1", 7200)
    near_its_end = 1_000_000.0 + 7200 - 200
    processes = [TokenStore("wx1", lambda: near_its_end) for _ in range(4)]
    answers = engine.at_once(*(partial(process.get, TOKEN) for process in processes))
    assert sorted(answers, key=str) == [None, "token-1", "token-1", "token-1"]


def test_token_gives_way_to_one_that_lasts_longer_only(engine: Engine) -> None:
    one, other = TokenStore("wx1", lambda: 1_000_000.0), TokenStore("wx1", lambda: 1_000_000.0)
    assert one.get(TOKEN, "none") == "none"
    one.set(TOKEN, "long", 7200)
    other.set(TOKEN, "short", 300)
    assert TokenStore("wx1", lambda: 1_000_000.0).get(TOKEN) == "long"
    one.delete(TOKEN)
    assert TokenStore("wx1", lambda: 1_000_000.0).get(TOKEN) is None
