"""One seeded history: a story of random deeds and mishaps, its quiet end, and the judgement of the model."""

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from fenxiao import wiring
from fenxiao.clock import from_millis
from fenxiao.review.model import Verdict
from fenxiao.wechat.facts import TransferState
from tests.simulation.deeds import Deed, Deeds
from tests.simulation.faults import CrashError, Kind, Mishap, subjects
from tests.simulation.judgement import audit, judge
from tests.simulation.setting import populate, terms_of
from tests.simulation.tape import Place, Queues, Tape
from tests.simulation.watch import Watch
from tests.simulation.wechat import Trouble
from tests.simulation.world import World, WrongError, is_foreseen, world_of
from tests.support.memory_engine.engine import Params

_EVENTS: Final = 24
_MISHAPS: Final = 0.3
_TROUBLES: Final = 0.08
_PAST: Final = 0.5
"""How often a history begins with orders that are through already."""
_AUDITED: Final = 20
"""Every so many histories are audited by the product itself."""
_APPROVED: Final = 0.8
_MAX_ROUNDS: Final = 60
_MAX_LOOKS: Final = 6
_LAPSE: Final = timedelta(hours=6)
"""So long the schedules rest in the end, so that they find more to do at once."""
_SCHEDULES: Final = {
    **dict.fromkeys(("close", "receive", "refund"), "order_sweeper"),
    **dict.fromkeys(("earn", "clawback", "settle"), "settlement"),
    **dict.fromkeys(("stuck", "transfer", "case"), "withdrawal_sweeper"),
}
"""Which schedule does which kind of due work."""


class HistoryError(AssertionError):
    """A history that went wrong, with its seed and its story."""

    def __init__(self, seed: int, story: list[str], what: str) -> None:
        """Take what went wrong."""
        lines = "\n".join(story)
        super().__init__(f"{lines}\n\nseed {seed}: {what}")


def play(tape: Tape, queues: Queues, seed: int, events: int = _EVENTS) -> list[str]:
    """Play a history to its end and return its story; some of them are audited as well, which takes longer.

    Raises:
        HistoryError: something was not as it must be, on the way or in the end.
    """
    dice = random.Random(seed)
    with world_of(tape, queues, terms_of(dice), seed) as world:
        try:
            history = _History(world, dice)
            history.begin()
            for _ in range(events):
                history.happen()
            world.tell("--- from here on nothing goes wrong any more")
            history.end()
            judge(world, history.watch)
            if seed % _AUDITED == 0:
                audit()
        except Exception as error:
            raise HistoryError(seed, world.story, f"{type(error).__name__}: {error}") from error
        return world.story


