"""Everybody and everything that is there when a history begins: members, goods, rules and some money."""

import random
from datetime import datetime, timedelta
from typing import Final

from fenxiao import wiring
from fenxiao.aws.dynamodb import Transaction
from fenxiao.catalogue.model import Product, Sku, sku_id_of
from fenxiao.catalogue.stock import spread
from fenxiao.commission.drafts import Release, Version
from fenxiao.commission.rules import Breaker, Override, RuleSet, SelfPurchase, check
from fenxiao.commission.store import RuleStore
from fenxiao.ledger.model import Entry, Movement, Platform, WalletKey
from fenxiao.ledger.post import post
from fenxiao.order.items import ADDRESS, AddressItem
from fenxiao.order.model import Address
from fenxiao.relation.model import Hop, Member, Standing, StandingChange, Tier, TierChange
from fenxiao.relation.store import put_member
from tests.simulation.facts import Facts, Person, Rate, Rules, Terms
from tests.simulation.world import BINDING_DAYS, START, World

ADDRESS_ID: Final = "home"
STAFF: Final = "S1"
GOODS: Final = (
    ("tea", "tea", False, 1_999),
    ("pot", "ware", False, 88_000),
    ("book", "print", False, 12_345),
    ("course", "tea", True, 9_900),
)
"""Title, category, whether virtual, price."""
STOCK: Final = 40
_STOCK_SHARDS: Final = 2
_LONG_AGO: Final = START - timedelta(days=60)
_NAMES: Final = "ABCDEFG"


def terms_of(dice: random.Random) -> Terms:
    """Draw what the deployment decides."""
    return Terms(
        binding=dice.choice(["permanent", "permanent", "days", "first_order"]),
        max_levels=dice.choice([3, 3, 3, 2, 1]),
        freight_fen=dice.choice([0, 800]),
        fee_bps=dice.choice([0, 60]),
        tax_method=dice.choice(["labour", "labour", "cumulative"]),
    )


def populate(world: World, dice: random.Random) -> None:
    """Put the members with their addresses, the goods, the first rules, and what some members had before."""
    facts, transaction = world.facts, Transaction()
    lines: dict[str, tuple[Hop, ...]] = {}
    for number in range(dice.randint(4, len(_NAMES))):
        person = _person(facts, number, dice)
        world.names[person.member_id] = person.name
        facts.people[person.member_id] = person
        hop = (Hop(member_id=person.upline, valid_until=person.bound_until),) if person.upline else ()
        lines[person.member_id] = (*hop, *lines.get(person.upline or "", ()))[:3]
        put_member(transaction, _member(person, lines[person.member_id]))
        address = Address(recipient="丁", phone="13800000004", region="浙江省杭州市西湖区", street="龙井路 1 号")
        transaction.put(AddressItem(person.member_id, ADDRESS + ADDRESS_ID, address=address))
    transaction.commit()
    world.streams.skip()
    for number, (title, category, is_virtual, price_fen) in enumerate(GOODS):
        _put_product(number, title, category, price_fen, is_virtual=is_virtual)
    publish(world, draw_rules(facts, dice, START - timedelta(days=1)))
    for member_id in facts.people:
        if dice.random() < 0.35:
            facts.given[member_id, "commission"] = fen = dice.choice([3_000, 60_000, 250_000])
            _give(member_id, fen)


def product_id(number: int) -> str:
    """Return the id of the n-th of the goods."""
    return f"P{number:026d}"


def draw_rules(facts: Facts, dice: random.Random, effective_from: datetime) -> Rules:
    """Draw the next version of the rules."""
    exceptions = (
        Rate((2_000, 400), product_id=product_id(1)),
        Rate((1_500, 700, 300), tier="gold"),
        Rate((300, 200, 100), category="print"),
        Rate((900, 800, 700), category="tea", tier="silver"),
        Rate((2_200,), product_id=product_id(0), tier="gold"),
    )
    return Rules(
        version=len(facts.rules) + 1,
        effective_from=effective_from,
        max_levels=dice.choice([3, 3, 2]),
        base_bps=dice.choice([(1_000, 500), (800, 300), (33, 7)]),
        cap_bps=2_500,
        hold_days=dice.choice([0, 3, 7]),
        self_purchase=dice.random() < 0.3,
        min_order_fen=dice.choice([0, 0, 5_000]),
        cashback_bps=dice.choice([0, 0, 500, 1_000]),
        park_bps=dice.choice([3_000, 3_000, 3_000, 3_000, 900]),
        exceptions=tuple(one for one in exceptions if dice.random() < 0.4),
    )


