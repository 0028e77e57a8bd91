"""Opaque page cursors: the sort position only, so that a forged one can never reach into another partition."""

import base64
import binascii

import msgspec

from fenxiao.errors import BadRequestError

_MAX_LENGTH = 300


class BadCursorError(BadRequestError):
    """The cursor was not made by us."""

    code = "bad_cursor"
    title = "分页游标无效"


def encode(*position: str | int) -> str:
    """Return the cursor of a position in a list."""
    return base64.urlsafe_b64encode(msgspec.json.encode(position)).decode().rstrip("=")


def decode[T](cursor: str, form: type[T]) -> T:
    """Return the position that the cursor holds, such as `tuple[int, str]`.

    Raises:
        BadCursorError: it does not hold a position of that form.
    """
    if len(cursor) > _MAX_LENGTH:
        raise BadCursorError
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        return msgspec.json.decode(base64.b64decode(padded, altchars=b"-_", validate=True), type=form)
    except (binascii.Error, ValueError, msgspec.DecodeError) as error:
        raise BadCursorError from error
