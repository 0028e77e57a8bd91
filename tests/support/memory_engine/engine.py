"""The engine: DynamoDB's operations on tables in this process, behind a botocore client.

The client is botocore's own, only that its calls end here instead of on the network; so stores, pynamodb's models and
`Transaction` run on it unchanged, errors are botocore's, and paginators work. What it does is DynamoDB's
documented behaviour with every read consistent; what it does not know it refuses with `NotImplementedError`.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import count
from typing import Any, Final, Protocol

import botocore.session
from botocore.exceptions import ClientError

from tests.support.memory_engine import expressions
from tests.support.memory_engine.expressions import Condition, Names, Parsed, Update, Values
from tests.support.memory_engine.streams import Record
from tests.support.memory_engine.tables import Key, Table, View, span
from tests.support.memory_engine.values import MAX_ITEM_BYTES, InvalidError, Item, normalised, weight

type Params = Mapping[str, Any]
type Answer = dict[str, Any]

_MAX_ACTIONS: Final = 100
_MAX_TRANSACTION_BYTES: Final = 4 * 1024 * 1024
_MAX_BATCH_READS: Final = 100
_MAX_BATCH_WRITES: Final = 25
_MAX_PAGE_BYTES: Final = 1024 * 1024
_MAX_TOKEN: Final = 36

_EXPRESSION: Final = {"ExpressionAttributeNames", "ExpressionAttributeValues", "ReturnConsumedCapacity"}
_WRITE: Final = {"TableName", "ConditionExpression", "ReturnValuesOnConditionCheckFailure"} | _EXPRESSION
_READ: Final = {"TableName", "ProjectionExpression", "ConsistentRead"} | _EXPRESSION
_PAGE: Final = {"FilterExpression", "Limit", "ExclusiveStartKey", "Select"} | _READ
_KNOWN: Final[Mapping[str, frozenset[str]]] = {
    "GetItem": frozenset(_READ | {"Key"}),
    "PutItem": frozenset(_WRITE | {"Item", "ReturnValues", "ReturnItemCollectionMetrics"}),
    "UpdateItem": frozenset(_WRITE | {"Key", "UpdateExpression", "ReturnValues", "ReturnItemCollectionMetrics"}),
    "DeleteItem": frozenset(_WRITE | {"Key", "ReturnValues", "ReturnItemCollectionMetrics"}),
    "Query": frozenset(_PAGE | {"IndexName", "KeyConditionExpression", "ScanIndexForward"}),
    "Scan": frozenset(_PAGE),
    "BatchGetItem": frozenset({"RequestItems", "ReturnConsumedCapacity"}),
    "BatchWriteItem": frozenset({"RequestItems", "ReturnConsumedCapacity", "ReturnItemCollectionMetrics"}),
    "TransactWriteItems": frozenset(
        {"TransactItems", "ClientRequestToken", "ReturnConsumedCapacity", "ReturnItemCollectionMetrics"}
    ),
    "Put": frozenset(_WRITE | {"Item"}),
    "Update": frozenset(_WRITE | {"Key", "UpdateExpression"}),
    "Delete": frozenset(_WRITE | {"Key"}),
    "ConditionCheck": frozenset(_WRITE | {"Key"}),
}
"""What each operation, and each action of a transaction, may be given."""

WRITES: Final = frozenset({"PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems"})
"""The operations that change items."""


class Faults(Protocol):
    """Asked around each call; `WRITES` are those that change something. What it raises, the caller of the client gets.

    It may call the client itself: that is what another process does at the same moment.
    """

    def before(self, operation: str, params: Params) -> None:
        """Raise to let the process stop, or the call be refused, before it has any effect."""
        ...

    def after(self, operation: str, params: Params) -> None:
        """Raise to lose the answer to what was done."""
        ...


class _ConditionFailedError(Exception):
    """The condition of a write does not hold."""


class MemoryEngine:
    """All tables, their streams, and the client that leads here."""

    def __init__(self) -> None:
        """Begin without tables."""
        self.client: Any = botocore.session.get_session().create_client(
            "dynamodb", region_name="us-east-1", aws_access_key_id="memory", aws_secret_access_key="memory"
        )
        self.client._make_api_call = self._call
        self.tables: dict[str, Table] = {}
        self.stream: list[Record] = []
        """Every change, in order."""
        self.faults: Faults | None = None
        self.now: Callable[[], float] = time.time
        self._sequence = count(1)
        self._done: dict[str, Sequence[Params]] = {}
        self._lock = threading.RLock()
        self._work: Mapping[str, Callable[[Params], Answer]] = {
            "GetItem": self._get_item,
            "PutItem": self._put_item,
            "UpdateItem": self._update_item,
            "DeleteItem": self._delete_item,
            "Query": self._query,
            "Scan": self._scan,
            "BatchGetItem": self._batch_get_item,
            "BatchWriteItem": self._batch_write_item,
            "TransactWriteItems": self._transact_write_items,
            "CreateTable": self._create_table,
            "ListTables": self._list_tables,
        }

    def create_client(self, service: str, **_options: object) -> Any:
        """Return the client, as a botocore session does."""
        if service != "dynamodb":
            raise NotImplementedError(f"{service} is not in this process")
        return self.client

    def clear(self) -> None:
        """Remove every item, and forget what happened."""
        for table in self.tables.values():
            table.clear()
        self.stream.clear()
        self._done.clear()

    # --- calls

    def _call(self, operation: str, params: Params) -> Answer:
        """Do what the client was asked for; called in place of botocore's own way to the network."""
        work = self._work.get(operation)
        if work is None:
            raise NotImplementedError(f"the operation {operation}")
        faults = self.faults
        if faults:
            faults.before(operation, params)
        try:
            with self._lock:
                answer = work(params)
        except InvalidError as error:
            raise client_error(operation, "ValidationException", str(error)) from error
        if faults:
            faults.after(operation, params)
        answer["ResponseMetadata"] = {"HTTPStatusCode": 200, "HTTPHeaders": {}, "RetryAttempts": 0}
        return answer

    def _create_table(self, params: Params) -> Answer:
        if params["TableName"] in self.tables:
            raise client_error("CreateTable", "ResourceInUseException", f"Table already exists: {params['TableName']}")
        self.tables[params["TableName"]] = Table.of(params)
        return {"TableDescription": {"TableName": params["TableName"], "TableStatus": "ACTIVE"}}

    def _list_tables(self, _params: Params) -> Answer:
        return {"TableNames": sorted(self.tables)}

    # --- reads

    def _get_item(self, params: Params) -> Answer:
        _require_known("GetItem", params)
        table = self._table("GetItem", params["TableName"])
        attributes = _projection(params)
        _require_used(params, attributes)
        item = table.items.get(table.key(params["Key"]))
        return {} if item is None else {"Item": _projected(item, attributes, params)}

    def _batch_get_item(self, params: Params) -> Answer:
        _require_known("BatchGetItem", params)
        found: dict[str, list[Item]] = {}
        asked = 0
        for name, wanted in params["RequestItems"].items():
            if wanted.keys() - {"Keys", "ConsistentRead"}:
                raise NotImplementedError(f"BatchGetItem with {sorted(wanted)}")
            table = self._table("BatchGetItem", name)
            keys = [table.key(key) for key in wanted["Keys"]]
            asked += len(keys)
            if len(set(keys)) < len(keys):
                raise InvalidError("Provided list of item keys contains duplicates")
            # DynamoDB answers in no order: here in the opposite one, so that nobody relies on it.
            found[name] = [dict(table.items[key]) for key in reversed(keys) if key in table.items]
        if not 0 < asked <= _MAX_BATCH_READS:
            raise InvalidError("Too many items requested for the BatchGetItem call")
        return {"Responses": found, "UnprocessedKeys": {}}

    def _query(self, params: Params) -> Answer:
        _require_known("Query", params)
        table = self._table("Query", params["TableName"])
        view = self._view(table, params)
        key_condition = expressions.condition(params["KeyConditionExpression"])
        names, values = _bindings(params)
        _require_used(params, key_condition, _condition(params, "FilterExpression"), _projection(params))
        part = span(view, table.types, key_condition.meaning, names, values)
        forward = params.get("ScanIndexForward", True)
        keys = (entry[1:] for entry in part.walk(_start(table, view, params), forward=forward))
        return _page(table, view, keys, params)

    def _scan(self, params: Params) -> Answer:
        _require_known("Scan", params)
        table = self._table("Scan", params["TableName"])
        _require_used(params, _condition(params, "FilterExpression"), _projection(params))
        keys = table.scanned()
        start = params.get("ExclusiveStartKey")
        if start:
            after = repr(table.key(start))
            keys = [key for key in keys if repr(key) > after]
        return _page(table, table.own, keys, params)

    @staticmethod
    def _view(table: Table, params: Params) -> View:
        name = params.get("IndexName")
        if name is None:
            return table.own
        if name not in table.indexes:
            raise InvalidError(f"The table does not have the specified index: {name}")
        if params.get("ConsistentRead"):
            raise InvalidError("Consistent reads are not supported on global secondary indexes")
        return table.indexes[name]

    # --- writes

    def _put_item(self, params: Params) -> Answer:
        return self._single("PutItem", "Put", params)

    def _update_item(self, params: Params) -> Answer:
        return self._single("UpdateItem", "Update", params)

    def _delete_item(self, params: Params) -> Answer:
        return self._single("DeleteItem", "Delete", params)

    def _single(self, operation: str, kind: str, params: Params) -> Answer:
        _require_known(operation, params)
        write = _Write(self._table(operation, params["TableName"]), kind, params)
        before = write.before
        try:
            after = write.after()
        except _ConditionFailedError as failed:
            shown = {"Item": dict(before)} if before and _shows_old(params) else {}
            raise client_error(
                operation, "ConditionalCheckFailedException", "The conditional request failed", **shown
            ) from failed
        self._apply(write.table, write.key, before, after)
        returned = params.get("ReturnValues", "NONE")
        images = {"NONE": None, "ALL_OLD": before, "ALL_NEW": after if kind == "Update" else None}
        if returned not in images:
            raise NotImplementedError(f"{operation} with ReturnValues {returned}")
        image = images[returned]
        return {"Attributes": dict(image)} if image else {}

    def _batch_write_item(self, params: Params) -> Answer:
        _require_known("BatchWriteItem", params)
        writes: dict[tuple[str, Key], _Write] = {}
        asked = 0
        for name, requests in params["RequestItems"].items():
            table = self._table("BatchWriteItem", name)
            for request in requests:
                ((kind, body),) = request.items()
                if kind not in {"PutRequest", "DeleteRequest"}:
                    raise NotImplementedError(f"BatchWriteItem with {kind}")
                write = _Write(table, kind.removesuffix("Request"), body)
                writes[name, write.key] = write
                asked += 1
        if not 0 < asked <= _MAX_BATCH_WRITES:
            raise InvalidError("Too many items requested for the BatchWriteItem call")
        if len(writes) < asked:
            raise InvalidError("Provided list of item keys contains duplicates")
        images = [write.after() for write in writes.values()]
        for write, image in zip(writes.values(), images, strict=True):
            self._apply(write.table, write.key, write.before, image)
        return {"UnprocessedItems": {}}

    def _transact_write_items(self, params: Params) -> Answer:
        _require_known("TransactWriteItems", params)
        actions: Sequence[Params] = params["TransactItems"]
        token = params.get("ClientRequestToken")
        if token is not None and self._was_done(token, actions):
            return {}
        writes = self._writes(actions)
        images: list[Item | None] = []
        reasons: list[Answer] = []
        for write in writes:
            image, reason = _judged(write)
            images.append(image)
            reasons.append(reason)
        if any(reason["Code"] != "None" for reason in reasons):
            raise transaction_cancelled(reasons)
        if sum(weight(image) for image in images if image) > _MAX_TRANSACTION_BYTES:
            raise InvalidError("Transaction request cannot exceed 4 MB of data")
        for write, image in zip(writes, images, strict=True):
            if write.kind != "ConditionCheck":
                self._apply(write.table, write.key, write.before, image)
        if token is not None:
            self._done[token] = actions
        return {}

    def _writes(self, actions: Sequence[Params]) -> "list[_Write]":
        if not 0 < len(actions) <= _MAX_ACTIONS:
            raise InvalidError(
                "1 validation error detected: Value at 'transactItems' failed to satisfy constraint: "
                f"Member must have length less than or equal to {_MAX_ACTIONS}"
            )
        writes = []
        for action in actions:
            ((kind, params),) = action.items()
            _require_known(kind, params)
            if kind == "ConditionCheck" and "ConditionExpression" not in params:
                raise InvalidError("The ConditionExpression parameter is required for a ConditionCheck")
            writes.append(_Write(self._table("TransactWriteItems", params["TableName"]), kind, params))
        if len({(write.table.name, write.key) for write in writes}) < len(writes):
            raise InvalidError("Transaction request cannot include multiple operations on one item")
        return writes

    def _was_done(self, token: str, actions: Sequence[Params]) -> bool:
        if not 0 < len(token) <= _MAX_TOKEN:
            raise InvalidError("ClientRequestToken must have a length of 1 to 36")
        if token not in self._done:
            return False
        if self._done[token] != actions:
            raise client_error(
                "TransactWriteItems", "IdempotentParameterMismatchException", "The token was used with other parameters"
            )
        return True

    def _apply(self, table: Table, key: Key, before: Item | None, after: Item | None) -> None:
        """Write an item; a write that changes nothing leaves no trace in the stream, as in DynamoDB."""
        if before != after:
            table.write(key, before, after)
            record = Record(table.name, next(self._sequence), self.now(), table.own.names, before, after)
            self.stream.append(record)

    def _table(self, operation: str, name: str) -> Table:
        table = self.tables.get(name)
        if table is None:
            raise client_error(operation, "ResourceNotFoundException", "Requested resource not found")
        return table


