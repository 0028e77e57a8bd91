"""What the reports are asked for by."""

from datetime import date

from fenxiao.errors import BadRequestError


class BadDayError(BadRequestError):
    """Not a calendar day."""

    code = "bad_day"
    title = "日期格式应为 YYYY-MM-DD"


def parse_day(text: str) -> date:
    """Return the day that a path parameter names.

    Raises:
        BadDayError: not of the form `YYYY-MM-DD`.
    """
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BadDayError from None
