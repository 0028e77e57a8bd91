"""DynamoDB: pynamodb models over one shared client, and transactions that keep the order in which they were built.

pynamodb's own transactions regroup their actions, so that a cancellation's reasons cannot be matched with them; money
needs to know *which* condition failed.
"""

import random
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any, Final, TypedDict

import msgspec
from botocore.exceptions import ClientError
from msgspec import Struct
from pynamodb.attributes import Attribute, UnicodeAttribute
from pynamodb.connection.table import TableConnection
from pynamodb.constants import KEY, NUMBER, STRING
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.models import Model

from fenxiao.aws.clients import client
from fenxiao.clock import from_millis, to_millis
from fenxiao.config import table_name
from fenxiao.errors import BusyError

MAX_TRANSACTION_ACTIONS: Final = 100
"""DynamoDB's limit on one `TransactWriteItems`."""

_MAX_ATTEMPTS: Final = 8
_PASSING_REASONS: Final = frozenset({"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"})
_PASSING_ERRORS: Final = frozenset({"TransactionInProgressException", "TransactionConflictException"})

type RawItem = dict[str, dict[str, Any]]
"""An item in DynamoDB's JSON, as streams and cancellation reasons carry it."""


class IntegerAttribute(Attribute[int]):
    """A whole number that never passes through a float, as pynamodb's own number attribute does."""

    attr_type = NUMBER

    def serialize(self, value: int) -> str:
        """Return the decimal digits; refuses floats and booleans."""
        if type(value) is not int:
            raise TypeError(f"{self.attr_name} takes an int, not {type(value).__name__}")
        return str(value)

    def deserialize(self, value: str) -> int:
        """Return the number; an item that holds a fraction is corrupt and raises ValueError."""
        return int(value)


class MomentAttribute(Attribute[Any]):
    """An aware UTC `datetime`, kept as epoch milliseconds so that indexes sort by it."""

    attr_type = NUMBER

    def serialize(self, value: Any) -> str:
        """Return epoch milliseconds; accepts a `datetime`."""
        return str(to_millis(value))

    def deserialize(self, value: str) -> Any:
        """Return the UTC `datetime`."""
        return from_millis(int(value))


class JsonAttribute[T](Attribute[T]):
    """A value of dataclasses, kept as one compact JSON string: smaller than a map, and read in one step."""

    attr_type = STRING

    def __init__(self, form: Any, **options: Any) -> None:
        """Take the type that the JSON must have, such as `tuple[OrderLine, ...]`."""
        super().__init__(**options)
        self._decoder: msgspec.json.Decoder[T] = msgspec.json.Decoder(form)

    def serialize(self, value: T) -> str:
        """Return the JSON text."""
        return msgspec.json.encode(value).decode()

    def deserialize(self, value: str) -> T:
        """Return the value; raises `msgspec.ValidationError` when the text does not have the form."""
        return self._decoder.decode(value)


def table(variable: str) -> Any:
    """Return the `Meta` class, which pynamodb completes, of a model in the table that the environment names."""
    return type("Meta", (), {"table_name": table_name(variable)})


class Item(Model):
    """Base of every model: the keys that all tables have, and the process's one DynamoDB client.

    pynamodb would build a client for each model, 50 ms a piece.
    """

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)

    @classmethod
    def _get_connection(cls) -> TableConnection:
        connection = super()._get_connection()
        connection.connection._client = client("dynamodb")  # noqa: SLF001 - pynamodb has no public way
        return connection


class Reason(Struct, frozen=True):
    """Why one action cancelled its transaction: DynamoDB's code, and the item as it was if the action asked for it."""

    code: str
    item: RawItem | None


class TransactionCancelledError(Exception):
    """Nothing was written because conditions failed; `reasons[i]` belongs to the i-th action, `None` if it held."""

    def __init__(self, reasons: Sequence[Reason | None]) -> None:
        """Take one reason or `None` per action, in the order in which the actions were added."""
        super().__init__(", ".join(f"{i}: {reason.code}" for i, reason in enumerate(reasons) if reason))
        self.reasons = tuple(reasons)

    def failed(self, index: int) -> bool:
        """Tell whether the condition of that action was the (or a) cause."""
        return self.reasons[index] is not None


