"""DynamoDB's expressions: conditions, updates and projections, each text parsed once.

Known is the whole grammar of conditions and updates on top-level attributes. Document paths, lists and sets are refused
with `NotImplementedError`, as no store has any.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Final, Protocol

from tests.support.memory_engine.values import ORDERED, InvalidError, Item, Value, number, sortable, tag_of

type Names = Mapping[str, str]
type Values = Mapping[str, Value]

_TOKEN: Final = re.compile(r"\s*(<>|<=|>=|[=<>(),+.\[\]-]|[#:]?\w+)\s*")
_COMPARATORS: Final = frozenset({"=", "<>", "<", "<=", ">", ">="})
_KEYWORDS: Final = frozenset({"AND", "OR", "NOT", "BETWEEN", "IN", "SET", "REMOVE", "ADD", "DELETE"})
_UNKNOWN_FUNCTIONS: Final = frozenset({"contains", "attribute_type", "list_append"})


class Operand(Protocol):
    """Something with a value: an attribute, a given value, or what a function makes of them."""

    def read(self, item: Item, names: Names, values: Values) -> Value | None:
        """Return the value, `None` if there is none."""
        ...


class Condition(Protocol):
    """Something that holds of an item or not."""

    def holds(self, item: Item, names: Names, values: Values) -> bool:
        """Tell whether it holds; an item that does not exist has no attributes."""
        ...


@dataclass(frozen=True, slots=True)
class Attribute:
    """A top-level attribute, by name or by placeholder."""

    token: str

    def name(self, names: Names) -> str:
        return names[self.token] if self.token[0] == "#" else self.token

    def read(self, item: Item, names: Names, values: Values) -> Value | None:  # noqa: ARG002 - an operand's form
        return item.get(names[self.token] if self.token[0] == "#" else self.token)


@dataclass(frozen=True, slots=True)
class Given:
    """A value that came with the request."""

    token: str

    def read(self, item: Item, names: Names, values: Values) -> Value | None:  # noqa: ARG002 - an operand's form
        return values[self.token]


@dataclass(frozen=True, slots=True)
class Size:
    """How long an attribute is."""

    of: Operand

    def read(self, item: Item, names: Names, values: Values) -> Value | None:
        value = self.of.read(item, names, values)
        if value is None:
            return None
        ((tag, content),) = value.items()
        return {"N": str(len(content))} if tag in {"S", "B"} else None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two operands compared. What is missing equals nothing and has no order."""

    operator: str
    left: Operand
    right: Operand

    def holds(self, item: Item, names: Names, values: Values) -> bool:
        left, right = self.left.read(item, names, values), self.right.read(item, names, values)
        if self.operator == "=":
            return left is not None and left == right
        if self.operator == "<>":
            return left != right
        for operand, value in ((self.left, left), (self.right, right)):
            if type(operand) is Given and value is not None:
                require_type(value, ORDERED, self.operator)
        if left is None or right is None or tag_of(left) != tag_of(right) or tag_of(left) not in ORDERED:
            return False
        return _ordered(self.operator, sortable(left), sortable(right))


@dataclass(frozen=True, slots=True)
class Between:
    """An operand between two others, both included."""

    operand: Operand
    low: Operand
    high: Operand

    def holds(self, item: Item, names: Names, values: Values) -> bool:
        if type(self.low) is Given and type(self.high) is Given:
            require_interval(values[self.low.token], values[self.high.token])
        low = Comparison(">=", self.operand, self.low)
        return low.holds(item, names, values) and Comparison("<=", self.operand, self.high).holds(item, names, values)


@dataclass(frozen=True, slots=True)
class Membership:
    """An operand that equals one of others."""

    operand: Operand
    options: tuple[Operand, ...]

    def holds(self, item: Item, names: Names, values: Values) -> bool:
        value = self.operand.read(item, names, values)
        return value is not None and any(option.read(item, names, values) == value for option in self.options)


@dataclass(frozen=True, slots=True)
class Existence:
    """An attribute that is there, or is not."""

    attribute: Attribute
    wanted: bool

    def holds(self, item: Item, names: Names, values: Values) -> bool:
        return (self.attribute.read(item, names, values) is not None) is self.wanted