class _Write:
    """One write as it was asked for: on which item, and what becomes of it."""

    __slots__ = ("_condition", "_params", "_put", "_update", "before", "key", "kind", "table")

    def __init__(self, table: Table, kind: str, params: Params) -> None:
        self.table = table
        self.kind = kind
        self._params = params
        self._condition = _condition(params, "ConditionExpression")
        self._update: Parsed[Update] | None = None
        self._put: Item | None = None
        if kind == "Put":
            self._put = normalised(params["Item"])
            self.key = table.key_of(self._put)
            self._require_storable(self._put, "Item size has exceeded the maximum allowed size")
        else:
            self.key = table.key(params["Key"])
        if "UpdateExpression" in params:
            self._update = expressions.update(params["UpdateExpression"])
            self._require_targets(self._update.meaning)
        _require_used(params, self._condition, self._update)
        self.before = table.items.get(self.key)

    def after(self) -> Item | None:
        """Return what becomes of the item; `None` if it is removed, or was only looked at.

        Raises:
            _ConditionFailedError: the condition does not hold.
            InvalidError: the update cannot be made of this item.
        """
        names, values = _bindings(self._params)
        item = self.before or {}
        if self._condition and not self._condition.meaning.holds(item, names, values):
            raise _ConditionFailedError
        if self.kind != "Update":
            return self._put
        updated = item or normalised(self._params["Key"])
        if self._update:
            updated = self._update.meaning.apply(updated, names, values)
        self._require_storable(updated, "Item size to update has exceeded the maximum allowed size")
        return updated

    def _require_targets(self, update: Update) -> None:
        targets = update.targets(self._params.get("ExpressionAttributeNames", {}))
        for name in targets:
            if name in self.table.own.names:
                raise InvalidError(
                    "One or more parameter values were invalid: "
                    f"Cannot update attribute {name}. This attribute is part of the key"
                )
            if targets.count(name) > 1:
                raise InvalidError(
                    "Invalid UpdateExpression: Two document paths overlap with each other; "
                    f"must remove or rewrite one of these paths; path one: [{name}], path two: [{name}]"
                )

    def _require_storable(self, item: Item, too_large: str) -> None:
        self.table.check_indexed(item)
        if weight(item) > MAX_ITEM_BYTES:
            raise InvalidError(too_large)


