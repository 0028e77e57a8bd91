"""Journals and wallets in DynamoDB (`LEDGER_TABLE`).

`<collection>` / `j#000042` is a journal, `wallet#<member>` / `<tax class>` a wallet. No index on this table: one paid
order costs its journal and one update per wallet, nothing else.
"""

from collections.abc import Iterable, Iterator, Sequence
from enum import Enum, auto
from typing import Final

from pynamodb.attributes import UnicodeAttribute
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from fenxiao.aws.clients import client
from fenxiao.aws.dynamodb import IntegerAttribute, Item, JsonAttribute, MomentAttribute, RawItem, Transaction, table
from fenxiao.clock import Clock
from fenxiao.ledger.apply import WalletChange
from fenxiao.ledger.model import Entry, Journal, Posting, TaxClass, Wallet, WalletKey

_JOURNAL_PREFIX: Final = "j#"
_WALLET_PREFIX: Final = "wallet#"
MAX_JOURNALS: Final = 1000
"""Journals of one cause: an earning, a settlement and its refunds. Far above what an order can have."""


class JournalItem(Item):
    """A journal; put once, never changed."""

    Meta = table("LEDGER_TABLE")

    event = UnicodeAttribute()
    cause_hash = UnicodeAttribute()
    at = MomentAttribute()
    posted_at = MomentAttribute()
    postings: JsonAttribute[tuple[Posting, ...]] = JsonAttribute(tuple[Posting, ...])
    sale_fen = IntegerAttribute()
    paid_day = UnicodeAttribute(null=True)


class WalletItem(Item):
    """Balances of one member and tax class; created with explicit zeros. `revision` counts its updates."""

    Meta = table("LEDGER_TABLE")

    held_fen = IntegerAttribute()
    available_fen = IntegerAttribute()
    reserved_fen = IntegerAttribute()
    debt_fen = IntegerAttribute()
    revision = IntegerAttribute()


class Place(Enum):
    """What stands at an entry's number in its collection."""

    FREE = auto()
    SAME = auto()
    """The same event with the same cause: a replay."""
    OTHER_CAUSE = auto()
    """The same event with another cause: a contradiction (M3)."""
    OTHER_EVENT = auto()
    """Another writer was faster: the collection moved on."""

    @classmethod
    def of(cls, entry: Entry, event: str, cause_hash: str) -> "Place":
        """Compare an entry with the journal that stands at its number."""
        if event != entry.event:
            return cls.OTHER_EVENT
        return cls.SAME if cause_hash == entry.hash else cls.OTHER_CAUSE


class LedgerStore:
    """Reads of the ledger; its only writes go through `ledger.post`."""

    def __init__(self, clock: Clock) -> None:
        """Take the clock that says when the books learn of an event."""
        self.clock = clock

    def wallet(self, key: WalletKey) -> Wallet:
        """Return the wallet, read consistently; all zeros when nothing was ever posted to it."""
        try:
            item = WalletItem.get(_wallet_pk(key), key.tax_class, consistent_read=True)
        except WalletItem.DoesNotExist:
            return Wallet()
        return Wallet(item.held_fen, item.available_fen, item.reserved_fen, item.debt_fen)

    def wallets(self, keys: Iterable[WalletKey]) -> dict[WalletKey, Wallet]:
        """Return several wallets, read consistently in one round trip per hundred."""
        wanted = {(_wallet_pk(key), str(key.tax_class)): key for key in keys}
        found = dict.fromkeys(wanted.values(), Wallet())
        for item in WalletItem.batch_get(list(wanted), consistent_read=True):
            wallet = Wallet(item.held_fen, item.available_fen, item.reserved_fen, item.debt_fen)
            found[wanted[item.pk, item.sk]] = wallet
        return found

    def collection(self, name: str) -> list[Journal]:
        """Return all journals of a cause in order, read consistently (M1)."""
        items = JournalItem.query(
            name, JournalItem.sk.startswith(_JOURNAL_PREFIX), consistent_read=True, limit=MAX_JOURNALS
        )
        return [_journal(item) for item in items]

    def everything(self) -> Iterator[Journal | tuple[WalletKey, Wallet]]:
        """Yield every journal and every wallet, each as it is when it is reached, in no order that means anything."""
        scan = client("dynamodb").get_paginator("scan")
        pages = scan.paginate(TableName=WalletItem.Meta.table_name, ConsistentRead=True)
        for page in pages:
            for raw in page["Items"]:
                journal = journal_from_image(raw)
                yield journal or _wallet_from(raw)


