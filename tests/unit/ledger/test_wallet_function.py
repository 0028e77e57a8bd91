import base64
import io
import zipfile
from datetime import timedelta

import pytest

from fenxiao import wiring
from fenxiao.ledger import running
from fenxiao.ledger.export import XLSX
from fenxiao.ledger.model import Entry
from fenxiao.ledger.post import post_batch
from fenxiao.ledger.projection import ProjectionStore
from fenxiao.ledger.store import LedgerStore
from functions.wallet.app import lambda_handler as wallet
from tests.contract.entries import NOW, claw_back, earn, reserve, settle
from tests.support.http import Answer, call
from tests.support.world import FrozenClock
from tests.unit.relation.village import Village

READERS = ("finance", "finance_lead", "operations")


@pytest.fixture(autouse=True)
def _books(tables: None, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FrozenClock()
    monkeypatch.setattr(wiring, "clock", lambda: clock)
    monkeypatch.setattr(wiring, "ledger", lambda: LedgerStore(clock))
    for entries in (
        [earn("T1", NOW, {"C": 3}, C=10), earn("T2", C=20, B=1)],
        [settle("T1", {"C": 3}, C=10), reserve("W1", "C", 4), claw_back("T1", 2, C=8)],
    ):
        book(*entries)
        clock.moment += timedelta(days=1)


def book(*entries: Entry) -> None:
    ProjectionStore().project(post_batch(wiring.ledger(), entries).posted)


def get(path: str, member: str = "C", accept: str = "application/json", **query: str) -> Answer:
    return call(wallet, "GET", path, query=query or None, member=member, headers={"Accept": accept})


def refusal(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.json["code"]


def test_wallet_shows_commission_and_beside_it_the_cashback() -> None:
    assert get("/wallet").json == {
        "held_fen": 20,
        "available_fen": 0,
        "reserved_fen": 4,
        "debt_fen": 2,
        "rebate": {"held_fen": 0, "available_fen": 3, "reserved_fen": 0, "debt_fen": 0},
    }
    nothing = {"held_fen": 0, "available_fen": 0, "reserved_fen": 0, "debt_fen": 0}
    assert get("/wallet", member="X").json == {**nothing, "rebate": nothing}


def test_line_tells_all_that_its_owner_may_ask_about_it() -> None:
    page = get("/statement", type="refund").json
    assert page == {
        "items": [
            {
                "at": "2026-03-01T04:00:00Z",
                "posted_at": "2026-03-02T04:00:00Z",
                "title": "退款扣回",
                "event": "refund",
                "tax_class": "commission",
                "source": "T1",
                "journal_id": "order~T1~2",
                "commission_id": "T1-C",
                "held_fen": 0,
                "available_fen": -6,
                "reserved_fen": 0,
                "debt_fen": 2,
                "after": {"held_fen": 20, "available_fen": 4, "reserved_fen": 0, "debt_fen": 2},
            }
        ],
        "next_cursor": None,
    }


def test_everyone_sees_their_own_lines_only() -> None:
    assert [line["source"] for line in get("/statement", member="B").json["items"]] == ["T2"]
    assert get("/statement", member="X").json["items"] == []


@pytest.mark.parametrize("path", ["/statement", "/statement/export"])
def test_type_that_there_is_not_is_refused_with_those_that_there_are(path: str) -> None:
    answer = get(path, type="gift", format="csv")
    assert refusal(answer) == (400, "unknown_line_type")
    assert "earn、refund、settle" in answer.json["detail"]


@pytest.mark.parametrize(
    "period",
    [
        {"from": "2026-3-1"},
        {"from": "20260301"},
        {"to": "2026-W10-1"},
        {"to": "2026-02-30"},
        {"to": "today"},
        {"from": "２０２６-03-01"},
        {"from": "2026-03-02", "to": "2026-03-01"},
    ],
)
@pytest.mark.parametrize("path", ["/statement", "/statement/export"])
def test_period_that_is_none_is_refused(path: str, period: dict[str, str]) -> None:
    assert refusal(get(path, format="csv", **period)) == (400, "bad_period")


@pytest.mark.parametrize(
    ("period", "lines"),
    [
        ({"from": "0001-01-01", "to": "9999-12-31"}, 7),
        ({"from": "2026-03-02"}, 4),
        ({"to": "2026-03-01"}, 3),
        ({"from": "2026-03-01", "to": "2026-03-01"}, 3),
        ({"from": "", "to": "", "type": ""}, 7),
        ({"from": "9999-12-31"}, 0),
    ],
)
def test_period_holds_the_days_on_which_lines_were_booked(period: dict[str, str], lines: int) -> None:
    assert len(get("/statement", **period).json["items"]) == lines


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "[1,2]",
        '[0,"x"]',
        '[0,"x",0,0,0,0,0,0,0]',
        '[0,"x",0,0,0,0,0,0,0,"0"]',
        '[0,"x",0,0,0,0,0,0,0,0.5]',
        '[0,"x",0,0,0,0,0,0,0,0,0]',
        f'[0,"x",{2**53},0,0,0,0,0,0,0]',
        f'[0,"x",0,0,0,0,0,0,0,{-(2**70)}]',
        '[0,"\\ud800",0,0,0,0,0,0,0,0]',
    ],
)
def test_cursor_that_was_not_ours_is_refused(cursor: str) -> None:
    forged = base64.urlsafe_b64encode(cursor.encode()).decode().rstrip("=")
    assert refusal(get("/statement", cursor=forged)) == (400, "bad_cursor")


