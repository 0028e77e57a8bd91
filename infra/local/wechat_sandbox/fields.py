"""Typed reading of JSON bodies: each reader says what it wants and names the field that was wrong."""

import json
import re
from datetime import datetime
from typing import cast
from urllib.parse import urlsplit

from .exchange import JsonObject

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)")
_MAX_NOTIFY_URL_CHARACTERS = 255


class FieldError(Exception):
    """A field is missing or has a wrong form; `field` is its path, such as `/body/amount/total`."""

    def __init__(self, field: str, issue: str) -> None:
        super().__init__(f"{field}: {issue}")
        self.field = field
        self.issue = issue


class Fields:
    """A JSON object together with its path, so that errors can name the field as WeChat does."""

    def __init__(self, values: JsonObject, path: str = "/body") -> None:
        self.values = values
        self.path = path

    def has(self, name: str) -> bool:
        """Say whether the field is there and not null."""
        return self.values.get(name) is not None

    def fail(self, name: str, issue: str) -> FieldError:
        """Return the error that names the field, for the caller to raise."""
        return FieldError(f"{self.path}/{name}", issue)

    def text(self, name: str, maximum: int, pattern: str = "", minimum: int = 1) -> str:
        """Return a string of `minimum`–`maximum` characters that matches the pattern in full."""
        value = self.values.get(name)
        if not isinstance(value, str):
            raise self.fail(name, "必填字符串缺失或类型有误")
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise self.fail(name, "含有无法编码的字符")
        if not minimum <= len(value) <= maximum:
            raise self.fail(name, f"长度须为 {minimum} 至 {maximum} 个字符")
        if pattern and not re.fullmatch(pattern, value):
            raise self.fail(name, "含有不允许的字符或格式有误")
        return value

    def optional_text(self, name: str, maximum: int, pattern: str = "") -> str:
        """Return the string, or an empty one when the field is absent or null."""
        return self.text(name, maximum, pattern) if self.has(name) else ""

    def integer(self, name: str, minimum: int, maximum: int) -> int:
        """Return an integer within the bounds; true, false and fractions are not integers."""
        value = self.values.get(name)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.fail(name, "须为整数")
        if not minimum <= value <= maximum:
            raise self.fail(name, f"须在 {minimum} 与 {maximum} 之间")
        return value

    def number(self, name: str, minimum: float, maximum: float) -> float:
        """Return a number, whole or not, within the bounds."""
        value = self.values.get(name)
        if not isinstance(value, int | float) or isinstance(value, bool) or not minimum <= value <= maximum:
            raise self.fail(name, f"须为 {minimum} 与 {maximum} 之间的数")
        return float(value)

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        """Return one of the given words."""
        value = self.values.get(name)
        if not isinstance(value, str) or value not in choices:
            raise self.fail(name, f"须为 {'、'.join(choices)} 之一")
        return value

    def boolean(self, name: str) -> bool:
        """Return true or false."""
        value = self.values.get(name)
        if not isinstance(value, bool):
            raise self.fail(name, "须为布尔值")
        return value

    def object(self, name: str) -> "Fields":
        """Return the nested object."""
        value = self.values.get(name)
        if not isinstance(value, dict):
            raise self.fail(name, "须为对象")
        return Fields(cast("JsonObject", value), f"{self.path}/{name}")

    def objects(self, name: str, maximum: int) -> list["Fields"]:
        """Return a list of nested objects with at least one and at most `maximum` entries."""
        value = self.values.get(name)
        if not isinstance(value, list) or not 1 <= len(value) <= maximum:
            raise self.fail(name, f"须为 1 至 {maximum} 项的列表")
        entries = cast("list[object]", value)
        if not all(isinstance(entry, dict) for entry in entries):
            raise self.fail(name, "列表各项须为对象")
        return [Fields(cast("JsonObject", entry), f"{self.path}/{name}/{index}") for index, entry in enumerate(entries)]

    def texts(self, name: str, maximum: int, characters: int) -> list[str]:
        """Return a list of at most `maximum` strings of at most `characters` characters."""
        value = self.values.get(name)
        if not isinstance(value, list) or len(value) > maximum:
            raise self.fail(name, f"须为至多 {maximum} 项的列表")
        entries = cast("list[object]", value)
        if not all(isinstance(entry, str) and 1 <= len(entry) <= characters for entry in entries):
            raise self.fail(name, f"列表各项须为 1 至 {characters} 个字符")
        return cast("list[str]", entries)

    def moment(self, name: str) -> datetime:
        """Return an RFC 3339 time as an aware datetime."""
        value = self.values.get(name)
        if not isinstance(value, str) or not _RFC3339.fullmatch(value):
            raise self.fail(name, "须为 RFC 3339 时间")
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            raise self.fail(name, "须为 RFC 3339 时间") from None

    def notify_url(self, name: str) -> str:
        """Return an https address without a query, as WeChat demands of notification addresses."""
        value = self.text(name, _MAX_NOTIFY_URL_CHARACTERS)
        parts = urlsplit(value)
        if parts.scheme != "https" or not parts.hostname or "?" in value or "#" in value:
            raise self.fail(name, "须为不带参数的 https 地址")
        return value


def parse_object(body: bytes) -> Fields:
    """Return the body as a JSON object.

    Raises:
        FieldError: the body is not a JSON object.
    """
    try:
        value: object = json.loads(body)
    except ValueError:
        raise FieldError("/body", "请求体不是有效的 JSON") from None
    if not isinstance(value, dict):
        raise FieldError("/body", "请求体须为 JSON 对象")
    return Fields(cast("JsonObject", value))
