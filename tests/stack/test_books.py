"""A longer history by chance, over HTTP: afterwards every wallet is the sum of its statement, and the books balance."""

import json
import random
import secrets
from collections import Counter
from functools import partial

from infra.local.api_client import wait_for
from tests.stack.support import DAY, HOLD, NO_MONEY, TIMEOUT_SECONDS, Person, World

ORDERS = 10
BUCKETS = ("held", "available", "reserved", "debt")


class History:
    """A chain of three promoters and two buyers; what happens to them is drawn from a seed."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.chance = random.Random(seed)
        self.promoters = world.chain("A", "B", "C")
        self.buyers = [world.person("D"), world.promoter("E")]
        for buyer, above in zip(self.buyers, (self.promoters[2], self.promoters[1]), strict=True):
            world.bind(buyer, above)
        self.sku_ids = [world.sku(fen) for fen in (9_999, 33_333, 120_007)]
        self.owner: dict[str, Person] = {}
        self.delivered: set[str] = set()

    @property
    def people(self) -> list[Person]:
        return [*self.promoters, *self.buyers]

    def buy(self) -> None:
        buyer = self.chance.choice(self.buyers)
        skus = self.chance.sample(self.sku_ids, self.chance.randint(1, 3))
        order_id = self.world.paid_order(buyer, {sku_id: self.chance.randint(1, 3) for sku_id in skus})
        self.owner[order_id] = buyer

    def refund(self) -> None:
        order_id = self.chance.choice(sorted(self.owner))
        left = sum(line["paid_fen"] - line["refunded_fen"] for line in self.world.staff_order(order_id)["lines"])
        if left:
            refund = self.world.refund(order_id, amount_fen=self.chance.randint(1, left))
            self.world.wait_for_refund(order_id, refund["refund_id"])

    def settle(self) -> None:
        for order_id in sorted(set(self.owner) - self.delivered):
            order = self.world.staff_order(order_id)
            if sum(line["paid_fen"] - line["refunded_fen"] for line in order["lines"]):
                self.world.deliver(self.owner[order_id], order_id)
            self.delivered.add(order_id)
        self.world.sandbox.advance(HOLD)

    def withdraw(self) -> None:
        promoter = self.chance.choice(self.promoters)
        available = min(promoter.wallet["available_fen"], 5_000)
        if available < 100:
            return
        withdrawal_id = self.world.withdraw(promoter, self.chance.randint(100, available))
        end = self.chance.choice(("confirm", "confirm", "let expire"))
        if self.world.wait_for_turn(promoter, withdrawal_id) == "in_review":
            verdict = self.chance.choice(("approve", "reject"))
            self.world.decide(self.world.finance, self.world.wait_for_case(withdrawal_id), verdict)
            if verdict == "reject":
                self.world.wait_for_withdrawal(promoter, withdrawal_id, "returned")
                return
        if end == "confirm":
            self.world.confirm(promoter, withdrawal_id)
            self.world.wait_for_withdrawal(promoter, withdrawal_id, "paid")
        else:
            self.world.wait_for_package(promoter, withdrawal_id)
            self.world.sandbox.advance(DAY + 3_600)
            self.world.wait_for_withdrawal(promoter, withdrawal_id, "returned")

    def play(self) -> None:
        for _ in range(ORDERS):
            self.buy()
            for step in self.chance.sample((self.refund, self.settle, self.withdraw, self.withdraw), 2):
                step()
        self.settle()


def folded(person: Person) -> dict[str, int]:
    """Return the sum of a person's statement lines of commission."""
    sums = Counter(NO_MONEY)
    for line in person.pages("/statement", 7):
        if line["tax_class"] == "commission":
            sums.update({name: line[name] for name in NO_MONEY})
    return dict(sums)


def agrees(person: Person) -> bool | None:
    return folded(person) == person.wallet or None


def test_after_a_history_by_chance_wallets_are_their_statements_and_the_books_balance(world: World) -> None:
    seed = secrets.randbelow(10**9)
    print(f"the history's seed is {seed}")  # noqa: T201 - pytest shows it when the test fails
    history = History(world, seed)
    history.play()
    for person in history.people:
        wait_for(
            f"{person.name}'s statement to have come as far as the wallet",
            partial(agrees, person),
            TIMEOUT_SECONDS,
        )
        assert min(person.wallet.values()) >= 0
        assert 0 in (person.wallet["available_fen"], person.wallet["debt_fen"])
    check_books(world)


def check_books(world: World) -> None:
    """Check the whole ledger of this worker's stack: every journal sums to zero, every wallet is its postings."""
    balances: Counter[tuple[str, ...]] = Counter()
    wallets: dict[tuple[str, ...], int] = {}
    journals = 0
    for item in world.scan("LedgerTable"):
        if item["sk"]["S"].startswith("j#"):
            postings = json.loads(item["postings"]["S"])
            assert sum(fen for *_, fen in postings) == 0, item
            balances.update({(*owner, account): fen for *owner, account, fen in postings if owner[0]})
            journals += 1
        else:
            owner = item["pk"]["S"].removeprefix("wallet#"), item["sk"]["S"]
            signs = {"debt": -1}
            for bucket in BUCKETS:
                wallets[*owner, bucket] = signs.get(bucket, 1) * int(item[f"{bucket}_fen"]["N"])
    assert journals > ORDERS
    assert wallets == {key: balances[key] for key in wallets}
    assert {key for key, fen in balances.items() if fen} <= set(wallets)