class _History:
    """The course of a history."""

    def __init__(self, world: World, dice: random.Random) -> None:
        self.world, self.dice = world, dice
        self._looks: dict[Place, set[str]] = {}
        self.deeds = deeds = Deeds(world, dice)
        self.watch = Watch(world)
        weights: dict[Deed, float] = {
            deeds.buy: 3,
            deeds.place: 2,
            deeds.prepay: 2,
            deeds.pay: 3,
            deeds.cancel: 1,
            deeds.letter: 8,
            deeds.ship: 3,
            deeds.receive: 2,
            deeds.release_funds: 2,
            deeds.deliver_goods: 3,
            deeds.refund: 5,
            deeds.work_on_refund: 5,
            deeds.publish: 1,
            deeds.change_standing: 2,
            deeds.withdraw: 6,
            deeds.machine: 8,
            deeds.review: 6,
            deeds.work_on_transfer: 6,
            deeds.write_off: 10,
            deeds.run_out_of_money: 0.5,
            deeds.stream: 4,
            deeds.all_streams: 6,
            deeds.old_record: 1,
            deeds.send_again: 3,
            deeds.schedule: 5,
            deeds.pass_time: 4,
        }
        self._deeds, self._weights = list(weights), list(weights.values())

    def begin(self) -> None:
        """Put everything there; some histories begin with orders that are through already."""
        facts = self.world.facts
        self.world.tell(f"{facts.terms}")
        with self.world.mischief.during(None):
            populate(self.world, self.dice)
            for person in facts.people.values():
                self.world.tell(f"{person}")
            self.world.tell(f"{facts.rules[0]}")
            before = {self.world.name(member_id): fen for (member_id, _), fen in facts.given.items()}
            self.world.tell(f"before, members had {before}")
            if self.dice.random() < _PAST:
                self._have_past()
        self.watch.look()
        self.world.require_explained()

    def _have_past(self) -> None:
        """Let an order or two be bought, delivered and settled, and some of it be withdrawn."""
        deeds, world = self.deeds, self.world
        for _ in range(self.dice.choice([1, 1, 2])):
            deeds.buy()
        for _ in range(len(world.wechat.line.letters)):
            deeds.take_in(world.wechat.line.letters.pop())
        deeds.all_streams()
        while deeds.deliver_goods():
            pass
        for _ in range(len(world.wechat.line.letters)):
            deeds.take_in(world.wechat.line.letters.pop())
        world.clock.moment += timedelta(days=8)
        deeds.all_streams()
        world.run("settlement")
        for person in self.dice.sample(list(world.facts.people.values()), 3):
            self._quietly(partial(deeds.withdraw, person))

    def happen(self) -> None:
        """Let something happen, with what goes wrong at the same time."""
        # Within one second nobody could say which came first, a payment or the payee's suspension.
        self.world.clock.moment += timedelta(seconds=self.dice.randint(1, 20))
        mishap = self._mishap() if self.dice.random() < _MISHAPS else None
        trouble = self.dice.choice(list(Trouble)) if self.dice.random() < _TROUBLES else None
        self.world.wechat.line.trouble = trouble
        with self.world.mischief.during(mishap, self._rival):
            self._do_something()
        self.world.wechat.line.trouble = None
        self.watch.look(undisturbed=mishap is None or not mishap.kind.is_rivalry)
        self.world.require_explained()

    def _do_something(self, first: Deed | None = None) -> None:
        """Do one thing that there is to do; what it meets on the way is part of the story."""
        deed = first or self._draw()
        try:
            while not deed():
                deed = self._draw()
        except CrashError:
            pass
        except Exception as error:
            if not is_foreseen(error):
                raise
            self.world.tell(f"  refused: {type(error).__name__} {error}")

    def _draw(self) -> Deed:
        """Draw a deed; time does not jump in the midst of another."""
        deed = self.dice.choices(self._deeds, self._weights)[0]
        return self._draw() if self.world.is_meanwhile and deed == self.deeds.pass_time else deed

    def _rival(self, params: Params) -> None:
        """Let other processes act in the midst of what is being done, preferably on what it is about."""
        deeds, about = self.deeds, subjects(params)
        likely: list[Deed] = [deeds.all_streams, deeds.schedule, partial(deeds.letter, about), self._draw()]
        for one in sorted(about):
            if one in self.world.facts.people:
                likely += [partial(deeds.withdraw, self.world.facts.people[one]), partial(deeds.letter, about)]
            if one in self.world.facts.sold:
                likely += [partial(deeds.refund, self.world.facts.sold[one]), partial(deeds.letter, about)]
            if one in self.world.facts.asked:
                likely += [deeds.machine, deeds.machine, partial(deeds.letter, about)]
        with self.world.meanwhile(), self.world.mischief.during(None):
            for _ in range(self.dice.choice([1, 2, 3])):
                self.world.clock.moment += timedelta(seconds=1)
                self._do_something(self.dice.choice(likely))

    def _mishap(self) -> Mishap:
        kind = self.dice.choice([*Kind, Kind.RACE, Kind.RACE, Kind.RACE])
        if kind is Kind.RIVAL:
            return Mishap(kind, self.dice.randint(1, 12))
        times = self.dice.choice([1, 1, 2, 20]) if kind is Kind.CONFLICT else 1
        return Mishap(kind, self.dice.choice([1, 1, 1, 2, 2, 3, 4, 5]), times)

    # --- the end

    def end(self) -> None:
        """Let everything arrive and every schedule run when it has something to do, until nothing is left."""
        self.world.wechat.transfers.poor = False
        with self.world.mischief.during(None):
            self._run_out()
            suspended = [one for one in self.world.facts.people.values() if one.standings[-1][1] == "suspended"]
            pardoned = [person for person in suspended if self.dice.random() < 0.6]
            for person in pardoned:
                self.deeds.change_standing(person)
            if self.deeds.write_off() or pardoned:
                self._looks.clear()
                self._run_out()

    def _run_out(self) -> None:
        """Go on until nothing is due.

        Raises:
            WrongError: that never comes.
        """
        for _ in range(_MAX_ROUNDS):
            self._settle_down()
            if self._finish_elsewhere():
                self._settle_down()
            due = self._due()
            if not due:
                return
            self.world.clock.moment = max(self.world.clock.moment, min(due.values())) + _LAPSE
            for function in sorted(due):
                if due[function] <= self.world.clock.moment and self.world.run(function):
                    raise WrongError(f"{function} could not do everything: {self.world.swallowed}")
        raise WrongError(f"something is always due: {self._due()}")

    def _due(self) -> dict[str, datetime]:
        """Return when each schedule next has something to do.

        What was looked at many times waits for what will not come: a suspension's end, a shipment of which WeChat was
        never told because all was refunded.
        """
        due: dict[str, datetime] = {}
        for place, item in self.world.images().items():
            if "due_at" not in item:
                continue
            looks = self._looks.setdefault(place, set())
            looks.add(item["due_at"]["N"])
            kind = item["due_shard"]["S"].partition("#")[0]
            if kind != "settle" or len(looks) <= _MAX_LOOKS:
                function, at = _SCHEDULES[kind], from_millis(int(item["due_at"]["N"]))
                due[function] = min(at, due.get(function, at))
        return due

    def _settle_down(self) -> None:
        """Deliver and go on, until nothing moves."""
        moved = True
        while moved:
            moved = False
            for what, attempt in self.deeds.unanswered:
                self.world.tell(f"once more: {what}")
                self._quietly(attempt)
            self.deeds.unanswered.clear()
            letters = self.world.wechat.line.letters
            while letters:
                one, moved = letters[0], True
                self._quietly(lambda: self.deeds.take_in(one))  # noqa: B023 - called at once
                letters.remove(one)
            for shard in self.world.streams.waiting():
                moved = True
                shard.deliver(90)
            for execution in self.world.machines.runnable():
                moved = True
                self._quietly(lambda: self.world.machines.step(execution))  # noqa: B023 - called at once
            self.watch.look()
            self.world.require_explained()

    def _finish_elsewhere(self) -> bool:
        """Let people and WeChat end what they have begun; tell whether there was anything."""
        wechat, before = self.world.wechat, len(self.world.story)
        for case in self.deeds.open_cases():
            verdict = Verdict.APPROVE if self.dice.random() < _APPROVED else Verdict.REJECT
            for staff in ("S5", "S6")[: case.required_approvals]:
                self._quietly(lambda: self.deeds.decide(case, staff, verdict))  # noqa: B023 - called at once
        for refund_id in wechat.refunds.open():
            self.deeds.end_refund(refund_id, "SUCCESS")
        for number in wechat.transfers.open():
            waits = wechat.transfers.bills[number].state is TransferState.WAIT_USER_CONFIRM
            self.deeds.move_transfer(number, TransferState.SUCCESS if waits else TransferState.WAIT_USER_CONFIRM)
        for order_id, settled_at in wechat.shipping.known.items():
            if settled_at is None and wiring.orders().order(order_id).received_at:
                self.world.tell(f"WeChat releases the funds of {self.world.name(order_id)}")
                wechat.shipping.settle(order_id)
        return len(self.world.story) > before

    def _quietly(self, do: Callable[[], object]) -> None:
        """Do something that may be refused."""
        try:
            do()
        except Exception as error:
            if not is_foreseen(error):
                raise
            self.world.tell(f"  refused: {type(error).__name__} {error}")
