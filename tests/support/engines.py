"""The engines on which the stores must behave alike, each put behind the process's own clients."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import batched
from typing import Any, Final

import pytest

from fenxiao.aws import clients
from fenxiao.errors import BusyError
from infra.local.emulator import REGION, ROOT_KEY
from tests.support.memory_engine import MemoryEngine
from tests.support.tables import create_tables, moto_tables

MEMORY: Final = "memory"
MOTO: Final = "moto"
MINISTACK: Final = "ministack"
DYNAMODB_LOCAL: Final = "dynamodb_local"
ENGINES: Final = (MEMORY, MOTO, MINISTACK, DYNAMODB_LOCAL)

_MAX_TRIES: Final = 30
_DELETES_PER_REQUEST: Final = 25


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine on which the template's tables are."""

    name: str

    @property
    def concurrent(self) -> bool:
        """Tell whether calls at the same moment are kept apart; moto runs in this process and has no locks."""
        return self.name != MOTO

    def empty(self) -> None:
        """Remove every item; that is far quicker than to make the tables anew."""
        dynamodb = clients.client("dynamodb")
        for table in dynamodb.list_tables()["TableNames"]:
            _empty(dynamodb, table)

    def at_once[T](self, *jobs: Callable[[], T]) -> list[T]:
        """Do all jobs at the same moment, a thread for each, and return their results in order.

        An engine that is not made for that gets them one after another: its results must be the same, only that no
        conflict can occur on the way.
        """
        if not self.concurrent:
            return [job() for job in jobs]
        gate = threading.Barrier(len(jobs))

        def run(job: Callable[[], T]) -> T:
            gate.wait(timeout=10)
            return job()

        with ThreadPoolExecutor(len(jobs)) as pool:
            return list(pool.map(run, jobs))


def patiently[T](job: Callable[[], T]) -> T:
    """Do a job as a caller does who is told that the system is busy: ask again, but not for ever."""
    for _ in range(_MAX_TRIES - 1):
        try:
            return job()
        except BusyError:
            continue
    return job()


def refusal(job: Callable[[], object], *expected: type[Exception]) -> type[Exception] | None:
    """Do a job patiently; return the kind of its expected refusal, `None` if it was done."""
    try:
        patiently(job)
    except expected as error:
        return type(error)
    return None


@contextmanager
def memory_tables() -> Iterator[MemoryEngine]:
    """Run with all tables in this process; the engine's own switches (faults, stream) are at hand."""
    _forget_clients()
    memory = _memory_engine()
    with pytest.MonkeyPatch.context() as session:
        session.setattr(clients, "_session", lambda: memory)
        try:
            yield memory
        finally:
            memory.clear()
            memory.faults, memory.now = None, time.time
    _forget_clients()


@cache
def _memory_engine() -> MemoryEngine:
    """Return the process's one engine with its tables: its client alone takes longer to make than most tests run."""
    memory = MemoryEngine()
    create_tables(memory.client)
    return memory


@contextmanager
def engine_in_memory() -> Iterator[Engine]:
    """Run in this process, without a network or a server."""
    with memory_tables():
        yield Engine(MEMORY)


@contextmanager
def engine_on_moto() -> Iterator[Engine]:
    """Run on moto, whose state ends with it."""
    _forget_clients()
    with moto_tables():
        yield Engine(MOTO)
    _forget_clients()


@contextmanager
def engine_at(name: str, endpoint_url: str) -> Iterator[Engine]:
    """Run on a server; its tables are made the first time and stay."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ENDPOINT_URL_DYNAMODB", endpoint_url)
        environment.setenv("AWS_ACCESS_KEY_ID", ROOT_KEY)
        environment.setenv("AWS_SECRET_ACCESS_KEY", ROOT_KEY)
        environment.setenv("AWS_DEFAULT_REGION", REGION)
        _forget_clients()
        dynamodb = clients.client("dynamodb")
        if not dynamodb.list_tables()["TableNames"]:
            create_tables(dynamodb)
        yield Engine(name)
    _forget_clients()


def _forget_clients() -> None:
    """Let the next client be made from the environment as it is then; a session remembers its credentials."""
    clients.client.cache_clear()
    clients._session.cache_clear()


def _empty(dynamodb: Any, table: str) -> None:
    pages = dynamodb.get_paginator("scan").paginate(TableName=table, ProjectionExpression="pk, sk", ConsistentRead=True)
    keys: Sequence[dict[str, Any]] = [key for page in pages for key in page["Items"]]
    for some in batched(keys, _DELETES_PER_REQUEST, strict=False):
        answer = dynamodb.batch_write_item(RequestItems={table: [{"DeleteRequest": {"Key": key}} for key in some]})
        assert not answer["UnprocessedItems"]
