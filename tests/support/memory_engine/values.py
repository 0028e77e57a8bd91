"""Attribute values in DynamoDB's JSON: what may stand in an item, what it weighs, how it sorts.

Only what the stores write is known: text, whole numbers, binary, true or false, and null. Anything else is refused with
`NotImplementedError`, so that a test never passes on a guess.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

type Value = dict[str, Any]
"""One attribute value, such as `{"S": "text"}`."""
type Item = dict[str, Value]
type Sortable = str | int | bytes

MAX_ITEM_BYTES: Final = 400 * 1024
_MAX_DIGITS: Final = 38
_WHOLE: Final = re.compile(r"-?\d+")
_PYTHON: Final[Mapping[str, type]] = {"S": str, "N": str, "B": bytes, "BOOL": bool, "NULL": bool}
ORDERED: Final = frozenset({"S", "N", "B"})
"""Types that can be compared by order, and be keys."""


class InvalidError(Exception):
    """DynamoDB answers with a `ValidationException` of this message."""


def tag_of(value: Value) -> str:
    """Return the value's type, such as `S`."""
    (tag,) = value
    return tag


def sortable(value: Value) -> Sortable:
    """Return what a value sorts by; Python orders text by code points, which is the order of its UTF-8 bytes."""
    ((tag, content),) = value.items()
    return int(content) if tag == "N" else content


def normalised(item: Mapping[str, Value]) -> Item:
    """Return an item as DynamoDB keeps it; refuses values that are none, or that this engine does not know."""
    return {name: normalised_value(value) for name, value in item.items()}


def normalised_value(value: Value) -> Value:
    """Return a value as DynamoDB keeps it: numbers without leading zeros, so that equal ones are written equally."""
    if len(value) != 1:
        raise InvalidError("Supplied AttributeValue must contain exactly one of the supported datatypes")
    tag = tag_of(value)
    content: Any = value[tag]
    known: bool = type(content) is _PYTHON.get(tag)
    if not known:
        if tag == "S" and isinstance(content, StrEnum):
            return {"S": content.value}
        raise NotImplementedError(f"attribute values of type {tag} as {type(content).__name__}")
    if tag == "N":
        return value if content.isdecimal() and content[0] != "0" and len(content) <= _MAX_DIGITS else number(content)
    return value


def number(text: str) -> Value:
    """Return a whole number as a value."""
    if not _WHOLE.fullmatch(text):
        raise NotImplementedError(f"{text!r} is no whole number")
    value = int(text)
    if len(str(abs(value)).rstrip("0")) > _MAX_DIGITS:
        raise InvalidError("Attempting to store more than 38 significant digits in a Number")
    return {"N": str(value)}


def weight(item: Mapping[str, Value]) -> int:
    """Return the bytes that an item counts for: its names and values."""
    total = 0
    for name, value in item.items():
        ((tag, content),) = value.items()
        total += len(name)
        if tag == "S":
            total += len(content) if content.isascii() else len(content.encode())
        elif tag == "N":
            total += (len(content.lstrip("-").rstrip("0")) + 1) // 2 + 1
        else:
            total += len(content) if tag == "B" else 1
    return total
