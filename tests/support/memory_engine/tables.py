"""Tables in memory: items by key, and sorted views of them, the table's own and one for each index."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, Final

from tests.support.memory_engine.expressions import (
    Attribute,
    Between,
    Both,
    Comparison,
    Condition,
    Given,
    Names,
    Prefix,
    Values,
    require_interval,
)
from tests.support.memory_engine.values import (
    ORDERED,
    InvalidError,
    Item,
    Sortable,
    Value,
    normalised_value,
    sortable,
    tag_of,
)

type Key = tuple[Sortable, ...]
"""What identifies an item: its hash and range values."""
type Entry = tuple[Any, ...]
"""A place in a view: the view's range value, then the item's key, so that no two are equal."""

_MAX_HASH_BYTES: Final = 2048
_MAX_RANGE_BYTES: Final = 1024
_range_of: Final = itemgetter(0)


@dataclass(slots=True)
class View:
    """Items by one key schema, each partition in the order of its range values."""

    hash: str
    range: str | None
    projected: frozenset[str] | None = None
    """Names of the attributes that an index holds; `None` for all."""
    partitions: dict[Sortable, list[Entry]] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of its key's attributes."""
        return (self.hash,) if self.range is None else (self.hash, self.range)

    def holds(self, item: Mapping[str, Value]) -> bool:
        """Tell whether an item stands in it: an index holds only items that have its whole key."""
        return all(name in item for name in self.names)

    def entry(self, item: Mapping[str, Value], key: Key) -> Entry:
        """Return where an item stands."""
        return (0 if self.range is None else sortable(item[self.range]), *key)

    def add(self, item: Item, key: Key) -> None:
        """Let an item stand in the view, if it has the view's key."""
        if self.holds(item):
            insort(self.partitions.setdefault(sortable(item[self.hash]), []), self.entry(item, key))

    def remove(self, item: Item, key: Key) -> None:
        """Take an item out of the view."""
        if self.holds(item):
            partition = self.partitions[sortable(item[self.hash])]
            del partition[bisect_left(partition, self.entry(item, key))]


@dataclass(slots=True)
class Table:
    """A table with its indexes."""

    name: str
    types: Mapping[str, str]
    """Types of all attributes that are part of a key."""
    own: View
    indexes: Mapping[str, View]
    items: dict[Key, Item] = field(default_factory=dict)

    @classmethod
    def of(cls, definition: Mapping[str, Any]) -> "Table":
        """Return the table that a `CreateTable` request defines."""
        own = _view(definition["KeySchema"])
        indexes = {}
        for index in definition.get("GlobalSecondaryIndexes", ()):
            projection = index["Projection"]
            indexes[index["IndexName"]] = view = _view(index["KeySchema"])
            if projection["ProjectionType"] != "ALL":
                view.projected = frozenset({*own.names, *view.names, *projection.get("NonKeyAttributes", ())})
        types = {one["AttributeName"]: one["AttributeType"] for one in definition["AttributeDefinitions"]}
        return cls(definition["TableName"], types, own, indexes)

    def key(self, given: Mapping[str, Value]) -> Key:
        """Return the key of a request, which must be exactly the table's."""
        if len(given) != len(self.own.names):
            raise InvalidError("The provided key element does not match the schema")
        return self.key_of(given, "The provided key element does not match the schema")

    def key_of(self, item: Mapping[str, Value], mismatch: str = "") -> Key:
        """Return the key of an item that is to be written."""
        key = []
        for name in self.own.names:
            value = item.get(name)
            if value is None:
                raise InvalidError(
                    mismatch or f"One or more parameter values were invalid: Missing the key {name} in the item"
                )
            if self.types[name] not in value:
                raise InvalidError(mismatch or self._type_fault(name, "key", value))
            self._require_content(name, value)
            key.append(sortable(normalised_value(value)))
        return tuple(key)

    def check_indexed(self, item: Item) -> None:
        """Refuse an item that cannot stand in an index for which it has an attribute."""
        for index in self.indexes.values():
            for name in index.names:
                value = item.get(name)
                if value is not None:
                    if self.types[name] not in value:
                        raise InvalidError(self._type_fault(name, "Index Key", value))
                    self._require_content(name, value)

    def write(self, key: Key, before: Item | None, after: Item | None) -> None:
        """Replace an item in the table and in every view."""
        if after is None:
            self.items.pop(key, None)
        else:
            self.items[key] = after
        views = self.indexes.values() if before and after else (self.own, *self.indexes.values())
        for view in views:
            if before and after and all(before.get(name) == after.get(name) for name in view.names):
                continue
            if before:
                view.remove(before, key)
            if after:
                view.add(after, key)

    def clear(self) -> None:
        """Remove every item."""
        self.items.clear()
        for view in (self.own, *self.indexes.values()):
            view.partitions.clear()

    def scanned(self) -> list[Key]:
        """Return all keys in an order that does not change while items come and go."""
        return sorted(self.items, key=repr)

    def _require_content(self, name: str, value: Value) -> None:
        (content,) = value.values()
        if content in {"", b""}:
            raise InvalidError(
                "One or more parameter values are not valid. "
                f"The AttributeValue for a key attribute cannot contain an empty string value. Key: {name}"
            )
        if type(content) is not str or len(content) <= _MAX_RANGE_BYTES // 4:
            return
        is_hash = any(view.hash == name for view in (self.own, *self.indexes.values()))
        limit = _MAX_HASH_BYTES if is_hash else _MAX_RANGE_BYTES
        if len(content.encode()) > limit:
            raise InvalidError(
                "One or more parameter values were invalid: "
                f"Size of key {name} has exceeded the maximum size limit of {limit} bytes"
            )

    def _type_fault(self, name: str, part: str, value: Value) -> str:
        return (
            f"One or more parameter values were invalid: Type mismatch for {part} {name} "
            f"expected: {self.types[name]} actual: {tag_of(value)}"
        )