class _Action(TypedDict, total=False):
    Put: dict[str, Any]
    Update: dict[str, Any]
    Delete: dict[str, Any]
    ConditionCheck: dict[str, Any]


class Transaction:
    """An ordered `TransactWriteItems`.

    Each adding method returns the action's index, by which `TransactionCancelledError.failed` is asked.
    """

    def __init__(self) -> None:
        """Begin with no action."""
        self._actions: list[_Action] = []

    def __len__(self) -> int:
        """Return the number of actions."""
        return len(self._actions)

    def put(self, item: Item, condition: Condition | None = None) -> int:
        """Write the whole item. A failed condition's reason carries the item that stands there."""
        kwargs = item.get_save_kwargs_from_instance(
            condition=condition, return_values_on_condition_failure=_old(condition)
        )
        return self._add({"Put": kwargs})

    def update(
        self,
        model: type[Item],
        hash_key: str,
        range_key: str | None,
        actions: Sequence[Action],
        condition: Condition | None = None,
    ) -> int:
        """Change attributes of an item; creates it if it is absent and the condition allows."""
        return self._add({"Update": _operation(model, hash_key, range_key, condition, actions)})

    def delete(
        self, model: type[Item], hash_key: str, range_key: str | None, condition: Condition | None = None
    ) -> int:
        """Remove an item."""
        return self._add({"Delete": _operation(model, hash_key, range_key, condition)})

    def check(self, model: type[Item], hash_key: str, range_key: str | None, condition: Condition) -> int:
        """Require a condition of an item that the transaction does not change."""
        return self._add({"ConditionCheck": _operation(model, hash_key, range_key, condition)})

    def commit(self) -> None:
        """Write everything or nothing; retries conflicts and throttling with jitter, at most eight times.

        Raises:
            TransactionCancelledError: a condition failed; nothing was written.
            BusyError: conflicts did not cease; nothing was written.
        """
        for attempt in range(_MAX_ATTEMPTS):
            try:
                # A fresh token per attempt: botocore's own network retries reuse it and so stay idempotent.
                client("dynamodb").transact_write_items(
                    TransactItems=self._actions, ClientRequestToken=str(uuid.uuid4())
                )
            except ClientError as error:
                _raise_unless_passing(error)
                back_off(attempt)
            else:
                return
        raise BusyError

    def _add(self, action: _Action) -> int:
        if len(self._actions) >= MAX_TRANSACTION_ACTIONS:
            raise ValueError(f"a transaction holds at most {MAX_TRANSACTION_ACTIONS} actions")
        self._actions.append(action)
        return len(self._actions) - 1


def back_off(attempt: int, sleep: Callable[[float], None] = time.sleep) -> None:
    """Wait a random time that doubles its bound with each attempt, from 20 ms to at most 640 ms."""
    sleep(random.uniform(0, 0.02 * 2 ** min(attempt, 5)))  # noqa: S311 - jitter is no secret


def condition_failed(error: Exception) -> bool:
    """Tell whether a single write was refused by its condition."""
    return getattr(error, "cause_response_code", None) == "ConditionalCheckFailedException"


def _operation(
    model: type[Item],
    hash_key: str,
    range_key: str | None,
    condition: Condition | None,
    actions: Sequence[Action] | None = None,
) -> dict[str, Any]:
    kwargs: dict[str, Any] = model._get_connection().get_operation_kwargs(  # noqa: SLF001 - our own override above
        hash_key,
        range_key=range_key,
        key=KEY,
        actions=actions,
        condition=condition,
        return_values_on_condition_failure=_old(condition),
    )
    return kwargs


def _old(condition: Condition | None) -> str | None:
    return None if condition is None else "ALL_OLD"


def _raise_unless_passing(error: ClientError) -> None:
    code = error.response.get("Error", {}).get("Code", "")
    if code in _PASSING_ERRORS:
        return
    if code != "TransactionCanceledException":
        raise error
    reasons = [
        None if reason["Code"] == "None" else Reason(reason["Code"], reason.get("Item"))
        for reason in error.response.get("CancellationReasons", [])
    ]
    if any(reason and reason.code not in _PASSING_REASONS for reason in reasons) or not reasons:
        raise TransactionCancelledError(reasons) from error
