"""Read models, rules, reports and WeChat's token on each engine."""

from datetime import date, timedelta
from functools import partial

import pytest
from msgspec.structs import replace

from fenxiao.commission.store import RuleStore, VersionTakenError
from fenxiao.ledger.model import Journal, WalletKey
from fenxiao.ledger.post import post_batch
from fenxiao.ledger.statement import ORDERS, REFUNDS, SALES
from fenxiao.ledger.statement_store import StatementStore
from fenxiao.ledger.store import LedgerStore
from fenxiao.report.daily import daily_report
from fenxiao.report.store import ReportNotFoundError, ReportStore
from fenxiao.wechat.token_store import TokenStore
from tests.contract.entries import NOW, claw_back, earn, settle
from tests.support.engines import Engine, patiently, refusal
from tests.support.world import rule_set

DAY = date(2026, 3, 1)
TOKEN = "wx1_access_token"


def journals(count: int = 3) -> list[Journal]:
    """Each order's earning, its settlement and a refund, as the ledger's stream tells of them."""
    entries = []
    for number in range(count):
        order, at = f"T{number}", NOW + timedelta(minutes=number)
        entries += [earn(order, at, A=10, B=5), settle(order, A=10, B=5), claw_back(order, 2, A=4)]
    return post_batch(LedgerStore(), entries).posted


def test_journals_that_come_again_count_once(engine: Engine) -> None:
    statements, posted = StatementStore(), journals()
    statements.project(posted[:4])
    statements.project(posted)
    statements.project([*posted, *posted])

    totals = statements.totals(DAY)
    assert (totals[ORDERS], totals[SALES], totals[REFUNDS]) == (3, 30_000, 15_000)
    assert (totals["held_fen"], totals["available_fen"], totals["commission_expense_fen"]) == (0, 33, -33)
    assert len(statements.lines("A", 99, None)[0]) == 9
    assert set(statements.totals(DAY + timedelta(days=1)).values()) == {0}


def test_two_consumers_of_one_batch_at_once_count_once(engine: Engine) -> None:
    posted = journals()
    engine.at_once(*[partial(patiently, partial(StatementStore().project, posted))] * 3)
    totals = StatementStore().totals(DAY)
    assert (totals[ORDERS], totals["available_fen"]) == (3, 33)


def test_batch_that_fills_several_transactions_is_projected_whole(engine: Engine) -> None:
    entries = [earn(f"T{number}", NOW, **{f"M{number}": 1, "A": 1, "B": 1}) for number in range(40)]
    statements = StatementStore()
    statements.project(post_batch(LedgerStore(), entries).posted)
    assert statements.totals(DAY)["held_fen"] == 120
    assert LedgerStore().wallet(WalletKey("A")).held_fen == 40


def test_statement_is_paged_newest_first(engine: Engine) -> None:
    statements = StatementStore()
    statements.project(journals())
    first, position = statements.lines("A", 5, None)
    assert position is not None
    rest, end = statements.lines("A", 5, position)
    lines = first + rest
    assert len({(line.collection, line.number) for line in lines}) == 9
    assert [line.at for line in lines] == sorted((line.at for line in lines), reverse=True)
    assert end is None
    assert statements.lines("X", 5, None) == ([], None)


def test_of_two_who_publish_at_once_one_is_told_that_the_number_is_taken(engine: Engine) -> None:
    rules = [rule_set(base_bps=(number,)) for number in range(1, 5)]
    publishing = [partial(RuleStore().publish, one, f"S{number}") for number, one in enumerate(rules)]
    answers = engine.at_once(*(partial(refusal, publish, VersionTakenError) for publish in publishing))
    assert sorted(answers, key=str) == [VersionTakenError] * 3 + [None]
    assert RuleStore().versions() == (rules[answers.index(None)],)


def test_rule_versions_come_in_order_and_past_the_cache_when_asked(engine: Engine) -> None:
    store = RuleStore()
    assert store.versions() == ()
    published = [rule_set(version=number, category_bps={"tea": (900,)}) for number in (2, 1, 10)]
    for rules in published:
        RuleStore().publish(rules, "S1")
    assert store.versions() == ()
    assert [rules.version for rules in store.versions(fresh=True)] == [1, 2, 10]


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
