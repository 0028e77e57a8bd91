from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from fenxiao.commission import rules
from fenxiao.commission.contract import schema
from fenxiao.commission.rules import (
    Breaker,
    Override,
    RuleFaultError,
    RuleTerms,
    Step,
    TeamBonus,
    check,
    in_force,
    step_rate_bps,
    terms_of,
)
from fenxiao.commission.sale import SaleLine
from fenxiao.commission.split import rulebook
from fenxiao.relation.model import Tier
from infra.local import seed
from infra.local.emulator import ROOT
from tests.support import json_schema
from tests.support.world import NOW, rule_set

GOOD = RuleTerms(
    base_bps=(1000, 500, 200),
    cap_bps=3000,
    hold_days=7,
    overrides=(
        Override(rates_bps=(1200, 600), product_id="P1", tier=Tier.GOLD),
        Override(rates_bps=(1100,), product_id="P1"),
        Override(rates_bps=(800, 400, 200), category="teaware", tier=Tier.GOLD),
        Override(rates_bps=(700, 300, 100), category="teaware"),
        Override(rates_bps=(), tier=Tier.GOLD),
    ),
    min_order_fen=100,
    cashback_bps=1300,
    breaker=Breaker(park_bps=2500, alarm_bps=3500),
    ladder=(Step(from_fen=1, rate_bps=1), Step(from_fen=10_000_000_000, rate_bps=3000)),
    team_bonus=TeamBonus(steps=(Step(from_fen=1_000_000, rate_bps=50),), leader_tiers=(Tier.GOLD, Tier.DIAMOND)),
)


def paths(terms: RuleTerms) -> list[str]:
    return [fault.path for fault in rules.faults(terms)]


def overrides(*several: Override) -> RuleTerms:
    return replace(GOOD, overrides=several)


def steps(*pairs: tuple[int, int]) -> tuple[Step, ...]:
    return tuple(Step(from_fen=fen, rate_bps=bps) for fen, bps in pairs)


BROKEN: list[tuple[str, RuleTerms, list[str]]] = [
    ("no level", replace(GOOD, max_levels=0, base_bps=(), overrides=()), ["$.max_levels"]),
    ("more than three levels", replace(GOOD, max_levels=4), ["$.max_levels"]),
    ("rates for a fourth level", replace(GOOD, base_bps=(4, 3, 2, 1)), ["$.base_bps"]),
    ("more rates than levels", replace(GOOD, max_levels=2, overrides=()), ["$.base_bps"]),
    (
        "no cap",
        replace(GOOD, base_bps=(), cap_bps=0, overrides=(), cashback_bps=0, ladder=(), team_bonus=None),
        ["$.cap_bps"],
    ),
    ("cap above half", replace(GOOD, cap_bps=5001), ["$.cap_bps"]),
    ("negative rate", replace(GOOD, base_bps=(100, -1)), ["$.base_bps[1]"]),
    ("rate over the cap", replace(GOOD, base_bps=(3001,), cashback_bps=0), ["$.base_bps[0]", "$.base_bps"]),
    ("rates together over the cap", replace(GOOD, base_bps=(1500, 1501), cashback_bps=0), ["$.base_bps"]),
    ("cashback over what the rates leave", replace(GOOD, cashback_bps=1301), ["$.cashback_bps"]),
    ("negative cashback", replace(GOOD, cashback_bps=-1), ["$.cashback_bps"]),
    ("negative hold", replace(GOOD, hold_days=-1), ["$.hold_days"]),
    ("endless hold", replace(GOOD, hold_days=91), ["$.hold_days"]),
    ("negative minimum", replace(GOOD, min_order_fen=-1), ["$.min_order_fen"]),
    ("minimum that nobody pays", replace(GOOD, min_order_fen=100_000_001), ["$.min_order_fen"]),
    ("no breaker", replace(GOOD, breaker=Breaker(park_bps=0)), ["$.breaker.park_bps"]),
    (
        "breaker above everything",
        replace(GOOD, breaker=Breaker(park_bps=10_001, alarm_bps=10_001)),
        ["$.breaker.park_bps", "$.breaker.alarm_bps"],
    ),
    ("alarm below the breaker", replace(GOOD, breaker=Breaker(park_bps=3000, alarm_bps=2999)), ["$.breaker.alarm_bps"]),
    ("override for everything", overrides(Override(rates_bps=(1,))), ["$.overrides[0]"]),
    (
        "override by product and category",
        overrides(Override(rates_bps=(1,), product_id="P", category="c")),
        ["$.overrides[0].category"],
    ),
    ("override of freight", overrides(Override(rates_bps=(1,), category="freight")), ["$.overrides[0].category"]),
    ("override without a name", overrides(Override(rates_bps=(1,), category="")), ["$.overrides[0].category"]),
    (
        "override with an endless name",
        overrides(Override(rates_bps=(1,), product_id="P" * 65)),
        ["$.overrides[0].product_id"],
    ),
    (
        "override over the cap",
        overrides(Override(rates_bps=(1, 3001), category="c")),
        ["$.overrides[0].rates_bps[1]", "$.overrides[0].rates_bps"],
    ),
    (
        "override for a fourth level",
        overrides(Override(rates_bps=(1, 1, 1, 1), category="c")),
        ["$.overrides[0].rates_bps"],
    ),
    (
        "overlapping overrides",
        overrides(*[Override(rates_bps=(one,), category="c", tier=Tier.GOLD) for one in (1, 2, 1)]),
        ["$.overrides[1]", "$.overrides[2]"],
    ),
    (
        "more overrides than are kept",
        overrides(*[Override(rates_bps=(1,), product_id=f"P{one}") for one in range(501)]),
        ["$.overrides"],
    ),
    ("step from nothing", replace(GOOD, ladder=steps((0, 1))), ["$.ladder[0].from_fen"]),
    ("step that no month reaches", replace(GOOD, ladder=steps((10_000_000_001, 1))), ["$.ladder[0].from_fen"]),
    ("step that is not above the one before", replace(GOOD, ladder=steps((5, 1), (5, 2))), ["$.ladder[1].from_fen"]),
    ("step that pays no more", replace(GOOD, ladder=steps((5, 2), (6, 2))), ["$.ladder[1].rate_bps"]),
    ("step that pays nothing", replace(GOOD, ladder=steps((5, 0))), ["$.ladder[0].rate_bps"]),
    ("step over the cap", replace(GOOD, ladder=steps((5, 3001))), ["$.ladder[0].rate_bps"]),
    ("more steps than are kept", replace(GOOD, ladder=steps(*((one, one) for one in range(1, 22)))), ["$.ladder"]),
    ("team bonus without steps", replace(GOOD, team_bonus=TeamBonus(steps=())), ["$.team_bonus.steps"]),
    (
        "team step that is not above the one before",
        replace(GOOD, team_bonus=TeamBonus(steps=steps((5, 1), (4, 2)))),
        ["$.team_bonus.steps[1].from_fen"],
    ),
    (
        "leader's tier twice",
        replace(GOOD, team_bonus=TeamBonus(steps=steps((5, 1)), leader_tiers=(Tier.GOLD, Tier.GOLD))),
        ["$.team_bonus.leader_tiers"],
    ),
]