def journal_from_image(image: RawItem) -> Journal | None:
    """Return the journal of a stream image, `None` for a wallet's."""
    if not image["sk"]["S"].startswith(_JOURNAL_PREFIX):
        return None
    return _journal(JournalItem.from_raw_data(image))


def put_journal(transaction: Transaction, journal: Journal) -> int:
    """Add the putting of a journal under the condition that its place is free: guard and lock at once (M1)."""
    item = JournalItem(
        pk=journal.collection,
        sk=f"{_JOURNAL_PREFIX}{journal.number:06d}",
        event=journal.event,
        cause_hash=journal.hash,
        at=journal.at,
        posted_at=journal.posted_at,
        postings=journal.postings,
        sale_fen=journal.sale_fen,
        paid_day=journal.paid_day or None,
    )
    return transaction.put(item, JournalItem.pk.does_not_exist())


def update_wallet(transaction: Transaction, key: WalletKey, change: WalletChange) -> int:
    """Add the one update of a wallet, under the conditions of M6."""
    if change.before is None:
        actions: list[Action] = [
            WalletItem.available_fen.set(WalletItem.available_fen | 0),
            WalletItem.reserved_fen.set(WalletItem.reserved_fen | 0),
            WalletItem.debt_fen.set(WalletItem.debt_fen | 0),
            WalletItem.held_fen.add(change.held_fen),
            WalletItem.revision.add(1),
        ]
        condition = None
    else:
        actions = [
            WalletItem.available_fen.set(change.after.available_fen),
            WalletItem.debt_fen.set(change.after.debt_fen),
            WalletItem.held_fen.add(change.held_fen),
            WalletItem.reserved_fen.add(change.reserved_fen),
            WalletItem.revision.add(1),
        ]
        condition = _as_read(change, change.before)
    return transaction.update(WalletItem, _wallet_pk(key), key.tax_class, actions, condition)


def _as_read(change: WalletChange, before: Wallet) -> Condition:
    condition: Condition = (
        (WalletItem.available_fen == before.available_fen)
        & (WalletItem.debt_fen == before.debt_fen)
        & (WalletItem.held_fen >= change.needed_held_fen)
        & (WalletItem.reserved_fen >= change.needed_reserved_fen)
    )
    if before == Wallet():
        condition = WalletItem.pk.does_not_exist() | condition
    return condition


def place_of(entry: Entry, raw: RawItem | None) -> Place:
    """Return what the item at an entry's place, as a cancelled transaction reports it, means for the entry."""
    return Place.OTHER_EVENT if raw is None else Place.of(entry, raw["event"]["S"], raw["cause_hash"]["S"])


def _wallet_pk(key: WalletKey) -> str:
    return f"{_WALLET_PREFIX}{key.member_id}"


def _wallet_from(raw: RawItem) -> tuple[WalletKey, Wallet]:
    item = WalletItem.from_raw_data(raw)
    key = WalletKey(item.pk.removeprefix(_WALLET_PREFIX), TaxClass(item.sk))
    return key, Wallet(item.held_fen, item.available_fen, item.reserved_fen, item.debt_fen)


def _journal(item: JournalItem) -> Journal:
    return Journal(
        collection=item.pk,
        number=int(item.sk.removeprefix(_JOURNAL_PREFIX)),
        event=item.event,
        hash=item.cause_hash,
        at=item.at,
        posted_at=item.posted_at,
        postings=_postings(item),
        sale_fen=item.sale_fen,
        paid_day=item.paid_day or "",
    )


def _postings(item: JournalItem) -> tuple[Posting, ...]:
    postings: Sequence[Posting] = item.postings
    return tuple(postings)
