"""The words of the ledger.

A journal is one immutable item holding all its postings, which sum to zero. Amounts are credit-positive: a promoter's
`held`, `available` and `reserved` are credits, a `debt` that the promoter owes is posted as a debit (M4).
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from msgspec import Struct, field


class TaxClass(StrEnum):
    """Kind of income; a wallet is kept for each, since a withdrawal draws one (M9)."""

    COMMISSION = "commission"
    REBATE = "rebate"
    """Cashback of one's own purchase: a discount on its price, no income."""


class Bucket(StrEnum):
    """The accounts of a promoter's wallet."""

    HELD = "held"
    AVAILABLE = "available"
    RESERVED = "reserved"
    DEBT = "debt"


class Platform(StrEnum):
    """The merchant's side. Nobody updates these in a transaction: they are folded from the journals (M8)."""

    COMMISSION_EXPENSE = "commission_expense"
    CAMPAIGN_EXPENSE = "campaign_expense"
    TAX_PAYABLE = "tax_payable"
    FEE_INCOME = "fee_income"
    PAID_OUT = "paid_out"
    WRITTEN_OFF = "written_off"


class WalletKey(Struct, frozen=True, order=True):
    """Whose wallet, for which kind of income."""

    member_id: str
    tax_class: TaxClass = TaxClass.COMMISSION


class Wallet(Struct, frozen=True):
    """Balances in fen, all at least zero; `available` or `debt` is zero (M4)."""

    held_fen: int = 0
    available_fen: int = 0
    reserved_fen: int = 0
    debt_fen: int = 0


class Movement(Struct, frozen=True, kw_only=True):
    """What an entry does to one wallet.

    A positive `free_fen` repays debt first and then becomes available; a negative one takes from what is available,
    and beyond that, if the entry may owe, makes a debt (M4, M5). `forgiven_fen` takes from the debt alone.
    """

    wallet: WalletKey
    held_fen: int = 0
    free_fen: int = 0
    reserved_fen: int = 0
    forgiven_fen: int = 0

    @property
    def sum_fen(self) -> int:
        """Return the sum of the postings that it will become."""
        return self.held_fen + self.free_fen + self.reserved_fen + self.forgiven_fen


class Entry(Struct, frozen=True, kw_only=True):
    """A journal to post: the n-th of its cause's collection (M1).

    `cause` holds ids, amounts and snapshot versions only, never balances or times of processing: its hash tells a
    replay from a contradiction (M3). `sale_fen` is what the entry says of net sales: plus what was paid, minus what was
    refunded; it posts nothing. `paid_day` is the Shanghai day of the payment to which the entry belongs, the first of
    the month for a bonus, empty for what belongs to no sale: shares of sales are taken by it (M16).

    Raises:
        ValueError: movements and platform postings do not sum to zero, or a wallet appears twice.
    """

    collection: str
    number: int
    event: str
    cause: Mapping[str, str | int]
    at: datetime
    movements: tuple[Movement, ...]
    platform: Mapping[Platform, int] = field(default_factory=dict)
    may_owe: bool = False
    sale_fen: int = 0
    paid_day: str = ""

    def __post_init__(self) -> None:
        """Check what every journal must hold."""
        if sum(move.sum_fen for move in self.movements) + sum(self.platform.values()):
            raise ValueError(f"the entry {self.collection} {self.event} does not sum to zero")
        if len({move.wallet for move in self.movements}) != len(self.movements):
            raise ValueError(f"the entry {self.collection} {self.event} moves a wallet twice")

    @property
    def hash(self) -> str:
        """Return the hash of the canonical cause (M3)."""
        return cause_hash(self.event, self.cause)


def cause_hash(event: str, cause: Mapping[str, str | int]) -> str:
    """Return the hash of an event and its canonical cause (M3)."""
    canonical = json.dumps([event, dict(cause)], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:32]


class Posting(Struct, frozen=True, array_like=True):
    """One line of a journal: an account and what it was credited with.

    Encoded as an array, so that a journal with all its postings stays under 1 KB, one write unit (M7).
    """

    member_id: str
    """Empty for the platform's accounts."""
    tax_class: str
    account: str
    amount_fen: int


class Journal(Struct, frozen=True, kw_only=True):
    """A posted entry; never changed, never removed.

    `at` is the instant of its event, `posted_at` the instant at which the books learned of it.
    """

    collection: str
    number: int
    event: str
    hash: str
    at: datetime
    posted_at: datetime
    postings: tuple[Posting, ...]
    sale_fen: int = 0
    paid_day: str = ""