def test_a_document_at_every_limit_is_without_fault() -> None:
    assert rules.faults(GOOD) == []
    check(GOOD)
    check(replace(GOOD, max_levels=1, base_bps=(3000,), overrides=(), cashback_bps=0, hold_days=0))
    check(
        replace(
            GOOD,
            max_levels=3,
            hold_days=90,
            min_order_fen=100_000_000,
            breaker=Breaker(park_bps=10_000, alarm_bps=10_000),
        )
    )
    check(replace(GOOD, cap_bps=5000, ladder=steps(*((one, one) for one in range(1, 21)))))
    check(overrides(*[Override(rates_bps=(1,), product_id=f"{one:064d}") for one in range(500)]))


@pytest.mark.parametrize(("terms", "expected"), [one[1:] for one in BROKEN], ids=[one[0] for one in BROKEN])
def test_each_fault_is_named_with_its_place(terms: RuleTerms, expected: list[str]) -> None:
    assert paths(terms) == expected
    assert all(fault.message for fault in rules.faults(terms))


def test_all_faults_of_one_document_are_named_at_once() -> None:
    document = {
        "base_bps": [2001, 1, 1, 1],
        "cap_bps": 2000,
        "hold_days": 400,
        "max_levels": 4,
        "overrides": [
            {"category": "teaware", "rates_bps": [800]},
            {"category": "teaware", "rates_bps": [900]},
            {"product_id": "P1", "rates_bps": [1, -1]},
        ],
        "ladder": [{"from_fen": 500, "rate_bps": 100}, {"from_fen": 400, "rate_bps": 200}],
        "team_bonus": {"steps": [{"from_fen": 1, "rate_bps": 100}, {"from_fen": 2, "rate_bps": 100}]},
    }
    with pytest.raises(RuleFaultError) as refused:
        check(msgspec.convert(document, RuleTerms))
    expected = [
        "$.max_levels",
        "$.hold_days",
        "$.base_bps",
        "$.base_bps[0]",
        "$.base_bps",
        "$.overrides[1]",
        "$.overrides[2].rates_bps[1]",
        "$.ladder[1].from_fen",
        "$.team_bonus.steps[1].rate_bps",
    ]
    assert sorted(fault.path for fault in refused.value.faults) == sorted(expected)
    assert all(f"{fault.path}: {fault.message}" in refused.value.detail for fault in refused.value.faults)


