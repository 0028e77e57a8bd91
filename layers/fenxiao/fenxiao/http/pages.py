"""Lists: a page of things and the cursor of the next."""

from collections.abc import Mapping
from typing import Final

import msgspec

from fenxiao.errors import BadRequestError

_DEFAULT_LIMIT: Final = 20
_MAX_LIMIT: Final = 100

PAGE_QUERY: Final = {"cursor": "下一页的游标", "limit": f"每页条数，1 至 {_MAX_LIMIT}，默认 {_DEFAULT_LIMIT}"}
"""The query parameters of every list."""


class Page[T](msgspec.Struct, frozen=True):
    """Some items of a list; `next_cursor` is absent on the last page."""

    items: list[T]
    next_cursor: str | None = None


class BadLimitError(BadRequestError):
    """The page size is not a number in the stated range."""

    code = "bad_limit"
    title = "每页条数无效"


def page_limit(query: Mapping[str, str]) -> int:
    """Return the page size that the query asks for.

    Raises:
        BadLimitError: not a number in 1…100.
    """
    text = query.get("limit", str(_DEFAULT_LIMIT))
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:4]) <= _MAX_LIMIT):
        raise BadLimitError
    return int(text)