@dataclass(frozen=True, slots=True)
class Span:
    """The part of a view's partition that a key condition means."""

    partition: Sequence[Entry]
    low: int
    high: int

    def walk(self, after: Entry | None, *, forward: bool) -> Iterator[Entry]:
        """Yield the places in it, from a place (exclusive) on."""
        low, high = self.low, self.high
        if after is not None and forward:
            low = max(low, bisect_right(self.partition, after))
        elif after is not None:
            high = min(high, bisect_left(self.partition, after))
        positions = range(low, high) if forward else range(high - 1, low - 1, -1)
        for position in positions:
            yield self.partition[position]


def span(view: View, types: Mapping[str, str], condition: Condition, names: Names, values: Values) -> Span:
    """Return what a key condition means in a view.

    Raises:
        InvalidError: it is not an equation of the hash attribute, with at most one condition of the range attribute.
    """
    equation: Condition
    rest: Condition | None
    match condition:
        case Both(left, right) if _is_equation(left, view.hash, names):
            equation, rest = left, right
        case Both(left, right):
            equation, rest = right, left
        case _:
            equation, rest = condition, None
    if not _is_equation(equation, view.hash, names):
        raise InvalidError(f"Query condition missed key schema element: {view.hash}")
    assert isinstance(equation, Comparison)
    partition = view.partitions.get(_key_value(equation.right, view.hash, types, values), [])
    if rest is None:
        return Span(partition, 0, len(partition))
    if view.range is None:
        raise InvalidError("Query key condition not supported")
    return _range_span(partition, view.range, types, rest, names, values)


def _range_span(
    partition: Sequence[Entry], name: str, types: Mapping[str, str], rest: Condition, names: Names, values: Values
) -> Span:
    end = len(partition)
    match rest:
        case Comparison(operator, Attribute() as attribute, operand) if attribute.name(names) == name:
            value = _key_value(operand, name, types, values)
            left = bisect_left(partition, value, key=_range_of)
            right = bisect_right(partition, value, key=_range_of)
            spans = {"=": (left, right), "<": (0, left), "<=": (0, right), ">": (right, end), ">=": (left, end)}
            if operator in spans:
                return Span(partition, *spans[operator])
        case Between(Attribute() as attribute, Given() as low, Given() as high) if attribute.name(names) == name:
            require_interval(values[low.token], values[high.token])
            return Span(
                partition,
                bisect_left(partition, _key_value(low, name, types, values), key=_range_of),
                bisect_right(partition, _key_value(high, name, types, values), key=_range_of),
            )
        case Prefix(Attribute() as attribute, operand) if attribute.name(names) == name:
            prefix: Any = _key_value(operand, name, types, values)
            if isinstance(prefix, int):
                raise InvalidError("Incorrect operand type for operator or function; operator or function: begins_with")
            length = len(prefix)
            left = bisect_left(partition, prefix, key=_range_of)
            return Span(partition, left, bisect_right(partition, prefix, left, key=lambda entry: entry[0][:length]))
        case _:
            pass
    raise InvalidError("Query key condition not supported")


def _is_equation(condition: Condition, name: str, names: Names) -> bool:
    match condition:
        case Comparison("=", Attribute() as attribute, Given()):
            return attribute.name(names) == name
        case _:
            return False


def _key_value(operand: object, name: str, types: Mapping[str, str], values: Values) -> Sortable:
    if not isinstance(operand, Given):
        raise InvalidError("Query key condition not supported")
    value = values[operand.token]
    if tag_of(value) != types[name] or types[name] not in ORDERED:
        raise InvalidError(
            "One or more parameter values were invalid: Condition parameter type does not match schema type"
        )
    if value in ({"S": ""}, {"B": b""}):
        raise InvalidError(
            "One or more parameter values are not valid. "
            f"The AttributeValue for a key attribute cannot contain an empty string value. Key: {name}"
        )
    return sortable(value)


def _view(schema: Sequence[Mapping[str, str]]) -> View:
    roles = {one["KeyType"]: one["AttributeName"] for one in schema}
    return View(roles["HASH"], roles.get("RANGE"))