@pytest.mark.parametrize(
    ("product_id", "category", "tier", "rates"),
    [
        ("P1", "teaware", Tier.GOLD, (1200, 600)),
        ("P1", "teaware", Tier.SILVER, (1100,)),
        ("P2", "teaware", Tier.GOLD, (800, 400, 200)),
        ("P2", "teaware", Tier.SILVER, (700, 300, 100)),
        ("P2", "tea", Tier.GOLD, ()),
        ("P2", "tea", Tier.SILVER, (1000, 500, 200)),
    ],
)
def test_the_most_particular_rates_hold(product_id: str, category: str, tier: Tier, rates: tuple[int, ...]) -> None:
    line = SaleLine(product_id, category, is_virtual=False, paid_fen=1)
    assert rulebook(GOOD).rates(line, tier) == rates


@pytest.mark.rule("M10")
def test_version_in_force_is_the_last_published_of_those_that_took_effect() -> None:
    hours = {1: 0, 2: 10, 3: 5, 4: 20}
    versions = [replace(rule_set(version=one), effective_from=NOW + timedelta(hours=at)) for one, at in hours.items()]

    def number(hour: float) -> int | None:
        found = in_force(versions, NOW + timedelta(hours=hour))
        return found.version if found else None

    assert [number(hour) for hour in (-0.1, 0, 4.9, 5, 10, 19.9, 20)] == [None, 1, 1, 3, 3, 3, 4]


def test_terms_of_a_version_are_those_it_was_made_of() -> None:
    assert terms_of(rules.rule_set(GOOD, 7, NOW)) == GOOD


@pytest.mark.rule("M19")
@pytest.mark.parametrize(("sales_fen", "rate_bps"), [(0, 0), (99, 0), (100, 10), (199, 10), (200, 20), (10**12, 20)])
def test_rate_of_a_month_is_that_of_the_highest_step_reached(sales_fen: int, rate_bps: int) -> None:
    assert step_rate_bps(steps((100, 10), (200, 20)), sales_fen) == rate_bps


# --- the published schema


def plain(terms: RuleTerms) -> dict[str, Any]:
    """The document as JSON has it."""
    document: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(terms))
    return document


def documents() -> Iterator[Any]:
    yield plain(GOOD)
    yield seed._RULES
    for sample in ("rule-create-draft", "rule-put-draft"):
        event = msgspec.json.decode((ROOT / "events" / f"{sample}.json").read_bytes())
        yield msgspec.json.decode(event["body"])["terms"]


def test_schema_takes_every_good_document() -> None:
    for document in documents():
        assert json_schema.faults(schema(), document) == []
        check(msgspec.convert(document, RuleTerms))


SEEN_BY_ONE_FIELD = {
    "$.max_levels",
    "$.cap_bps",
    "$.hold_days",
    "$.min_order_fen",
    "$.breaker.park_bps",
    "$.overrides[0].product_id",
    "$.ladder",
    "$.overrides",
}
"""Faults of a value by itself, which the schema's limits must therefore know of, too."""


@pytest.mark.parametrize(("terms", "expected"), [one[1:] for one in BROKEN], ids=[one[0] for one in BROKEN])
def test_schema_refuses_nothing_that_is_without_fault_and_knows_the_limits_of_each_field(
    terms: RuleTerms, expected: list[str]
) -> None:
    seen = json_schema.faults(schema(), plain(terms))
    assert set(seen) <= {*expected, "$.team_bonus"}
    if expected[0] in SEEN_BY_ONE_FIELD:
        assert expected[0] in seen


@pytest.mark.parametrize(
    "change",
    [
        {"base_bps": "1000"},
        {"base_bps": [1000.5]},
        {"cap_bps": None},
        {"self_purchase": "level_2"},
        {"overrides": [{"tier": "platinum", "rates_bps": []}]},
        {"overrides": [{"category": "c"}]},
        {"third_level": 1},
    ],
)
def test_schema_and_contract_refuse_other_types_alike(change: dict[str, Any]) -> None:
    document = plain(GOOD) | change
    assert json_schema.faults(schema(), document)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(document, RuleTerms)


def test_schema_is_of_2020_12_and_explains_every_field_in_chinese() -> None:
    document = schema()
    assert document["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    objects = [one for one in document["$defs"].values() if one.get("type") == "object"]
    assert len(objects) == 5
    for one in objects:
        for name, field in one["properties"].items():
            for text in (field["title"], field["description"]):
                assert any("\u4e00" <= char <= "\u9fff" for char in text), name
    assert "商品且等级 > 商品 > 类目且等级 > 类目 > 等级 > 基础费率" in str(document)