def client_error(operation: str, code: str, message: str, **details: object) -> ClientError:
    """Return the error that botocore raises when DynamoDB answers so."""
    answer = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": 400, "HTTPHeaders": {}, "RetryAttempts": 0},
        "message": message,
        **details,
    }
    return ClientError(answer, operation)


def transaction_cancelled(reasons: Sequence[Answer]) -> ClientError:
    """Return the error of a transaction that was cancelled for these reasons, one for each action."""
    codes = ", ".join(reason["Code"] for reason in reasons)
    return client_error(
        "TransactWriteItems",
        "TransactionCanceledException",
        f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]",
        CancellationReasons=list(reasons),
    )


def conflict(operation: str, params: Params) -> ClientError:
    """Return the error of a write whose (last) item is in another transaction at the same moment."""
    if operation != "TransactWriteItems":
        return client_error(operation, "TransactionConflictException", "Transaction is ongoing for the item")
    reasons = [{"Code": "None"} for _ in params["TransactItems"]]
    reasons[-1] = {"Code": "TransactionConflict", "Message": "Transaction is ongoing for the item"}
    return transaction_cancelled(reasons)


def throttled(operation: str) -> ClientError:
    """Return the error of a write for which there is no capacity, after botocore's own attempts."""
    return client_error(
        operation,
        "ProvisionedThroughputExceededException",
        "The level of configured provisioned throughput for the table was exceeded",
    )


