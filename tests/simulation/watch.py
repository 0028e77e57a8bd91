"""What must hold at every moment: checked on each change of the ledger's table, as soon as it is there."""

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from fenxiao.clock import from_millis
from tests.simulation.model import Account
from tests.simulation.world import World, WrongError
from tests.support.memory_engine import Record
from tests.support.memory_engine.values import Item

_BUCKETS: Final = ("held", "available", "reserved", "debt")
_TABLE: Final = "LEDGER_TABLE"


@dataclass
class Collection:
    """The journals of one cause."""

    events: list[str] = field(default_factory=list)
    given: dict[Account, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    """By wallet and bucket, credit positive."""

    def shares(self) -> Counter[Account]:
        """Return what it has given each wallet, held or free."""
        return Counter({account: fen for account, buckets in self.given.items() if (fen := sum(buckets.values()))})

    def held(self, account: Account) -> int:
        """Return what it still holds for a wallet."""
        return self.given[account]["held"] if account in self.given else 0


class Watch:
    """The ledger as folded from its journals alone."""

    def __init__(self, world: World) -> None:
        """Begin with empty books."""
        self._world = world
        self._seen = 0
        self.collections: dict[str, Collection] = {}
        self.wallets: dict[Account, Counter[str]] = defaultdict(Counter)
        self.platform: Counter[str] = Counter()

    def look(self, *, undisturbed: bool = True) -> None:
        """Take in what changed since the last look.

        Args:
            undisturbed: Whether no other process came in between: then what was looked at before a write still held.

        Raises:
            WrongError: something changed in a way in which it must never.
        """
        fresh = self._world.tape.stream[self._seen :]
        self._seen += len(fresh)
        written: dict[Account, Item] = {}
        for record in fresh:
            if record.table == "WITHDRAWAL_TABLE" and undisturbed and _is_sent(record):
                self._check_gate(record)
            if record.table != _TABLE:
                continue
            place = record.keys["pk"]["S"]
            if place.startswith("wallet#"):
                _require(record.new is not None, f"{place} is gone")
                written[place.removeprefix("wallet#"), record.keys["sk"]["S"]] = record.new or {}
            else:
                _require(record.old is None and record.new is not None, f"a journal of {place} changed")
                self._take(place, record.new or {})
        for account, item in written.items():
            self._check_wallet(account, item)

    def _take(self, name: str, item: Item) -> None:
        collection = self.collections.setdefault(name, Collection())
        number, event = int(item["sk"]["S"].removeprefix("j#")), item["event"]["S"]
        _require(number == len(collection.events), f"{name} has no journal before number {number}")
        _require(event not in collection.events, f"{name} has two journals of {event}")
        _check_truth(self._world, name, event, collection)
        collection.events.append(event)
        postings: list[tuple[str, str, str, int]] = json.loads(item["postings"]["S"])
        _require(sum(fen for *_, fen in postings) == 0, f"{name} {event} does not sum to zero")
        for member_id, tax_class, bucket, fen in postings:
            if member_id:
                collection.given[member_id, tax_class][bucket] += fen
                self.wallets[member_id, tax_class][bucket] += -fen if bucket == "debt" else fen
            else:
                self.platform[bucket] += fen

    def _check_gate(self, record: Record) -> None:
        """Refuse a transfer to somebody who owes us, or is suspended (M24)."""
        withdrawal = json.loads((record.new or {})["data"]["S"])
        member_id = withdrawal["member_id"]
        owes = self.wallets[member_id, withdrawal.get("tax_class", "commission")]["debt"]
        standing = self._world.facts.people[member_id].standing_at(self._world.clock.now())
        whose = f"a transfer to {self._world.name(member_id)}"
        _require(not owes and standing != "suspended", f"{whose}, who owes {owes} fen and is {standing}")

    def _check_wallet(self, account: Account, item: Item) -> None:
        stands = {bucket: int(item[f"{bucket}_fen"]["N"]) for bucket in _BUCKETS}
        folded = {bucket: self.wallets[account][bucket] for bucket in _BUCKETS}
        whose = f"the wallet of {self._world.name(account[0])} ({account[1]})"
        _require(stands == folded, f"{whose} is {stands}, its journals say {folded}")
        _require(min(stands.values()) >= 0, f"{whose} is negative: {stands}")
        _require(not (stands["available"] and stands["debt"]), f"{whose} has both something and a debt: {stands}")


def _is_sent(record: Record) -> bool:
    """Tell whether a change of a withdrawal stores the request of its transfer."""
    return record.new is not None and "transferring" in str(record.new) and "transferring" not in str(record.old)


def _check_truth(world: World, name: str, event: str, collection: Collection) -> None:
    """Refuse a journal of what WeChat has not reported, a settlement too early, a second end of a withdrawal."""
    wechat, (kind, _, cause) = world.wechat, name.partition("#")
    if kind == "order":
        payment = wechat.payments.known.get(cause)
        _require(payment is not None and payment.paid_at is not None, f"{name} earns, but WeChat was not paid")
        if event.startswith("refund#"):
            refund = wechat.refunds.known.get(event.removeprefix("refund#"))
            done = refund is not None and refund.status == "SUCCESS"
            _require(done, f"{name} takes back for a refund that WeChat has not paid out")
        if event == "settle":
            _check_hold(world, cause)
    if kind == "withdrawal" and event in {"paid", "returned"}:
        _require(len(collection.events) == 1, f"{name} ends twice")
        bill = wechat.transfers.bills.get(cause)
        paid = bill is not None and bill.state == "SUCCESS"
        open_ = bill is not None and not bill.state.final
        _require(paid is (event == "paid") and not open_, f"{name} is {event}, but WeChat's bill is {bill}")


def _check_hold(world: World, order_id: str) -> None:
    """Refuse a settlement before its hold has passed, or before WeChat has released the money (M17)."""
    payment = world.wechat.payments.known[order_id]
    rules = world.facts.rules_at(payment.paid_at) if payment.paid_at else None
    received_at = from_millis(int(world.images()["ORDER_TABLE", order_id, "order"]["received_at"]["N"]))
    settles_at = received_at + timedelta(days=rules.hold_days if rules else 0)
    released_at = world.wechat.shipping.known.get(order_id)
    _require(released_at is not None, f"{world.name(order_id)} settles before WeChat released the money")
    _require(settles_at <= world.clock.now(), f"{world.name(order_id)} settles before {settles_at}")


def _require(holds: bool, otherwise: str) -> None:  # noqa: FBT001 - reads as a sentence
    if not holds:
        raise WrongError(otherwise)
