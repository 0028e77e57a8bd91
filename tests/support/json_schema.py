"""A judge of JSON documents by JSON Schema (2020-12), for the keywords that our schemas use; any other is an error."""

from collections.abc import Iterator
from typing import Any, Final

_ANNOTATIONS: Final = frozenset({"$schema", "$defs", "title", "description", "default"})
_TYPES: Final[dict[str, type | tuple[type, ...]]] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "null": type(None),
}


def faults(schema: dict[str, Any], document: object) -> list[str]:
    """Return where a document breaks the schema, as JSONPaths."""
    return list(_faults(schema, document, "$", schema["$defs"]))


def _faults(schema: dict[str, Any], value: Any, path: str, definitions: dict[str, Any]) -> Iterator[str]:  # noqa: C901, PLR0912 - one case per keyword
    for keyword, wanted in schema.items():
        wrong = False
        match keyword:
            case "$ref":
                yield from _faults(definitions[wanted.removeprefix("#/$defs/")], value, path, definitions)
            case "anyOf":
                wrong = all(list(_faults(one, value, path, definitions)) for one in wanted)
            case "type":
                wrong = not isinstance(value, _TYPES[wanted]) or isinstance(value, bool)
            case "enum":
                wrong = value not in wanted
            case "minimum":
                wrong = isinstance(value, int) and value < wanted
            case "maximum":
                wrong = isinstance(value, int) and value > wanted
            case "minItems" | "minLength":
                wrong = isinstance(value, list | str) and len(value) < wanted
            case "maxItems" | "maxLength":
                wrong = isinstance(value, list | str) and len(value) > wanted
            case "uniqueItems":
                wrong = isinstance(value, list) and len(set(value)) < len(value)
            case "required":
                wrong = isinstance(value, dict) and not set(wanted) <= value.keys()
            case "additionalProperties":
                assert wanted is False
                wrong = isinstance(value, dict) and not value.keys() <= schema["properties"].keys()
            case "properties":
                for name in value.keys() & wanted.keys() if isinstance(value, dict) else ():
                    yield from _faults(wanted[name], value[name], f"{path}.{name}", definitions)
            case "items":
                for i, item in enumerate(value if isinstance(value, list) else ()):
                    yield from _faults(wanted, item, f"{path}[{i}]", definitions)
            case _:
                assert keyword in _ANNOTATIONS, keyword
        if wrong:
            yield path
