"""The product in one process: its own functions over an engine, with WeChat, the machines and time in our hands."""

import importlib.util
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, Final, Self

import pytest

from fenxiao import config, observability, wiring
from fenxiao.aws.dynamodb import back_off
from fenxiao.commission.store import RuleStore
from fenxiao.errors import DomainError
from fenxiao.identity.secret import TokenKeys
from fenxiao.wechat.errors import WeChatRefusedError
from fenxiao.withdrawal.errors import TransferUnsettledError
from tests.simulation.facts import Facts, Terms
from tests.simulation.faults import Mischief, is_staged
from tests.simulation.machines import Machines
from tests.simulation.streams import Handler, Streams
from tests.simulation.tape import Place, Queues, Tape, tables_on
from tests.simulation.wechat import WeChat
from tests.support.memory_engine.values import Item

START: Final = datetime(2026, 3, 18, 4, 0, tzinfo=UTC)
IDENTITY_KEY: Final = bytes(range(32))
TIME_TO_PAY: Final = timedelta(minutes=30)
RECEIVE_AFTER_DAYS: Final = 10
BINDING_DAYS: Final = 30
AUTO_APPROVE_FEN: Final = 5_000
SECOND_REVIEW_FEN: Final = 100_000
_FUNCTIONS: Final = Path(__file__).parents[2] / "functions"
_SETTINGS: Final[Mapping[str, str]] = {
    "AUTO_APPROVE_FEN": str(AUTO_APPROVE_FEN),
    "AUTO_RECEIVE_DAYS": str(RECEIVE_AFTER_DAYS),
    "AWS_LAMBDA_FUNCTION_NAME": "simulation",
    "BINDING_DAYS": str(BINDING_DAYS),
    "ORDER_TTL_MINUTES": str(TIME_TO_PAY // timedelta(minutes=1)),
    "PARKED_QUEUE_URL": "parked",
    "REVIEW_HOURS": "48",
    "SECOND_REVIEW_FEN": str(SECOND_REVIEW_FEN),
    "WITHDRAWAL_MAX_FEN": "2000000",
    "WITHDRAWAL_MIN_FEN": "100",
}


class WrongError(AssertionError):
    """Something is as it must never be."""


@dataclass
class VirtualClock:
    """Time that moves when the story says so."""

    moment: datetime = START

    def now(self) -> datetime:
        return self.moment

    def seconds(self) -> float:
        """Return the time as processes measure it."""
        return self.moment.timestamp()


class World:
    """One history's world: everything empty at the beginning."""

    def __init__(self, tape: Tape, queues: Queues, terms: Terms) -> None:
        """Build everything anew over an engine that was emptied."""
        self.tape, self.queues = tape, queues
        self.facts = Facts(terms)
        self.clock = VirtualClock()
        self.story: list[str] = []
        self._indent = ""
        self.wechat = WeChat(self.clock, self.tell)
        self.mischief = Mischief(tape.client, self.tell)
        self.machines = Machines(lambda task: handler("payout")(task, None))
        self.streams = Streams(tape.stream, _consumers())
        self.swallowed: list[BaseException] = []
        """What sweeps met and went on from."""
        self.names: dict[str, str] = {}
        """Short names of things, for the story."""
        self._images: dict[Place, Item] = {}
        self._seen = 0

    def tell(self, line: str) -> None:
        """Add a line to the story."""
        self.story.append(f"{self.clock.moment:%m-%d %H:%M:%S} {self._indent}{line}")

    @contextmanager
    def meanwhile(self) -> Iterator[None]:
        """Tell what another process does in the midst of what is being told."""
        self.tell("meanwhile:")
        self._indent += "  "
        try:
            yield
        finally:
            self._indent = self._indent[:-2]

    @property
    def is_meanwhile(self) -> bool:
        """Tell whether something else is being done at the moment."""
        return bool(self._indent)

    def run(self, function: str) -> int:
        """Run a scheduled function; return how many items it could not do."""
        answer: dict[str, int] = handler(function)({}, None)
        return answer["faults"]

    def images(self) -> Mapping[Place, Item]:
        """Return every item as it stands, read from the changes."""
        for record in self.tape.stream[self._seen :]:
            place = (record.table, record.keys["pk"]["S"], record.keys["sk"]["S"])
            if record.new is None:
                self._images.pop(place, None)
            else:
                self._images[place] = record.new
        self._seen = len(self.tape.stream)
        return self._images

    def name(self, thing_id: str) -> str:
        """Return a thing's short name."""
        return self.names.get(thing_id, thing_id)

    def call(self, thing_id: str, kind: str) -> str:
        """Give a thing the next short name of its kind, unless it has one."""
        if thing_id not in self.names:
            number = 1 + sum(name.startswith(kind) and name[len(kind) :].isdigit() for name in self.names.values())
            self.names[thing_id] = f"{kind}{number}"
        return self.names[thing_id]

    def note_swallowed(self, *_words: object, **details: Any) -> None:
        """Take note of an error that is logged with its traceback; called in place of the logger."""
        import sys

        error = details.get("exc_info") if isinstance(details.get("exc_info"), BaseException) else sys.exc_info()[1]
        if error:
            self.swallowed.append(error)

    def require_explained(self) -> None:
        """Refuse errors that nothing in the story accounts for.

        Raises:
            WrongError: a process met something unforeseen, or parked a record.
        """
        if self.wechat.line.broken:
            raise WrongError(f"WeChat: {self.wechat.line.broken[0]}")
        for error in self.swallowed:
            if not is_foreseen(error):
                raise WrongError(f"a process met {error!r}") from error
        self.swallowed.clear()
        if self.queues.parked:
            raise WrongError(f"parked: {self.queues.parked[0][:300]}")


def is_foreseen(error: BaseException) -> bool:
    """Tell whether an error is a refusal, WeChat's, or one that the story itself brought about."""
    foreseen = (DomainError, WeChatRefusedError, TransferUnsettledError)
    return isinstance(error, foreseen) or is_staged(error)


@contextmanager
def stage(engine: str) -> Iterator[tuple[Tape, Queues]]:
    """Prepare a process for histories, one after another: nothing sleeps, prints or draws lots of its own."""

    class Silent:
        def __init__(self, **_options: object) -> None: ...

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_error: object) -> None: ...

        def add_dimension(self, **_dimension: str) -> None: ...

    with pytest.MonkeyPatch.context() as patch, tables_on(engine) as (tape, queues):
        patch.setattr(back_off, "__defaults__", (lambda _seconds: None,))
        patch.setattr(observability, "single_metric", Silent)
        for name, value in _SETTINGS.items():
            patch.setenv(name, value)
        yield tape, queues
    _forget()


