"""Secrets come from Secrets Manager only, and stay in memory for a few minutes so that a rotation is seen."""

import time
from typing import Final

import msgspec

from fenxiao.aws.clients import client
from fenxiao.config import env

_LIFE_SECONDS: Final = 300.0
_cache: dict[str, tuple[float, object]] = {}


def secret[T](variable: str, form: type[T]) -> T:
    """Return the JSON secret whose ARN the environment variable names, decoded into `form`.

    Raises:
        msgspec.ValidationError: the secret lacks a field.
    """
    arn = env(variable)
    read_at, value = _cache.get(arn, (0.0, None))
    if value is None or time.monotonic() - read_at > _LIFE_SECONDS:
        answer = client("secretsmanager").get_secret_value(SecretId=arn)
        value = msgspec.json.decode(answer["SecretString"], type=form)
        _cache[arn] = (time.monotonic(), value)
    if not isinstance(value, form):
        raise TypeError(f"{variable} was read before in another form")
    return value
