"""Engines of which a history can see every change and at which it can let things go wrong."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from typing import Any, Final, Protocol

import pytest

from fenxiao.aws import clients
from tests.support.engines import MEMORY, MOTO, Engine, memory_tables
from tests.support.memory_engine import WRITES, Faults, Record
from tests.support.memory_engine.values import Item
from tests.support.tables import moto_tables

_KEYS: Final = ("pk", "sk")
type Place = tuple[str, str, str]


class Tape(Protocol):
    """An engine with every change of its tables, in order."""

    stream: list[Record]
    faults: Faults | None
    client: Any

    def clear(self) -> None:
        """Remove every item, and forget what happened."""
        ...


class MotoTape:
    """moto, whose changes are found by reading items before and after each write."""

    def __init__(self, client: Any) -> None:
        """Put itself between a client and moto."""
        self.client = client
        self.stream: list[Record] = []
        self.faults: Faults | None = None
        self._send = client._make_api_call
        self._sequence = count(1)
        client._make_api_call = self._call

    def clear(self) -> None:
        """Remove every item, and forget what happened."""
        Engine(MOTO).empty()
        self.stream.clear()

    def _call(self, operation: str, params: Mapping[str, Any]) -> Any:
        faults = self.faults
        if faults:
            faults.before(operation, params)
        places = _written(operation, params) if operation in WRITES else []
        old = [self._read(place) for place in places]
        answer = self._send(operation, params)
        for place, before in zip(places, old, strict=True):
            after = self._read(place)
            if before != after:
                self.stream.append(Record(place[0], next(self._sequence), 0.0, _KEYS, before, after))
        if faults:
            faults.after(operation, params)
        return answer

    def _read(self, place: Place) -> Item | None:
        table, pk, sk = place
        key = {"pk": {"S": pk}, "sk": {"S": sk}}
        answer = self._send("GetItem", {"TableName": table, "Key": key, "ConsistentRead": True})
        item: Item | None = answer.get("Item")
        return item


class Queues:
    """Stands for SQS: what is parked can never succeed, which no history may cause."""

    def __init__(self) -> None:
        """Begin empty."""
        self.parked: list[str] = []

    def send_message(self, **message: str) -> None:
        """Keep what was parked."""
        self.parked.append(message["MessageBody"])


@contextmanager
def tables_on(engine: str) -> Iterator[tuple[Tape, Queues]]:
    """Run with all tables, empty, and with a queue."""
    queues = Queues()
    if engine == MEMORY:
        with memory_tables() as memory, _session({"dynamodb": memory.client, "sqs": queues}):
            yield memory, queues
    else:
        with moto_tables():
            tape = MotoTape(clients.client("dynamodb"))
            with _session({"dynamodb": tape.client, "sqs": queues}):
                yield tape, queues


@contextmanager
def _session(services: Mapping[str, Any]) -> Iterator[None]:
    """Let the process's clients be these."""

    class Session:
        def create_client(self, service: str, **_options: object) -> Any:
            return services[service]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clients, "_session", Session)
        clients.client.cache_clear()
        yield
    clients.client.cache_clear()


def _written(operation: str, params: Mapping[str, Any]) -> list[Place]:
    """Return where a call writes."""
    if operation == "TransactWriteItems":
        actions = [(kind, body) for action in params["TransactItems"] for kind, body in action.items()]
        return [_place(body["TableName"], body) for kind, body in actions if kind != "ConditionCheck"]
    if operation == "BatchWriteItem":
        return [
            _place(table, body)
            for table, requests in params["RequestItems"].items()
            for request in requests
            for body in request.values()
        ]
    return [_place(params["TableName"], params)]


def _place(table: str, body: Mapping[str, Any]) -> Place:
    key = body.get("Key") or body["Item"]
    return table, str(key["pk"]["S"]), str(key["sk"]["S"])