def _judged(write: _Write) -> tuple[Item | None, Answer]:
    """Return what becomes of an item in a transaction, and the reason against it."""
    try:
        return write.after(), {"Code": "None"}
    except _ConditionFailedError:
        reason: Answer = {"Code": "ConditionalCheckFailed", "Message": "The conditional request failed"}
        if write.before and _shows_old(write._params):
            reason["Item"] = dict(write.before)
        return None, reason
    except InvalidError as error:
        return None, {"Code": "ValidationError", "Message": str(error)}


def _page(table: Table, view: View, keys: Iterable[Key], params: Params) -> Answer:
    """Return a page: it ends after `Limit` items or a megabyte, and what a filter leaves out counts as well."""
    names, values = _bindings(params)
    wanted = _condition(params, "FilterExpression")
    attributes = _projection(params)
    limit = params.get("Limit")
    if limit is not None and limit < 1:
        raise InvalidError("Limit must be greater than or equal to 1")
    found = []
    seen = size = 0
    last: Item | None = None
    for key in keys:
        item = table.items[key]
        shown = item if view.projected is None else {name: item[name] for name in item if name in view.projected}
        seen += 1
        size += weight(shown)
        if wanted is None or wanted.meaning.holds(shown, names, values):
            found.append(_projected(shown, attributes, params))
        if seen == limit or size > _MAX_PAGE_BYTES:
            last = item
            break
    answer: Answer = {"Count": len(found), "ScannedCount": seen}
    match params.get("Select"):
        case None | "ALL_ATTRIBUTES" | "ALL_PROJECTED_ATTRIBUTES" | "SPECIFIC_ATTRIBUTES":
            answer["Items"] = found
        case "COUNT":
            pass
        case other:
            raise InvalidError(f"Select cannot be {other}")
    if last is not None:
        answer["LastEvaluatedKey"] = {name: last[name] for name in (*table.own.names, *view.names)}
    return answer


