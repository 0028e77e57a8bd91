"""Numbers and identifiers in the shapes that WeChat gives them."""

import json
import secrets
import string
from datetime import datetime

from .clock import SHANGHAI
from .exchange import JsonObject

_ID_ALPHABET = string.ascii_letters + string.digits + "-_"


def digits(count: int) -> str:
    """Return random digits."""
    return "".join(secrets.choice(string.digits) for _ in range(count))


def open_id() -> str:
    """Return an openid or unionid: 28 characters, the first an o."""
    return "o" + "".join(secrets.choice(_ID_ALPHABET) for _ in range(27))


def dated(prefix: str, moment: datetime, length: int) -> str:
    """Return a number of the given length: the prefix, the Shanghai day, random digits."""
    head = prefix + moment.astimezone(SHANGHAI).strftime("%Y%m%d")
    return head + digits(length - len(head))


def fingerprint(content: JsonObject) -> str:
    """Return the canonical form of a request's content, to tell a repetition from a contradiction."""
    return json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