@dataclass(frozen=True, slots=True)
class Prefix:
    """An attribute that begins with a text."""

    attribute: Operand
    prefix: Operand

    def holds(self, item: Item, names: Names, values: Values) -> bool:
        prefix, value = self.prefix.read(item, names, values), self.attribute.read(item, names, values)
        if type(self.prefix) is Given and prefix is not None:
            require_type(prefix, frozenset({"S", "B"}), "begins_with")
        if prefix is None or value is None or tag_of(prefix) != tag_of(value) or tag_of(value) not in {"S", "B"}:
            return False
        (whole,), (start,) = value.values(), prefix.values()
        return bool(whole.startswith(start))


@dataclass(frozen=True, slots=True)
class Both:
    """Two conditions of which both hold."""

    left: Condition
    right: Condition

    def holds(self, item: Item, names: Names, values: Values) -> bool:
        return self.left.holds(item, names, values) and self.right.holds(item, names, values)


@dataclass(frozen=True, slots=True)
class Either:
    """Two conditions of which one holds."""

    left: Condition
    right: Condition

    def holds(self, item: Item, names: Names, values: Values) -> bool:
        return self.left.holds(item, names, values) or self.right.holds(item, names, values)


@dataclass(frozen=True, slots=True)
class Negation:
    """A condition that does not hold."""

    condition: Condition

    def holds(self, item: Item, names: Names, values: Values) -> bool:
        return not self.condition.holds(item, names, values)


@dataclass(frozen=True, slots=True)
class Default:
    """`if_not_exists`: an attribute, or another operand where it is missing."""

    attribute: Attribute
    otherwise: Operand

    def read(self, item: Item, names: Names, values: Values) -> Value | None:
        value = self.attribute.read(item, names, values)
        return self.otherwise.read(item, names, values) if value is None else value


@dataclass(frozen=True, slots=True)
class Sum:
    """Two numbers added, or the second one taken from the first."""

    left: Operand
    right: Operand
    sign: int

    def read(self, item: Item, names: Names, values: Values) -> Value | None:
        left, right = self.left.read(item, names, values), self.right.read(item, names, values)
        if left is None or right is None:
            return None
        if "N" not in left or "N" not in right:
            raise InvalidError("An operand in the update expression has an incorrect data type")
        return number(str(int(left["N"]) + self.sign * int(right["N"])))


@dataclass(frozen=True, slots=True)
class Update:
    """An update: what is set, removed and added to, each attribute at most once."""

    sets: tuple[tuple[Attribute, Operand], ...]
    removes: tuple[Attribute, ...]
    adds: tuple[tuple[Attribute, Given], ...]

    def targets(self, names: Names) -> list[str]:
        """Return the names of all attributes that it changes."""
        attributes = (*(one for one, _ in self.sets), *self.removes, *(one for one, _ in self.adds))
        return [attribute.name(names) for attribute in attributes]

    def apply(self, item: Item, names: Names, values: Values) -> Item:
        """Return the item after the update; every operand is read from the item before it.

        Raises:
            InvalidError: an operand is missing or not a number.
        """
        after = dict(item)
        for attribute, operand in self.sets:
            value = operand.read(item, names, values)
            if value is None:
                raise InvalidError("The provided expression refers to an attribute that does not exist in the item")
            after[attribute.name(names)] = value
        for attribute in self.removes:
            after.pop(attribute.name(names), None)
        for attribute, given in self.adds:
            step = values[given.token]
            require_type(step, frozenset({"N"}), "ADD")
            before = attribute.read(item, names, values)
            if before is not None and "N" not in before:
                raise InvalidError("An operand in the update expression has an incorrect data type")
            after[attribute.name(names)] = number(str(int(before["N"] if before else 0) + int(step["N"])))
        return after


@dataclass(frozen=True, slots=True)
class Parsed[T]:
    """What an expression means, and which placeholders it uses."""

    meaning: T
    names: frozenset[str]
    values: frozenset[str]


def require_type(value: Value, types: frozenset[str], operator: str) -> None:
    """Refuse a given value that an operator cannot take."""
    if tag_of(value) not in types:
        raise InvalidError(
            "Incorrect operand type for operator or function; "
            f"operator or function: {operator}, operand type: {tag_of(value)}"
        )