@contextmanager
def world_of(tape: Tape, queues: Queues, terms: Terms, seed: int) -> Iterator[World]:
    """Build a history's world; what the code draws at random follows from the seed."""
    tape.faults = None
    tape.clear()
    queues.parked.clear()
    _forget()
    random.seed(seed)
    world = World(tape, queues, terms)
    rules = RuleStore(world.clock.seconds)
    keys = TokenKeys(signing_key=bytes(32), identity_key=IDENTITY_KEY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BINDING_MODE", terms.binding)
        patch.setenv("MAX_LEVELS", str(terms.max_levels))
        patch.setenv("FREIGHT_FEN", str(terms.freight_fen))
        patch.setenv("WITHDRAWAL_FEE_BPS", str(terms.fee_bps))
        patch.setenv("TAX_METHOD", terms.tax_method)
        for factory, thing in {
            "clock": world.clock,
            "pay": world.wechat.payments,
            "refunds": world.wechat.refunds,
            "shipping": world.wechat.shipping,
            "transfers": world.wechat.transfers,
            "rules": rules,
            "token_keys": keys,
        }.items():
            patch.setattr(wiring, factory, lambda thing=thing: thing)
        patch.setattr(wiring, "start_withdrawal", world.machines.starter("withdrawal"))
        patch.setattr(wiring, "start_review", world.machines.starter("manual_review"))
        patch.setattr(module("workflow_dispatch"), "complete", world.machines.complete)
        patch.setattr(observability.logger, "exception", world.note_swallowed)
        patch.setattr(observability.logger, "error", world.note_swallowed)
        tape.faults = world.mischief
        yield world
    tape.faults = None


@cache
def module(function: str) -> ModuleType:
    """Return a function's own module; all are called `app`."""
    spec = importlib.util.spec_from_file_location(f"simulated_{function}", _FUNCTIONS / function / "app.py")
    assert spec
    assert spec.loader
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@cache
def handler(function: str) -> Callable[[Any, object], Any]:
    """Return a function's handler, without what the logger wraps around it, which takes as long as the rest."""
    wrapped: Callable[[Any, object], Any] = module(function).lambda_handler.__wrapped__
    return wrapped


def _consumers() -> dict[str, tuple[str, Handler]]:
    """Return who follows which table, as the template has it."""
    tables = {
        "commission": "ORDER_TABLE",
        "fulfilment": "ORDER_TABLE",
        "ledger_projection": "LEDGER_TABLE",
        "withdrawal workflow": "WITHDRAWAL_TABLE",
        "case workflow": "CASE_TABLE",
    }
    return {consumer: (table, _follower(consumer)) for consumer, table in tables.items()}


def _follower(consumer: str) -> Handler:
    function = "workflow_dispatch" if consumer.endswith("workflow") else consumer

    return lambda event: handler(function)(event, None)


def _forget() -> None:
    for factory in (*vars(wiring).values(), config.max_levels):
        if hasattr(factory, "cache_clear"):
            factory.cache_clear()