def _start(table: Table, view: View, params: Params) -> tuple[Any, ...] | None:
    start = params.get("ExclusiveStartKey")
    if start is None:
        return None
    names = {*table.own.names, *view.names}
    if start.keys() != names:
        raise InvalidError("The provided starting key is invalid")
    key = table.key({name: start[name] for name in table.own.names})
    return view.entry(start, key)


def _condition(params: Params, name: str) -> Parsed[Condition] | None:
    text = params.get(name)
    return None if text is None else expressions.condition(text)


def _projection(params: Params) -> Parsed[tuple[expressions.Attribute, ...]] | None:
    text = params.get("ProjectionExpression")
    return None if text is None else expressions.projection(text)


def _projected(
    item: Item, attributes: Parsed[tuple[expressions.Attribute, ...]] | None, params: Params
) -> dict[str, Any]:
    if attributes is None:
        return dict(item)
    names = params.get("ExpressionAttributeNames", {})
    wanted = [attribute.name(names) for attribute in attributes.meaning]
    return {name: item[name] for name in wanted if name in item}


def _bindings(params: Params) -> tuple[Names, Values]:
    values = params.get("ExpressionAttributeValues")
    return params.get("ExpressionAttributeNames") or {}, normalised(values) if values else {}


def _shows_old(params: Params) -> bool:
    return bool(params.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD")


def _require_used(params: Params, *parsed: Parsed[Any] | None) -> None:
    """Refuse placeholders that are given and not used, or used and not given."""
    for kind, part in (("Names", "names"), ("Values", "values")):
        used: frozenset[str] = frozenset().union(*(getattr(one, part) for one in parsed if one))
        given = params.get(f"ExpressionAttribute{kind}") or {}
        if used == given.keys():
            continue
        if missing := used - given.keys():
            raise InvalidError(f"An expression attribute {part[:-1]} used in expression is not defined: {missing}")
        raise InvalidError(f"Value provided in ExpressionAttribute{kind} unused in expressions: keys: {{{given}}}")


def _require_known(operation: str, params: Params) -> None:
    if not _KNOWN[operation].issuperset(params):
        raise NotImplementedError(f"{operation} with {sorted(set(params) - _KNOWN[operation])}")