def require_interval(low: Value, high: Value) -> None:
    """Refuse bounds of different types, or the wrong way round."""
    require_type(low, ORDERED, "BETWEEN")
    if tag_of(low) != tag_of(high):
        raise InvalidError("The BETWEEN operator requires same data type for lower and upper bounds")
    if sortable(low) > sortable(high):  # type: ignore[operator] # both have the same type
        raise InvalidError("The BETWEEN operator requires upper bound to be greater than or equal to lower bound")


@cache
def condition(text: str) -> Parsed[Condition]:
    """Parse a condition, key condition or filter."""
    return _whole(text, _Parser.condition)


@cache
def update(text: str) -> Parsed[Update]:
    """Parse an update."""
    return _whole(text, _Parser.update)


@cache
def projection(text: str) -> Parsed[tuple[Attribute, ...]]:
    """Parse a list of attributes."""
    return _whole(text, lambda parser: tuple(parser.listed(parser.attribute)))


def _whole[T](text: str, parse: Callable[["_Parser"], T]) -> Parsed[T]:
    parser = _Parser(text, list(_tokens(text)))
    meaning = parse(parser)
    if parser.next is not None:
        raise parser.error()
    return Parsed(meaning, frozenset(parser.names), frozenset(parser.values))


def _tokens(text: str) -> Iterator[str]:
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise InvalidError(f'Syntax error; token: "{text[position:]}"')
        yield match[1]
        position = match.end()


def _ordered(operator: str, left: object, right: object) -> bool:
    match operator:
        case "<":
            return bool(left < right)  # type: ignore[operator] # both have the same sortable type
        case "<=":
            return bool(left <= right)  # type: ignore[operator] # as above
        case ">":
            return bool(left > right)  # type: ignore[operator] # as above
        case _:
            return bool(left >= right)  # type: ignore[operator] # as above


