"""The statement over HTTP: running balances, filters, files, and what staff and strangers see of it."""

import csv
import io
import zipfile
from http import HTTPStatus

import pytest
import requests

from tests.stack.support import DAY, NO_MONEY, TIMEOUT_SECONDS, Json, Person, World, refusal

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
SETTLED, HELD, WITHDRAWN = 6_000, 2_500, 1_000


@pytest.fixture(scope="module")
def promoter(world: World) -> Person:
    """Somebody with an order settled, a withdrawal reserved the day after, and another order that is still held."""
    person = world.earner(SETTLED)
    world.sandbox.advance(DAY)
    withdrawal_id = world.withdraw(person, WITHDRAWN)
    world.wait_for_line(person, "reserve", withdrawal_id)
    _, order_id = world.sale(person, HELD)
    world.wait_for_line(person, "earn", order_id)
    return person


def after(line: Json) -> tuple[int, ...]:
    return tuple(line["after"][bucket] for bucket in NO_MONEY)


def export(promoter: Person, world: World, accept: str, **query: str) -> requests.Response:
    headers = {"Authorization": f"Bearer {promoter.caller.token}", "Accept": accept}
    url = f"{world.stack.api_url}/statement/export"
    return requests.get(url, query, headers=headers, timeout=TIMEOUT_SECONDS)


def test_every_page_goes_on_with_the_balances_of_the_one_before(promoter: Person) -> None:
    for limit in (1, 2, 3, 100):
        lines = promoter.pages("/statement", limit)
        assert [(line["event"], after(line)) for line in lines] == [
            ("earn", (HELD, SETTLED - WITHDRAWN, WITHDRAWN, 0)),
            ("reserve", (0, SETTLED - WITHDRAWN, WITHDRAWN, 0)),
            ("settle", (0, SETTLED, 0, 0)),
            ("earn", (SETTLED, 0, 0, 0)),
        ]
    assert promoter.get("/wallet") == {**lines[0]["after"], "rebate": NO_MONEY}
    assert lines[0]["commission_id"] == f"{lines[0]['source']}-{promoter.member_id}"
    assert lines[0]["journal_id"] == f"order~{lines[0]['source']}~0"
    assert lines[1]["commission_id"] is None


def test_type_and_period_choose_lines_without_changing_them(promoter: Person) -> None:
    everything = promoter.pages("/statement", 100)
    assert promoter.pages("/statement?type=earn", 1) == [everything[0], everything[3]]
    settled_day = everything[2]["posted_at"][:10]
    assert everything[2] in promoter.pages(f"/statement?from={settled_day}", 1)
    assert promoter.pages("/statement?from=2000-01-01&to=2000-12-31", 100) == []
    assert refusal(promoter.get, "/statement?type=gift") == (400, "unknown_line_type")
    assert refusal(promoter.get, "/statement?from=2026-02-30") == (400, "bad_period")
    assert refusal(promoter.get, "/statement/export?format=csv&from=2026-03-02&to=2026-03-01") == (400, "bad_period")


def test_csv_comes_as_a_file_that_a_spreadsheet_opens(promoter: Person, world: World) -> None:
    answer = export(promoter, world, "*/*", format="csv")
    assert answer.status_code == HTTPStatus.OK
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="statement-')
    assert answer.content.startswith("\ufeff入账时间,".encode())
    rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert [row[3] for row in rows[3:7]] == ["订单佣金", "佣金结算", "申请提现", "订单佣金"]
    assert rows[-2][9:13] == ["25.00", "50.00", "10.00", "0.00"]


def test_workbook_comes_as_bytes(promoter: Person, world: World) -> None:
    answer = export(promoter, world, XLSX, format="xlsx", type="earn")
    assert (answer.status_code, answer.headers["Content-Type"]) == (HTTPStatus.OK, XLSX)
    with zipfile.ZipFile(io.BytesIO(answer.content)) as book:
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
    assert "<v>60.00</v>" in sheet
    assert "<v>25.00</v>" in sheet
    refused = export(promoter, world, "*/*", format="xlsx")
    assert (refused.status_code, refused.json()["code"]) == (HTTPStatus.NOT_ACCEPTABLE, "not_acceptable")


def test_staff_see_what_the_member_sees_and_members_see_their_own_alone(promoter: Person, world: World) -> None:
    stranger = world.person()
    base = f"/staff/members/{promoter.member_id}"
    for reader in (world.finance, world.finance_lead, world.operations):
        assert reader.get(f"{base}/statement") == promoter.get("/statement")
        assert reader.get(f"{base}/wallet") == promoter.get("/wallet")
    assert refusal(world.finance.get, f"/staff/members/M{'0' * 26}/statement") == (404, "not_found")
    assert refusal(world.finance.get, f"/staff/members/M{'0' * 26}/wallet") == (404, "not_found")
    assert stranger.get("/statement") == {"items": [], "next_cursor": None}
    assert refusal(stranger.get, f"{base}/statement")[0] in (401, 403)
    cursor = promoter.get("/statement?limit=1")["next_cursor"]
    assert stranger.get(f"/statement?cursor={cursor}")["items"] == []
