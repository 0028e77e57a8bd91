"""What happened, as who was there would tell it: what people did and WeChat did, nothing of how it was processed."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime


@dataclass
class Person:
    """A member: whom they stand under, and what they were from when on."""

    member_id: str
    name: str
    upline: str | None
    bound_until: datetime | None
    standings: list[tuple[datetime, str]]
    tiers: list[tuple[datetime, str]]

    def __str__(self) -> str:
        """Return what the story says of them."""
        under = f"under {self.upline[-1]}" if self.upline else "on top"
        until = f" until {self.bound_until:%m-%d %H:%M}" if self.bound_until else ""
        tiers = ", ".join(f"{tier} from {since:%m-%d %H:%M}" for since, tier in self.tiers)
        return f"{self.name} is {under}{until}, a {self.standings[-1][1]}, {tiers}"

    def standing_at(self, moment: datetime) -> str:
        """Return the standing; a change counts from the beginning of its second, as WeChat tells seconds only."""
        return _last(self.standings, moment, "shopper")

    def tier_at(self, moment: datetime) -> str:
        """Return the tier, likewise."""
        return _last(self.tiers, moment, "standard")


@dataclass(frozen=True)
class Rate:
    """An exception of the rules."""

    rates_bps: tuple[int, ...]
    product_id: str | None = None
    category: str | None = None
    tier: str | None = None

    def __str__(self) -> str:
        """Return what the story says of it."""
        where = [self.product_id and f"product {self.product_id[-1]}", self.category, self.tier]
        return f"{'/'.join(one for one in where if one)} {self.rates_bps}"


@dataclass(frozen=True)
class Rules:
    """A version of the rules."""

    version: int
    effective_from: datetime
    max_levels: int
    base_bps: tuple[int, ...]
    cap_bps: int
    hold_days: int
    self_purchase: bool
    min_order_fen: int
    cashback_bps: int
    park_bps: int
    exceptions: tuple[Rate, ...]

    def __str__(self) -> str:
        """Return what the story says of them."""
        exceptions = "; ".join(str(one) for one in self.exceptions) or "none"
        return (
            f"rules {self.version}, from {self.effective_from:%m-%d %H:%M:%S}: {self.max_levels} levels, "
            f"base {self.base_bps}, cap {self.cap_bps}, hold {self.hold_days} days, minimum {self.min_order_fen}, "
            f"cashback {self.cashback_bps}, breaker {self.park_bps}"
            f"{', self-purchase' if self.self_purchase else ''}, exceptions: {exceptions}"
        )


@dataclass(frozen=True)
class SoldLine:
    """A line of an order."""

    product_id: str
    category: str
    is_virtual: bool
    paid_fen: int


@dataclass
class Sold:
    """An order that was placed."""

    order_id: str
    name: str
    buyer: str
    placed_at: datetime
    lines: tuple[SoldLine, ...]
    pieces: tuple[tuple[str, int], ...]
    """SKUs and how many of each."""


@dataclass(frozen=True)
class Asked:
    """A withdrawal that was taken down."""

    withdrawal_id: str
    name: str
    member_id: str
    tax_class: str
    amount_fen: int


@dataclass(frozen=True)
class Terms:
    """What the deployment decides, for the length of a history."""

    binding: str
    max_levels: int
    freight_fen: int
    fee_bps: int
    tax_method: str


@dataclass
class Facts:
    """All of it."""

    terms: Terms
    people: dict[str, Person] = field(default_factory=dict)
    rules: list[Rules] = field(default_factory=list)
    sold: dict[str, Sold] = field(default_factory=dict)
    refunds: dict[str, tuple[str, tuple[int, ...]]] = field(default_factory=dict)
    """By number: the order, and what it takes of each line."""
    asked: dict[str, Asked] = field(default_factory=dict)
    given: dict[tuple[str, str], int] = field(default_factory=dict)
    """What members had before, by member and tax class."""

    def chain(self, member_id: str, placed_at: datetime) -> list[tuple[Person, bool]]:
        """Return who stands above a member, nearest first, and whether all bindings up to them hold."""
        found: list[tuple[Person, bool]] = []
        holds = True
        person = self.people[member_id]
        while person.upline is not None and len(found) < self.terms.max_levels:
            holds = holds and (person.bound_until is None or placed_at < person.bound_until)
            person = self.people[person.upline]
            found.append((person, holds))
        return found

    def rules_at(self, moment: datetime) -> Rules | None:
        """Return the version in force: the last published of those that took effect."""
        return next((one for one in reversed(self.rules) if one.effective_from <= moment), None)


def _last(changes: Sequence[tuple[datetime, str]], moment: datetime, otherwise: str) -> str:
    found = otherwise
    for since, value in changes:
        if since.replace(microsecond=0) <= moment:
            found = value
    return found
