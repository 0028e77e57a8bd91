"""What people, WeChat, schedules and streams do: each deed is one line of the story, told before it is done."""

import random
from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from typing import Final

from fenxiao import wiring
from fenxiao.errors import DomainError, PassingError
from fenxiao.identity.person import tax_person
from fenxiao.ledger.model import TaxClass, WalletKey
from fenxiao.ledger.write_off import Debtor, RequestWriteOff, request_write_off
from fenxiao.order.close import cancel
from fenxiao.order.contract import LineRefund, PlaceOrder, RequestRefund, WantedLine
from fenxiao.order.delivery import confirm_receipt, record_settlement, ship
from fenxiao.order.model import Order, Refund
from fenxiao.order.payment import record_payment
from fenxiao.order.place import place
from fenxiao.order.prepay import prepay
from fenxiao.order.refunding import create_refund, record_refund
from fenxiao.relation.model import Standing
from fenxiao.relation.standing import set_standing
from fenxiao.review import decisions
from fenxiao.review.model import Case, CaseStatus, Reviewer, Verdict
from fenxiao.wechat.facts import PaymentResult, RefundResult, TransferResult, TransferState
from fenxiao.withdrawal.finish import transfer_ended
from fenxiao.withdrawal.model import Withdrawal
from fenxiao.withdrawal.request import Request, request_withdrawal
from tests.simulation.facts import Asked, Person, Sold, SoldLine
from tests.simulation.setting import ADDRESS_ID, GOODS, STAFF, draw_rules, product_id, publish
from tests.simulation.wechat import Letter
from tests.simulation.world import IDENTITY_KEY, World, WrongError

type Deed = Callable[[], bool]
"""Does something if there is something to do, and tells whether there was."""
type Attempt = Callable[[], None]
"""Asks for something under one idempotency key; may be done again."""

_LAPSES: Final = (
    *(timedelta(minutes=1), timedelta(minutes=11), timedelta(minutes=31), timedelta(hours=2)),
    *(timedelta(hours=25), timedelta(days=4), timedelta(days=8)),
)
_CASE_TABLE: Final = "CASE_TABLE"