@pytest.mark.parametrize("place", ['[0,"x"', '[-1,""', '[9223372036854775807,"x"', '[1,"\\u0000"', '[99,"#\U0001f9e7"'])
def test_cursor_of_a_place_that_somebody_made_up_is_no_fault(place: str) -> None:
    forged = base64.urlsafe_b64encode(f"{place},1,2,3,4,5,6,7,8]".encode()).decode().rstrip("=")
    assert get("/statement", cursor=forged).status == 200


def test_export_is_a_file_with_the_period_in_its_name() -> None:
    answer = get("/statement/export", format="csv", **{"from": "2026-03-01", "to": "2026-03-31"})
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/csv; charset=utf-8")
    assert answer.content.startswith(b"\xef\xbb\xbf")
    assert answer.headers["Content-Disposition"] == (
        'attachment; filename="statement-2026-03-01-2026-03-31.csv"; '
        "filename*=UTF-8''%E4%BD%A3%E9%87%91%E6%98%8E%E7%BB%86-2026-03-01-2026-03-31.csv"
    )
    assert len(answer.text.splitlines()) == 1 + 2 + 7 + 2 + 2


def test_export_without_bounds_is_named_by_its_first_line_and_today() -> None:
    name = get("/statement/export", format="csv").headers["Content-Disposition"]
    assert "statement-2026-03-01-2026-03-03.csv" in name
    assert (
        "statement-2026-03-03-2026-03-03.csv"
        in get("/statement/export", "X", format="csv").headers["Content-Disposition"]
    )


def test_workbook_is_given_to_who_asks_for_its_media_type() -> None:
    answer = get("/statement/export", accept=XLSX, format="xlsx", type="earn")
    assert (answer.status, answer.headers["Content-Type"], answer.is_base64) == (200, XLSX, True)
    assert "statement-2026-03-01-2026-03-03.xlsx" in answer.headers["Content-Disposition"]
    assert zipfile.ZipFile(io.BytesIO(answer.content)).testzip() is None
    assert refusal(get("/statement/export", format="xlsx")) == (406, "not_acceptable")


@pytest.mark.parametrize("form", [{}, {"format": ""}, {"format": "pdf"}, {"format": "CSV"}])
def test_format_that_there_is_not_is_refused(form: dict[str, str]) -> None:
    assert refusal(get("/statement/export", **form)) == (400, "unknown_format")


def test_page_that_looks_at_its_most_and_finds_nothing_has_a_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "MAX_LOOKED_AT", 4)
    page = get("/statement", type="earn").json
    assert page["items"] == []
    rest = get("/statement", type="earn", cursor=page["next_cursor"]).json
    assert [(line["source"], line["after"]["held_fen"]) for line in rest["items"]] == [
        ("T2", 30),
        ("T1", 3),
        ("T1", 10),
    ]
    assert rest["next_cursor"] is None


@pytest.mark.parametrize("what", ["wallet", "statement"])
def test_staff_who_deal_with_money_see_what_the_member_sees(what: str) -> None:
    Village().born("C")
    path = f"/staff/members/{{member_id}}/{what}"
    for role in READERS:
        answer = call(wallet, "GET", path, path={"member_id": "C"}, staff="S1", roles=role)
        assert answer.json == get(f"/{what}").json
    assert call(wallet, "GET", path, path={"member_id": "C"}, staff="S1", roles="administrator").status == 403
    assert call(wallet, "GET", path, path={"member_id": "C"}, member="C").status == 403
    unknown = call(wallet, "GET", path, path={"member_id": "B"}, staff="S1", roles="finance")
    assert refusal(unknown) == (404, "not_found")