def publish(world: World, rules: Rules) -> None:
    """Publish a version, as another process than the one that follows the orders; it is a fact once it is written."""
    limit = rules.max_levels
    document = RuleSet(
        version=rules.version,
        effective_from=rules.effective_from,
        max_levels=limit,
        base_bps=rules.base_bps[:limit],
        cap_bps=rules.cap_bps,
        hold_days=rules.hold_days,
        self_purchase=SelfPurchase.LEVEL_1 if rules.self_purchase else SelfPurchase.NONE,
        min_order_fen=rules.min_order_fen,
        cashback_bps=rules.cashback_bps,
        breaker=Breaker(park_bps=rules.park_bps, alarm_bps=max(rules.park_bps, 3_000)),
        overrides=tuple(
            Override(
                rates_bps=one.rates_bps[:limit],
                product_id=one.product_id,
                category=one.category,
                tier=Tier(one.tier) if one.tier else None,
            )
            for one in rules.exceptions
        ),
    )
    check(document)
    release = Release(title="规则", published_by=STAFF, published_at=rules.effective_from)
    try:
        RuleStore().publish(Version(document, release))
    finally:
        with world.mischief.during(None):
            written = RuleStore().history()  # whoever lost the answer looks at the page
        if len(written) > len(world.facts.rules):
            world.facts.rules.append(rules)


def _person(facts: Facts, number: int, dice: random.Random) -> Person:
    name = _NAMES[number]
    upline = dice.choice([*list(facts.people)[-3:], list(facts.people)[-1]]) if facts.people else None
    bound_at = START - timedelta(days=dice.randrange(BINDING_DAYS))
    expires = facts.terms.binding == "days" and upline is not None
    tiers = [(_LONG_AGO, dice.choice(["standard", "standard", "silver", "gold"]))]
    if dice.random() < 0.3:
        tiers.append((START + timedelta(minutes=dice.randrange(20_000)), dice.choice(["silver", "gold"])))
    return Person(
        member_id=f"M{'0' * 25}{name}",
        name=name,
        upline=upline,
        bound_until=bound_at + timedelta(days=BINDING_DAYS) if expires else None,
        standings=[(_LONG_AGO, "promoter" if dice.random() < 0.85 else "shopper")],
        tiers=tiers,
    )


def _member(person: Person, line: tuple[Hop, ...]) -> Member:
    return Member(
        member_id=person.member_id,
        openid=f"openid-{person.name}",
        joined_at=_LONG_AGO,
        line=line,
        bound_at=_LONG_AGO if line else None,
        standings=tuple(StandingChange(since=since, standing=Standing(value)) for since, value in person.standings),
        tiers=tuple(
            TierChange(since=since, tier=Tier(value), by=STAFF, reason="业绩") for since, value in person.tiers
        ),
    )


def _put_product(number: int, title: str, category: str, price_fen: int, *, is_virtual: bool) -> None:
    product = Product(
        product_id=product_id(number),
        title=title,
        category=category,
        is_virtual=is_virtual,
        skus=(Sku(sku_id=sku_id_of(product_id(number), 1), title="一件", price_fen=price_fen),),
        stock_shards=_STOCK_SHARDS,
        published_at=START,
        on_sale=True,
    )
    wiring.catalogue().create(product, spread(product.skus[0].sku_id, STOCK, _STOCK_SHARDS))


def _give(member_id: str, fen: int) -> None:
    entry = Entry(
        collection=f"bonus#2026-02#{member_id}",
        number=0,
        event="settle",
        cause={"fen": fen},
        at=START,
        movements=(Movement(wallet=WalletKey(member_id), free_fen=fen),),
        platform={Platform.COMMISSION_EXPENSE: -fen},
        paid_day="2026-02-01",
    )
    assert post(wiring.ledger(), entry)