class Deeds:
    """All deeds; lots are drawn from the history's dice."""

    def __init__(self, world: World, dice: random.Random) -> None:
        """Take the world in which they are done."""
        self.world, self.dice = world, dice
        self.unanswered: list[tuple[str, Attempt]] = []
        """Requests of which nobody knows whether they were done: their senders will send them again."""
        self.received: set[str] = set()
        self._in_hand: Letter | None = None
        self._keys = 0

    # --- buyers

    def place(self) -> bool:
        """Somebody orders one to three kinds of goods."""
        facts = self.world.facts
        buyers = list(facts.people)
        if facts.terms.binding == "first_order":
            # Whether an upline's own first order was taken in before an order below is placed is nobody's fact.
            uplines = {person.upline for person in facts.people.values()}
            buyers = [member_id for member_id in buyers if member_id not in uplines]
        regulars = [sold.buyer for sold in facts.sold.values()]
        buyer = self.dice.choice(regulars if regulars and self.dice.random() < 0.7 else buyers)
        key = self._key("order")
        numbers = sorted(self.dice.sample(range(len(GOODS)), self.dice.choice([1, 1, 2, 3])))
        wanted = [(f"{product_id(number)}-1", self.dice.choice([1, 1, 2, 4])) for number in numbers]
        request = PlaceOrder(lines=[WantedLine(*one) for one in wanted], address_id=ADDRESS_ID)

        def attempt() -> None:
            order = place(wiring.shop(), buyer, key, request)
            if order.order_id not in facts.sold:
                name = self.world.call(order.order_id, "order ")
                facts.sold[order.order_id] = self._sold(order, name, tuple(wanted))
                self.world.tell(f"→ {name}, {order.total_fen} fen")

        goods = ", ".join(
            f"{quantity} {GOODS[number][0]}" for number, (_, quantity) in zip(numbers, wanted, strict=True)
        )
        return self._insist(f"{self.world.name(buyer)} orders {goods}", attempt)

    def prepay(self) -> bool:
        """A buyer goes to the payment page."""
        sold = self._one(
            [one for one in self.world.facts.sold.values() if one.order_id not in self.world.wechat.payments.known]
        )
        if sold is None:
            return False
        self.world.tell(f"{self.world.name(sold.buyer)} goes to pay {sold.name}")
        prepay(wiring.cashier(), sold.buyer, sold.order_id)
        return True

    def pay(self) -> bool:
        """A buyer pays, in time; or, very rarely, what WeChat had closed turns out to be paid."""
        payments = self.world.wechat.payments
        now = self.world.clock.now()
        able = [
            order_id
            for order_id, one in payments.known.items()
            if (one.state == "NOTPAY" and now < one.terms[3]) or (one.state == "CLOSED" and self.dice.random() < 0.3)
        ]
        order_id = self._one(able)
        if order_id is None:
            return False
        late = " after WeChat had closed it" if payments.known[order_id].state == "CLOSED" else ""
        self.world.tell(f"{self.world.name(order_id)} is paid at WeChat{late}")
        payments.pay(order_id)
        return True

    def buy(self) -> bool:
        """Somebody orders and pays at once."""
        before = set(self.world.facts.sold)
        self.place()
        new = [one for order_id, one in self.world.facts.sold.items() if order_id not in before]
        for sold in new:
            prepay(wiring.cashier(), sold.buyer, sold.order_id)
            self.world.tell(f"{sold.name} is paid at WeChat")
            self.world.wechat.payments.pay(sold.order_id)
        return True

    def deliver_goods(self) -> bool:
        """An order goes all its way: sent, received, and its funds released by WeChat."""
        known = self.world.wechat.shipping.known
        sold = self._one([one for one in self._paid() if one.order_id not in known])
        if sold is None:
            return False
        order_id = sold.order_id
        self.world.tell(f"{sold.name} is shipped, received, and its funds are released")
        ship(wiring.dispatch(), order_id, "SF", f"SF{order_id[-8:]}")
        for shard in self.world.streams.waiting():
            if shard.consumer == "fulfilment":
                shard.deliver(90)
        confirm_receipt(wiring.orders(), sold.buyer, order_id, self.world.clock.now())
        self.received.add(order_id)
        if order_id in known:
            self.world.wechat.shipping.settle(order_id)
        return True

    def cancel(self) -> bool:
        """A buyer does not want an order any more."""
        sold = self._one(list(self.world.facts.sold.values())[-3:])
        if sold is None:
            return False
        self.world.tell(f"{self.world.name(sold.buyer)} cancels {sold.name}")
        cancel(wiring.closer(), sold.buyer, sold.order_id)
        return True

    def receive(self) -> bool:
        """A buyer says that the goods came."""
        sold = self._one([one for one in self._paid() if one.order_id in self.world.wechat.shipping.known])
        if sold is None:
            return False
        self.world.tell(f"{self.world.name(sold.buyer)} receives {sold.name}")
        confirm_receipt(wiring.orders(), sold.buyer, sold.order_id, self.world.clock.now())
        self.received.add(sold.order_id)
        return True

    # --- staff

    def ship(self) -> bool:
        """Staff send the goods."""
        sold = self._one([one for one in self._paid() if one.order_id not in self.world.wechat.shipping.known])
        if sold is None:
            return False
        self.world.tell(f"staff ship {sold.name}")
        ship(wiring.dispatch(), sold.order_id, "SF", f"SF{sold.order_id[-8:]}")
        return True

    def refund(self, which: Sold | None = None) -> bool:
        """Staff refund an amount, of some lines or of all, or everything that is left."""
        sold = which or self._one(self._paid())
        if sold is None:
            return False
        total = sum(line.paid_fen for line in sold.lines)
        some = self.dice.randint(1, max(1, total // self.dice.choice([1, 2, 10])))
        match self.dice.randrange(4):
            case 0:
                request, what = RequestRefund(reason="退货", all=True), "all that is left"
            case 1 | 2:
                request, what = RequestRefund(reason="破损", amount_fen=some), f"{some} fen"
            case _:
                number = self.dice.randrange(len(sold.lines))
                fen = self.dice.randint(1, sold.lines[number].paid_fen)
                request = RequestRefund(reason="少发", lines=[LineRefund(line=number, amount_fen=fen)])
                what = f"{fen} fen of line {number}"
        key = self._key("refund")

        def attempt() -> None:
            refund = create_refund(wiring.bookkeeper(), sold.order_id, key, request)
            self._note_refund(refund, some if request.amount_fen else None)

        return self._insist(f"staff refund {what} of {sold.name}", attempt)

    def publish(self) -> bool:
        """Staff publish rules that take effect soon."""
        facts, clock = self.world.facts, self.world.clock
        effective_from = clock.now() + timedelta(minutes=self.dice.choice([5, 6, 60]))
        rules = draw_rules(facts, self.dice, effective_from)
        self.world.tell(f"staff publish {rules}")
        publish(self.world, rules)
        return True

    def change_standing(self, whose: Person | None = None) -> bool:
        """Staff suspend a promoter, or reinstate one."""
        person = whose or self.dice.choice(list(self.world.facts.people.values()))
        now = self.world.clock.now()
        present = person.standings[-1][1]
        if present == "shopper":
            return False
        wanted = "suspended" if present == "promoter" else "promoter"
        self.world.tell(f"staff make {person.name} {wanted}")
        try:
            # What is paid while this is being written, nobody could say by which standing.
            with self.world.mischief.alone():
                set_standing(person.member_id, Standing(wanted), STAFF, "核查", wiring.members(), self.world.clock)
        finally:
            with self.world.mischief.during(None):
                member = wiring.members().get(person.member_id)
            if member and member.standings[-1].standing == wanted:  # whoever lost the answer looks at the page
                person.standings.append((now, wanted))
        return True

    def review(self) -> bool:
        """A reviewer decides on a case."""
        case = self._one(self.open_cases())
        if case is None:
            return False
        verdict = Verdict.APPROVE if self.dice.random() < 0.7 else Verdict.REJECT
        self.decide(case, self.dice.choice(["S2", "S3", "S4"]), verdict)
        return True

    def decide(self, case: Case, staff: str, verdict: Verdict) -> None:
        """Let a reviewer decide on a case."""
        self.world.tell(f"{staff} says {verdict} to {case.kind} of {self.world.name(case.subject_id)}")
        reviewer = Reviewer(staff_id=staff, person=f"person {staff}", is_lead=True)
        cases, clock = wiring.cases(), self.world.clock
        decisions.decide(cases, reviewer, case.case_id, case.round, verdict, "看过了", clock)

    def open_cases(self) -> list[Case]:
        """Return the cases that wait for somebody."""
        with self.world.mischief.during(None):
            found = [
                wiring.cases().get(place[1])
                for place, item in list(self.world.images().items())
                if place[0] == _CASE_TABLE and "queue" in item and item["queue"]["S"].endswith("#open")
            ]
        return [case for case in found if case and case.status is CaseStatus.OPEN]

    def write_off(self) -> bool:
        """Staff ask for a debt to be forgiven."""
        debts = {
            place[1].removeprefix("wallet#"): int(item["debt_fen"]["N"])
            for place, item in self.world.images().items()
            if place[0] == "LEDGER_TABLE" and place[2] == TaxClass.COMMISSION and "debt_fen" in item
        }
        member_id = self._one([one for one, fen in debts.items() if fen])
        if member_id is None:
            return False
        debt_fen = debts[member_id]
        fen, key = self.dice.randint(1, debt_fen), self._key("write-off")
        maker = Reviewer(staff_id=STAFF, person="person S1", is_lead=False)
        debtor = Debtor(member_id, tax_person(member_id, IDENTITY_KEY))

        def attempt() -> None:
            request = RequestWriteOff(amount_fen=fen, reason="无法追回")
            request_write_off(wiring.ledger(), wiring.docket(), maker, debtor, key, request)

        return self._insist(f"staff ask to forgive {self.world.name(member_id)} {fen} fen", attempt)

    # --- promoters

    def withdraw(self, who: Person | None = None) -> bool:
        """A member asks for money, usually for no more than there is."""
        person = who or self.dice.choice(list(self.world.facts.people.values()))
        tax_class = self.dice.choice([TaxClass.COMMISSION] * 4 + [TaxClass.REBATE])
        with self.world.mischief.during(None):
            available_fen = wiring.ledger().wallet(WalletKey(person.member_id, tax_class)).available_fen
        if available_fen < 100 and self.dice.random() < 0.8:
            return False
        most = max(100, available_fen)
        fen = self.dice.choice([most, self.dice.randint(100, most), min(most, 4_000), most + 1])
        name = "王小明" if self.dice.random() < 0.7 else None
        request = Request(
            member_id=person.member_id,
            idempotency_key=self._key("withdrawal"),
            amount_fen=fen,
            payee_name=name,
            tax_class=tax_class,
        )

        def attempt() -> None:
            self._note_withdrawal(request_withdrawal(wiring.withdrawal_desk(), request, IDENTITY_KEY))

        return self._insist(f"{person.name} asks for {fen} fen ({tax_class})", attempt)

    def send_again(self) -> bool:
        """Somebody who got no answer sends the request again; so, now and then, does one who got it."""
        if not self.unanswered:
            return False
        number = self.dice.randrange(len(self.unanswered))
        what, attempt = self.unanswered[number]
        self.world.tell(f"once more: {what}")
        self._answered(what, attempt, forget=True)
        return True

    # --- WeChat

    def work_on_refund(self) -> bool:
        """WeChat pays out a refund, closes it, or leaves it to the merchant for the moment."""
        refund_id = self._one(self.world.wechat.refunds.open())
        if refund_id is None:
            return False
        status = self.dice.choice(["SUCCESS"] * 7 + ["CLOSED", "ABNORMAL"])
        if status == "CLOSED" and refund_id not in self.world.facts.refunds:
            status = "SUCCESS"  # what was refunded of itself, after a close: staff would have to do it by hand
        self.end_refund(refund_id, status)
        return True

    def end_refund(self, refund_id: str, status: str) -> None:
        """Let WeChat say where a refund stands."""
        self.world.tell(f"WeChat: {self.world.call(refund_id, 'refund ')} is {status}")
        self.world.wechat.refunds.end(refund_id, status)

    def work_on_transfer(self) -> bool:
        """A transfer goes on at WeChat, by itself or by the payee's hand."""
        number = self._one(self.world.wechat.transfers.open())
        if number is None:
            return False
        waits = self.world.wechat.transfers.bills[number].state is TransferState.WAIT_USER_CONFIRM
        ends = [TransferState.SUCCESS] * 4 + [TransferState.FAIL, TransferState.CANCELLED]
        self.move_transfer(number, self.dice.choice(ends) if waits else TransferState.WAIT_USER_CONFIRM)
        return True

    def move_transfer(self, number: str, state: TransferState) -> None:
        """Let a transfer come to a state."""
        self.world.tell(f"WeChat: the transfer of {self.world.name(number)} is {state}")
        self.world.wechat.transfers.move(number, state)

    def run_out_of_money(self) -> bool:
        """The merchant's balance at WeChat runs short, or is filled again."""
        transfers = self.world.wechat.transfers
        transfers.poor = not transfers.poor
        self.world.tell(f"the merchant's balance is {'short' if transfers.poor else 'filled'}")
        return True

    def release_funds(self) -> bool:
        """WeChat releases an order's funds after its receipt."""
        shipping = self.world.wechat.shipping
        order_id = self._one([one for one, at in shipping.known.items() if at is None and one in self.received])
        if order_id is None:
            return False
        self.world.tell(f"WeChat releases the funds of {self.world.name(order_id)}")
        shipping.settle(order_id)
        return True

    def letter(self, about: Collection[str] = ()) -> bool:
        """A notification arrives: late, out of order, perhaps again, perhaps never."""
        letters = self.world.wechat.line.letters
        others = [letter for letter in letters if letter is not self._in_hand]
        one = self._one([letter for letter in others if self._concerns(letter) & set(about)] or letters)
        if one is None:
            return False
        lot = self.dice.random()
        what = f"{type(one).__name__} of {self.world.name(_subject(one))}"
        if lot < 0.05 and not self._is_late(one):
            self.world.tell(f"never arrives: {what}")
            letters.remove(one)
            return True
        self.world.tell(f"arrives: {what}")
        self._in_hand, before = one, self._in_hand
        try:
            self.take_in(one)
        finally:
            self._in_hand = before
        if lot < 0.8 and one in letters:
            letters.remove(one)
        return True

    def _is_late(self, letter: Letter) -> bool:
        """Tell whether only this letter says so: nobody asks about a closed order but the daily reconciliation."""
        return isinstance(letter, PaymentResult) and self.world.wechat.payments.known[letter.out_trade_no].late

    def _concerns(self, letter: Letter) -> set[str]:
        """Return the order or withdrawal that a notification is about, and whose it is."""
        order_id = letter.out_trade_no if not isinstance(letter, TransferResult) else letter.out_bill_no
        sold, asked = self.world.facts.sold.get(order_id), self.world.facts.asked.get(order_id)
        return {order_id, sold.buyer if sold else "", asked.member_id if asked else ""} - {""}

    def take_in(self, one: Letter) -> None:
        """Take in a notification, as its function does."""
        if isinstance(one, PaymentResult):
            record_payment(wiring.bookkeeper(), one)
        elif isinstance(one, RefundResult):
            record_refund(wiring.bookkeeper(), one)
        elif isinstance(one, TransferResult):
            transfer_ended(wiring.withdrawal_books(), one)
        else:
            record_settlement(wiring.orders(), one, self.world.clock.now())

    # --- streams, machines, schedules, time

    def stream(self) -> bool:
        """A consumer gets a batch of one shard."""
        shard = self._one(self.world.streams.waiting())
        if shard is None:
            return False
        size = self.dice.choice([1, 2, 90, 90, 90])
        again = self.dice.random() < 0.15
        records = f"{min(size, len(shard.waiting))} records{', which will come again' if again else ''}"
        self.world.tell(f"stream: {shard.consumer}, shard {shard.number}: {records}")
        shard.deliver(size, again=again)
        return True

    def all_streams(self) -> bool:
        """Everything that waits is delivered once; what that brings about waits."""
        shards = self.world.streams.waiting()
        if not shards:
            return False
        self.world.tell(f"streams: all that waits, {sum(len(shard.waiting) for shard in shards)} records")
        for shard in self.dice.sample(shards, len(shards)):
            shard.deliver(90)
        return True

    def old_record(self) -> bool:
        """Somebody sends a record again that was read long ago."""
        shard = self._one([one for one in self.world.streams.shards if one.read])
        if shard is None:
            return False
        number = self.dice.randrange(len(shard.read))
        self.world.tell(f"record {number} of {shard.consumer}, shard {shard.number}, is sent again")
        shard.send_again(number)
        return True

    def machine(self) -> bool:
        """An execution goes on: by one step, or as far as it can."""
        execution = self._one(self.world.machines.runnable())
        if execution is None:
            return False
        for _ in range(1 if self.dice.random() < 0.3 else 12):
            if execution.runnable:
                name = self.world.name(execution.data.get("withdrawal_id", "a review"))
                self.world.tell(f"machine: {execution.state} of {name}")
                self.world.machines.step(execution)
        return True

    def schedule(self) -> bool:
        """A schedule runs."""
        function = self.dice.choice(["settlement", "order_sweeper", "withdrawal_sweeper"])
        self.world.tell(f"schedule: {function}")
        self.world.run(function)
        return True

    def pass_time(self) -> bool:
        """Time passes."""
        lapse = self.dice.choice(_LAPSES)
        self.world.clock.moment += lapse
        self.world.tell(f"{lapse} later")
        return True

    # --- helpers

    def _insist(self, what: str, attempt: Attempt) -> bool:
        """Ask for something; it is asked for again later unless it was answered, and now and then all the same."""
        self.world.tell(what)
        self.unanswered.append((what, attempt))
        self._answered(what, attempt, forget=self.dice.random() < 0.9)
        return True

    def _answered(self, what: str, attempt: Attempt, *, forget: bool) -> None:
        try:
            attempt()
        except PassingError:
            raise
        except DomainError:
            self.unanswered = [one for one in self.unanswered if one != (what, attempt)]
            raise
        if forget:
            self.unanswered = [one for one in self.unanswered if one != (what, attempt)]

    def _sold(self, order: Order, name: str, pieces: tuple[tuple[str, int], ...]) -> Sold:
        """Return what was sold, at the prices that everybody knows."""
        goods = {f"{product_id(number)}-1": (product_id(number), *one[1:]) for number, one in enumerate(GOODS)}
        lines = []
        for sku_id, quantity in pieces:
            sold_id, category, is_virtual, price_fen = goods[sku_id]
            lines.append(SoldLine(sold_id, category, is_virtual, price_fen * quantity))
        if self.world.facts.terms.freight_fen and not all(line.is_virtual for line in lines):
            lines.append(SoldLine("freight", "freight", is_virtual=False, paid_fen=self.world.facts.terms.freight_fen))
        return Sold(order.order_id, name, order.member_id, order.placed_at, tuple(lines), pieces)

    def _note_refund(self, refund: Refund, amount_fen: int | None) -> None:
        if refund.refund_id not in self.world.facts.refunds:
            name = self.world.call(refund.refund_id, "refund ")
            self.world.facts.refunds[refund.refund_id] = (refund.order_id, refund.line_fens)
            self.world.tell(f"→ {name}, {refund.line_fens}")
            if amount_fen is not None and sum(refund.line_fens) != amount_fen:
                raise WrongError(f"{name} takes {refund.line_fens}, not {amount_fen} fen")

    def _note_withdrawal(self, withdrawal: Withdrawal) -> None:
        if withdrawal.withdrawal_id not in self.world.facts.asked:
            name = self.world.call(withdrawal.withdrawal_id, "withdrawal ")
            self.world.facts.asked[withdrawal.withdrawal_id] = Asked(
                withdrawal.withdrawal_id, name, withdrawal.member_id, withdrawal.tax_class, withdrawal.amount_fen
            )
            self.world.tell(f"→ {name}")

    def _paid(self) -> list[Sold]:
        known = self.world.wechat.payments.known
        return [one for one in self.world.facts.sold.values() if one.order_id in known and known[one.order_id].paid_at]

    def _key(self, kind: str) -> str:
        self._keys += 1
        return f"{kind}-{self._keys:04d}"

    def _one[T](self, several: Sequence[T]) -> T | None:
        return several[self.dice.randrange(len(several))] if several else None


def _subject(letter: Letter) -> str:
    if isinstance(letter, RefundResult):
        return letter.out_refund_no
    return letter.out_bill_no if isinstance(letter, TransferResult) else letter.out_trade_no