@dataclass(slots=True)
class _Parser:
    """Recursive descent; keywords in any case, functions in lower case, as DynamoDB has it."""

    text: str
    tokens: list[str]
    position: int = 0
    names: set[str] = field(default_factory=set)
    values: set[str] = field(default_factory=set)

    @property
    def next(self) -> str | None:
        return self.tokens[self.position] if self.position < len(self.tokens) else None

    def condition(self) -> Condition:
        left = self._all_of()
        while self._skip("OR"):
            left = Either(left, self._all_of())
        return left

    def update(self) -> Update:
        sets: list[tuple[Attribute, Operand]] = []
        removes: list[Attribute] = []
        adds: list[tuple[Attribute, Given]] = []
        seen = set()
        while self.next is not None:
            clause = self._take().upper()
            if clause in seen:
                raise InvalidError(f'The "{clause}" section can only be used once in an update expression')
            seen.add(clause)
            match clause:
                case "SET":
                    sets = self.listed(self._assignment)
                case "REMOVE":
                    removes = self.listed(self.attribute)
                case "ADD":
                    adds = self.listed(self._addition)
                case "DELETE":
                    raise NotImplementedError("DELETE takes from sets, which no store has")
                case _:
                    raise self.error()
        if not seen:
            raise InvalidError("The expression can not be empty;")
        return Update(tuple(sets), tuple(removes), tuple(adds))

    def listed[T](self, one: Callable[[], T]) -> list[T]:
        found = [one()]
        while self._skip(","):
            found.append(one())
        return found

    def attribute(self) -> Attribute:
        token = self._take()
        if not (token[0] == "#" or token[0].isalpha()) or token.upper() in _KEYWORDS:
            raise self.error(token)
        if self.next in {".", "["}:
            raise NotImplementedError(f"document paths: {self.text}")
        if token[0] == "#":
            self.names.add(token)
        elif token.upper() in _reserved_words():
            raise InvalidError(f"Attribute name is a reserved keyword; reserved keyword: {token}")
        return Attribute(token)

    def error(self, token: str | None = None) -> InvalidError:
        return InvalidError(f'Syntax error; token: "{token or self.next or "<EOF>"}"')

    def _all_of(self) -> Condition:
        left = self._negation()
        while self._skip("AND"):
            left = Both(left, self._negation())
        return left

    def _negation(self) -> Condition:
        if self._skip("NOT"):
            return Negation(self._negation())
        if self._skip("("):
            doubled = self.next == "("
            start = self.position
            inner = self.condition()
            if doubled and self._closes(start) == self.position - 1:
                raise InvalidError("The expression has redundant parentheses;")
            self._expect(")")
            return inner
        return self._predicate()

    def _closes(self, opening: int) -> int:
        """Return where the parenthesis is closed that is opened at a position."""
        depth = 0
        for position in range(opening, len(self.tokens)):
            depth += {"(": 1, ")": -1}.get(self.tokens[position], 0)
            if depth == 0:
                return position
        raise self.error()

    def _predicate(self) -> Condition:
        match self._function():
            case "attribute_exists" | "attribute_not_exists" as function:
                (attribute,) = self._arguments(self.attribute)
                return Existence(attribute, wanted=function == "attribute_exists")
            case "begins_with":
                text, prefix = self._arguments(self._operand, self._operand)
                return Prefix(text, prefix)
            case _:
                return self._relation(self._operand())

    def _relation(self, left: Operand) -> Condition:
        if self.next in _COMPARATORS:
            return Comparison(self._take(), left, self._other_than(left))
        if self._skip("BETWEEN"):
            low = self._other_than(left)
            self._expect("AND")
            return Between(left, low, self._other_than(left))
        self._expect("IN")
        self._expect("(")
        options = self.listed(lambda: self._other_than(left))
        self._expect(")")
        return Membership(left, tuple(options))

    def _other_than(self, left: Operand) -> Operand:
        right = self._operand()
        if right == left:
            raise InvalidError("The first operand must be distinct from the remaining operands for this operator")
        return right

    def _operand(self) -> Operand:
        if self._function() == "size":
            (of,) = self._arguments(self._operand)
            return Size(of)
        return self._given() if self.next and self.next[0] == ":" else self.attribute()

    def _assignment(self) -> tuple[Attribute, Operand]:
        target = self.attribute()
        self._expect("=")
        left = self._settable()
        for operator, sign in (("+", 1), ("-", -1)):
            if self._skip(operator):
                return target, Sum(left, self._settable(), sign)
        return target, left

    def _settable(self) -> Operand:
        if self._function() == "if_not_exists":
            self._expect("if_not_exists")
            self._expect("(")
            attribute = self.attribute()
            self._expect(",")
            otherwise = self._settable()
            self._expect(")")
            return Default(attribute, otherwise)
        return self._given() if self.next and self.next[0] == ":" else self.attribute()

    def _addition(self) -> tuple[Attribute, Given]:
        return self.attribute(), self._given()

    def _given(self) -> Given:
        token = self._take()
        if token[0] != ":":
            raise self.error(token)
        self.values.add(token)
        return Given(token)

    def _function(self) -> str | None:
        """Return the name of the function that is called next."""
        if self.position + 1 >= len(self.tokens) or self.tokens[self.position + 1] != "(":
            return None
        name = self.tokens[self.position]
        if name in _UNKNOWN_FUNCTIONS:
            raise NotImplementedError(f"the function {name}")
        return name

    def _arguments[T](self, *kinds: Callable[[], T]) -> list[T]:
        self._take()
        self._expect("(")
        found = []
        for i, kind in enumerate(kinds):
            if i:
                self._expect(",")
            found.append(kind())
        self._expect(")")
        return found

    def _take(self) -> str:
        token = self.next
        if token is None:
            raise self.error()
        self.position += 1
        return token

    def _skip(self, wanted: str) -> bool:
        if self.next is None or self.next.upper() != wanted:
            return False
        self.position += 1
        return True

    def _expect(self, wanted: str) -> None:
        if self.next is None or self.next.upper() != wanted.upper():
            raise self.error()
        self.position += 1


@cache
def _reserved_words() -> frozenset[str]:
    from moto.dynamodb.parsing.reserved_keywords import ReservedKeywords

    return frozenset(ReservedKeywords.get_reserved_keywords())
