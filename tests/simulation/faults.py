"""What goes wrong at the tables: the process stops, an answer is lost, another process comes in between."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from botocore.exceptions import EndpointConnectionError, ReadTimeoutError

from tests.support.memory_engine import WRITES, conflict, throttled
from tests.support.memory_engine.engine import Params

_ENDPOINT: Final = "http://127.0.0.1"


type Rival = Callable[[Params], None]
"""Does something just before a call that is given these parameters."""


class CrashError(BaseException):
    """The process is gone: no code of ours runs after it, so nothing may catch it but who started the process."""


class Kind(StrEnum):
    """What goes wrong."""

    CRASH_BEFORE = "the process stops before"
    CRASH_AFTER = "the process stops after"
    UNREACHABLE = "the table cannot be reached for"
    LOST = "the answer is lost of"
    RESENT = "the answer is lost, and botocore sends again,"
    CONFLICT = "a conflict meets"
    THROTTLED = "throttling meets"
    RIVAL = "another process acts before"
    """Any call, whatever it does: between two reads as well."""
    RACE = "another process is faster than"
    """Between what was read and the write that follows from it."""

    @property
    def is_rivalry(self) -> bool:
        """Tell whether others act in the midst of it."""
        return self in {Kind.RIVAL, Kind.RACE}


@dataclass(frozen=True)
class Mishap:
    """It happens to the n-th write (what a rival does: to the n-th call of any kind) and to so many in a row."""

    kind: Kind
    nth: int
    times: int = 1


class Mischief:
    """Sees to it that the mishap of the moment happens; it is put at an engine as its `faults`."""

    def __init__(self, client: Any, tell: Callable[[str], None]) -> None:
        """Take the client, through which what is sent again goes, and where the story is told."""
        self._client = client
        self._tell = tell
        self._mishap: Mishap | None = None
        self._rival: Rival | None = None
        self._seen = 0

    @contextmanager
    def during(self, mishap: Mishap | None, rival: Rival | None = None) -> Iterator[None]:
        """Let a mishap happen while something is done; it does not meet what a rival does meanwhile."""
        outer = self._mishap, self._rival, self._seen
        self._mishap, self._rival, self._seen = mishap, rival, 0
        try:
            yield
        finally:
            self._mishap, self._rival, self._seen = outer

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep rivals away while something is done."""
        rival, self._rival = self._rival, None
        try:
            yield
        finally:
            self._rival = rival

    def before(self, operation: str, params: Params) -> None:
        """Count the call; let happen what comes before it."""
        mishap = self._mishap
        if mishap is None or (mishap.kind is not Kind.RIVAL and operation not in WRITES):
            return
        self._seen += 1
        if not self._is_met(mishap):
            return
        match mishap.kind:
            case Kind.RIVAL | Kind.RACE:
                if self._rival:
                    self._rival(params)
            case Kind.CRASH_BEFORE:
                self._say(mishap, operation)
                raise CrashError
            case Kind.UNREACHABLE:
                self._say(mishap, operation)
                raise marked(EndpointConnectionError(endpoint_url=_ENDPOINT))
            case Kind.CONFLICT if operation != "BatchWriteItem":  # which knows no conflicts
                self._say(mishap, operation)
                raise marked(conflict(operation, params))
            case Kind.THROTTLED:
                self._say(mishap, operation)
                raise marked(throttled(operation))
            case _:
                pass

    def after(self, operation: str, params: Params) -> None:
        """Let happen what comes after a write that was done."""
        mishap = self._mishap
        if mishap is None or operation not in WRITES or not self._is_met(mishap):
            return
        match mishap.kind:
            case Kind.CRASH_AFTER:
                self._say(mishap, operation)
                raise CrashError
            case Kind.LOST:
                self._say(mishap, operation)
                raise marked(ReadTimeoutError(endpoint_url=_ENDPOINT))
            case Kind.RESENT if "ClientRequestToken" not in params:  # which makes it harmless
                self._say(mishap, operation)
                with self.during(None):
                    self._client._make_api_call(operation, params)
            case _:
                pass

    def _is_met(self, mishap: Mishap) -> bool:
        return mishap.nth <= self._seen < mishap.nth + mishap.times

    def _say(self, mishap: Mishap, operation: str) -> None:
        self._tell(f"{mishap.kind} write {self._seen} ({operation})")


def subjects(params: Params) -> set[str]:
    """Return what a write is about: the ids of members, orders and withdrawals that stand in its keys."""
    actions = [body for action in params.get("TransactItems", ()) for body in action.values()] or [params]
    keys = [body.get("Key") or body.get("Item") for body in actions]
    return {key["pk"]["S"].rpartition("#")[2] for key in keys if key and "pk" in key}


def marked[E: Exception](error: E) -> E:
    """Mark an error as one of ours."""
    error.staged = True  # type: ignore[attr-defined] # found again by `is_staged`
    return error


def is_staged(error: BaseException | None) -> bool:
    """Tell whether an error, or what it came from, is one of ours."""
    while error is not None:
        if getattr(error, "staged", False):
            return True
        cause = getattr(error, "cause", None)  # pynamodb's way to say it
        error = cause if isinstance(cause, BaseException) else error.__cause__ or error.__context__
    return False
